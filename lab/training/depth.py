"""Frozen depth: how many leading blocks of a backbone stay as they are, from the forms that people write to a number.

The stem or the embeddings are block 1, the task head is none. No imports of torch here: a config is checked with it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from lab.errors import UserError, nearest


def resolve_depth(depth: int | str, block_names: Sequence[str], key: str = "strategy.frozen_depth") -> int:
    """Return how many leading blocks are frozen, 0 to `len(block_names)`.

    `depth`: a number, a share (`50%`; half a block counts as frozen), `all`, `all-2`, `none`, or the name of the last
    frozen block. `key` is what the message calls it.
    Raises `UserError` with the number of blocks and the nearest name where it is none of these.
    """
    count = len(block_names)
    number = _number(depth, block_names)
    if number is None or not 0 <= number <= count:
        alike = nearest(str(depth), [*block_names, "all", "none"], n=1) if number is None else []
        hint = f"; did you mean {alike[0]}?" if alike else ""
        raise UserError(
            f"{key}: {depth}: the backbone has {count} blocks ({_listed(block_names)}); "
            f"expected 0 to {count}, 50%, all, all-1, none, or the name of the last frozen block{hint}"
        )
    return number


def resolve_block(block: int | str, block_names: Sequence[str], key: str = "strategy.blocks") -> int:
    """Return the index from 0 of a block given by its name or its number from 1.

    Raises `UserError` with the number of blocks and the nearest name where there is none such.
    """
    count = len(block_names)
    if isinstance(block, str) and block in block_names:
        return list(block_names).index(block)
    if not isinstance(block, bool) and str(block).isdigit() and 1 <= int(block) <= count:
        return int(block) - 1
    alike = nearest(str(block), list(block_names), n=1)
    hint = f"; did you mean {alike[0]}?" if alike else ""
    raise UserError(
        f"{key}: {block}: the backbone has {count} blocks ({_listed(block_names)}); "
        f"expected a name or a number from 1 to {count}{hint}"
    )


def spoken_depth(depth: int, blocks: int) -> str:
    """Say a frozen depth as people do: "trains the last 3 of 9 blocks"."""
    trained = blocks - depth
    if not trained:
        return f"trains the head only, all {blocks} blocks frozen"
    if not depth:
        return f"trains all {blocks} blocks"
    return f"trains the last block of {blocks}" if trained == 1 else f"trains the last {trained} of {blocks} blocks"


def _number(depth: int | str, block_names: Sequence[str]) -> int | None:
    count = len(block_names)
    if isinstance(depth, int):
        return depth
    if depth in block_names:
        return list(block_names).index(depth) + 1
    if depth in ("all", "none"):
        return count if depth == "all" else 0
    if less := re.fullmatch(r"all\s*-\s*(\d+)", depth):
        return count - int(less[1])
    if share := re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", depth):
        return math.floor(count * float(share[1]) / 100 + 0.5) if float(share[1]) <= 100 else None
    return int(depth) if depth.isdigit() else None


def _listed(names: Sequence[str], most: int = 12) -> str:
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[: most - 1])}, …, {names[-1]}"
