"""What is found by looking at picture files once: digest, size, mode, colours, what is wrong, and a small grey copy.

Kept in the cache for each folder, by path, size and time of change, so that the second look opens nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.atomic import replacing
from lab.cache import cache_dir
from lab.data.fingerprint import digest
from lab.data.labelled.images import SMALL, FileImages, as_rgb, squeeze, workers
from lab.data.labelled.items import RawItems

if TYPE_CHECKING:
    from PIL import Image

# Raised whenever what is found in a file changes.
_VERSION = 3
_SETTLED_SECONDS = 2.0
# Levels by which the channels of a grey photograph may differ once it has been a JPEG.
_GREY_LEVELS = 2


def picture_files(ids: list[str], files: Sequence[Path], where: str) -> RawItems:
    """Raw items of picture files, each looked at: fingerprints, problems (truncated, …) and notes (CMYK, 16-bit, …).

    The labels ("" each) and columns are the caller's to fill in.
    """
    return _raw(ids, files, look_at(files, where), where)


def picture_bytes(ids: list[str], contents: list[bytes], where: str) -> RawItems:
    """Raw items of pictures that are bytes already (cells of a table), as `picture_files` makes them of files."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(workers()) as pool:
        facts = list(pool.map(look_at_one, contents))
    return _raw(ids, contents, facts, where)


def _raw(ids: list[str], files: Sequence[Path | bytes], facts: list[dict[str, Any]], where: str) -> RawItems:
    sides = np.array([min(fact["width"], fact["height"]) for fact in facts], dtype=np.int64)
    small = np.stack([_small(fact) for fact in facts]) if facts else None
    coloured = np.array([fact["coloured"] for fact in facts], dtype=bool)
    images = FileImages(list(files), sides, small, coloured)
    raw = RawItems("image", list(ids), [""] * len(ids), where, "images", images=images)
    raw.fingerprints = [fact["digest"] for fact in facts]
    raw.problems = {at: fact["problem"] for at, fact in enumerate(facts) if fact["problem"]}
    raw.notes = {at: fact["note"] for at, fact in enumerate(facts) if fact["note"]}
    raw.columns = {name: [fact[name] for fact in facts] for name in ("width", "height")}
    return raw


def _small(fact: dict[str, Any]) -> np.ndarray:
    content = base64.b64decode(fact.get("small", ""))
    return np.frombuffer(content or bytes(SMALL * SMALL), np.uint8).reshape(SMALL, SMALL)


def look_at(files: Sequence[Path], where: str) -> list[dict[str, Any]]:
    """For each file `{digest, problem, note, width, height, coloured, small}`.

    Files that were seen before and have not changed are not opened.
    """
    from concurrent.futures import ThreadPoolExecutor

    note = cache_dir() / "labelled" / f"{digest(str(Path(where).absolute()), str(_VERSION))}.json"
    known = _known(note)
    stamps = [_stamp(file) for file in files]
    wanted = [i for i, file in enumerate(files) if known.get(str(file), {}).get("stamp") != stamps[i]]
    if wanted:
        with ThreadPoolExecutor(workers()) as pool:
            found = list(pool.map(lambda i: look_at_one(files[i]), wanted))
        settled = time.time() - _SETTLED_SECONDS
        fresh = {str(files[i]): {**fact, "stamp": stamps[i]} for i, fact in zip(wanted, found, strict=True)}
        known = {**known, **fresh}
        keep = {str(f): known[str(f)] for f, s in zip(files, stamps, strict=True) if s and s[1] < settled * 1e9}
        _keep(note, keep)
    return [known[str(file)] for file in files]


def _stamp(file: Path) -> list[int]:
    try:
        status = file.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]


def _known(note: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(note.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _keep(note: Path, content: dict[str, Any]) -> None:
    try:
        with replacing(note) as temporary:
            temporary.write_text(json.dumps(content), encoding="utf-8")
    except OSError:
        pass  # a cache that cannot be written costs time, never an answer


def look_at_one(file: Path | bytes) -> dict[str, Any]:
    """What there is to know of one picture; `problem` is "" where it can be used."""
    fact: dict[str, Any] = {"digest": "", "problem": "", "note": "", "width": 0, "height": 0, "coloured": True}
    try:
        content = file if isinstance(file, bytes) else file.read_bytes()
    except OSError as error:
        return {**fact, "problem": error.strerror or "cannot be read"}
    fact["digest"] = hashlib.blake2b(content, digest_size=16).hexdigest()
    if not content:
        return {**fact, "problem": "an empty file"}
    return fact | _decoded(content)


def _decoded(content: bytes) -> dict[str, Any]:
    import io
    import warnings

    from PIL import Image, ImageOps

    found: dict[str, Any] = {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content)) as image:
                found |= {"width": image.width, "height": image.height, "note": _oddities(image)}
                if image.width <= 1 or image.height <= 1:
                    return {**found, "problem": f"{image.width}×{image.height} pixels"}
                image.draft(None, (2 * SMALL, 2 * SMALL))
                image.load()
                upright = as_rgb(ImageOps.exif_transpose(image))
                small = squeeze(upright, SMALL)
                found["coloured"] = _coloured(upright)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        return {**found, "problem": _said(error)}
    return {**found, "small": base64.b64encode(small.tobytes()).decode()}


def _coloured(image: Image.Image) -> bool:
    """Whether the channels of an RGB picture differ anywhere in its small copy."""
    if image.mode == "L":
        return False
    red, green, blue = np.asarray(image.resize((SMALL, SMALL), reducing_gap=2.0)).astype(int).transpose(2, 0, 1)
    return bool(max(abs(red - green).max(), abs(blue - green).max()) > _GREY_LEVELS)


def _oddities(image: Any) -> str:
    notes = []
    if image.mode == "CMYK":
        notes.append("CMYK")
    if image.mode.startswith(("I", "F")):
        notes.append("16-bit" if "16" in image.mode else f"mode {image.mode}")
    if getattr(image, "n_frames", 1) > 1:
        notes.append(f"animated ({image.n_frames} frames; the first is used)")
    if min(image.size) * 8 < max(image.size):
        notes.append(f"very long ({image.width}×{image.height}; the middle is used)")
    return ", ".join(notes)


def _said(error: Exception) -> str:
    text = str(error)
    if "truncated" in text or "not processed" in text or isinstance(error, EOFError):
        return "truncated"
    if "cannot identify" in text:
        return "not a picture that can be read"
    return f"damaged ({text[:80]})"
