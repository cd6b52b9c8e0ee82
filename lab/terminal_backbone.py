"""What `lab show` prints of a backbone: its blocks, as they are counted by the frozen depth."""

from __future__ import annotations

from pathlib import Path


def is_backbone(target: str) -> bool:
    """Whether a name given to `lab show` means a network: by its library or run, or a folder that holds one."""
    return target.startswith(("timm:", "torchvision:", "run:")) or (Path(target).expanduser() / "config.json").is_file()


def blocks_table(name: str, blocks: list[str] | None = None) -> str:
    """The blocks of a backbone with parameters, output shape and share of the forward time, as a table.

    Raises `UserError` where the backbone is not found, and where no blocks are found in it.
    """
    from lab.backbones import find_backbone
    from lab.models.backbone import load_backbone
    from lab.models.block_facts import describe_blocks
    from lab.terminal import columns

    backbone = load_backbone(find_backbone(name), pretrained=False, blocks=blocks)  # shapes do not depend on weights
    rows = []
    for number, facts in enumerate(describe_blocks(backbone), 1):
        shape = " × ".join(f"{size:,}" for size in facts.output_shape)
        rows.append((number, facts.name, f"{facts.parameters:,}".rjust(10), shape, f"{facts.time_share:.0%}".rjust(4)))
    table = columns(rows, ("block", "name", "parameters", "output", "share of forward time"))
    total = sum(parameter.numel() for parameter in backbone.parameters())
    pixels = getattr(backbone.preprocessing, "size", None)
    shown = f"one {backbone.kind} of {pixels} pixels a side" if pixels else "one text of 32 tokens"
    return (
        f"{table}\n\n{len(rows)} blocks, {total:,} parameters, {backbone.feature_dim:,} features; output and time of "
        f"{shown}.\nstrategy.frozen_depth counts these blocks: 0 or none trains all, {len(rows)} or all only the head."
    )
