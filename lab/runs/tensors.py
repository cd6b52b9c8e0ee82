"""Named arrays in safetensors files: no code in them, so nothing to fear from loading one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import LabError, UserError
from lab.runs.files import FORMAT_VERSION, check_format, to_json, whole

if TYPE_CHECKING:
    import numpy as np


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, Any] | None = None) -> None:
    """Write arrays of numbers of any shape, and JSON metadata, whole or not at all. Raises `LabError` (full disk)."""
    import numpy as np
    from safetensors.numpy import save_file

    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    about = {"format_version": FORMAT_VERSION, "metadata": dict(metadata or {})}
    with whole(path) as temporary:  # one key, as several are written in an order that changes from time to time
        save_file(arrays, temporary, metadata={"lab": json.dumps(about, default=to_json)})


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file as written. Raises `UserError` where it is missing or newer, `LabError` where torn."""
    return _read(path)[0]


def read_tensor_metadata(path: Path) -> dict[str, Any]:
    """The metadata of a file without its arrays. Raises as `read_tensors` does."""
    return _read(path, arrays=False)[1]


def _read(path: Path, arrays: bool = True) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise UserError(f"{path} does not exist")
    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {}).get("lab", "{}"))
            check_format(about.get("format_version", 1), path)
            tensors = {name: file.get_tensor(name) for name in (file.keys() if arrays else ())}
            return tensors, about.get("metadata", {})
    except SafetensorError as error:
        raise LabError(f"{path} is damaged: {error}") from None
