"""A shard: the activations of many items on end in one safetensors file, written once, read memory-mapped.

Images are rows of one shape. Texts are ragged: the positions of all items on end, without padding, and one last
row that stands for padding when a batch is gathered.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from lab.atomic import replacing

FORMAT = 1
KEY_BYTES = 16
_DTYPES = {
    torch.float32: "F32",
    torch.bfloat16: "BF16",
    torch.uint8: "U8",
    torch.int16: "I16",
    torch.int32: "I32",
}
_CHECKSUM = "00000000"


@dataclass(frozen=True)
class Layout:
    """What the activations of one item look like at a cut.

    `shape`: of one position of a text, or of one image in the order in which it is stored (channels last where
    the network gave it so). `padding`: what stands behind the end of a text.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    ragged: bool
    channels_last: bool = False
    padding: int = 0

    @classmethod
    def of(cls, x: torch.Tensor, mask: torch.Tensor | None, padding: int = 0) -> Layout:
        """The layout of a batch: (m, T, …) with a mask, else (m, …)."""
        last = x.dim() == 4 and mask is None and not x.is_contiguous() and x[:1].permute(0, 2, 3, 1).is_contiguous()
        shape = x.shape[2:] if mask is not None else x.permute(0, 2, 3, 1).shape[1:] if last else x.shape[1:]
        return cls(tuple(shape), x.dtype, mask is not None, last, padding)

    @property
    def bytes_per_position(self) -> int:
        """Of a token of a text, or of a whole image."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def flatten(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """A batch as rows to store: (positions, *shape)."""
        if self.ragged:
            return x[mask].contiguous()
        return (x.permute(0, 2, 3, 1) if self.channels_last else x).contiguous()


@dataclass(frozen=True)
class Shard:
    """The items `keys` (m, 16) uint8 with `lengths` (m,) positions, on end in `data` (positions, *shape)."""

    path: Path | None
    layout: Layout
    keys: np.ndarray
    lengths: np.ndarray
    starts: np.ndarray
    data: torch.Tensor
    seconds: float
    """What computing one item cost, from its raw input on."""

    @property
    def nbytes(self) -> int:
        """Bytes of the activations."""
        return self.data.numel() * self.data.element_size()


class ShardWriter:
    """Writes the rows of a shard in the order of its keys: to a file, or into memory where `path` is None."""

    def __init__(self, path: Path | None, layout: Layout, keys: np.ndarray, lengths: np.ndarray) -> None:
        self.path, self.layout, self.keys = path, layout, keys
        self.lengths = lengths.astype(np.int32) if layout.ragged else np.ones(len(keys), dtype=np.int32)
        self.positions = int(self.lengths.sum()) + layout.ragged
        self._stack = ExitStack()
        self._written = 0
        if path is None:
            self._memory = torch.empty((self.positions, *layout.shape), dtype=layout.dtype)
        else:
            self._open(path)

    def _open(self, path: Path) -> None:
        self._file: IO[bytes] = open(self._stack.enter_context(replacing(path)), "wb")  # noqa: SIM115 - closed in finish
        self._stack.callback(self._file.close)
        self._file.write(self._header(_CHECKSUM, 0.0))
        self._checksum = 0
        self._write(self.keys)
        self._write(self.lengths)

    def _write(self, array: Any) -> None:
        content = np.ascontiguousarray(array).tobytes() if array.nbytes < 1 << 20 else np.ascontiguousarray(array).data
        self._checksum = zlib.crc32(content, self._checksum)
        self._file.write(content)

    def put(self, x: torch.Tensor, mask: torch.Tensor | None) -> None:
        """Store the next items: x (m, T, …) with its mask (m, T), or (m, …)."""
        self._append(self.layout.flatten(x, mask).to(self.layout.dtype))

    def _append(self, rows: torch.Tensor) -> None:
        if self.path is None:
            self._memory[self._written : self._written + len(rows)] = rows
        else:
            self._write(rows.reshape(-1).view(torch.uint8).numpy())
        self._written += len(rows)

    def finish(self, seconds: float) -> Shard:
        """Put the file in its place and open it. `seconds`: of one item."""
        if self.layout.ragged:
            self._append(torch.full((1, *self.layout.shape), self.layout.padding, dtype=self.layout.dtype))
        assert self._written == self.positions, "every item is written once"
        if self.path is None:
            return _shard(None, self.layout, self.keys, self.lengths, self._memory, seconds)
        self._file.seek(0)
        self._file.write(self._header(f"{self._checksum:08x}", seconds))
        self._stack.close()
        shard = read_shard(self.path, verify=False)
        assert shard is not None
        return shard

    def abort(self) -> None:
        """Throw away what was written."""
        if self.path is not None:
            self._stack.__exit__(RuntimeError, RuntimeError(), None)

    def _header(self, checksum: str, seconds: float) -> bytes:
        """The safetensors header; of the same length whatever the checksum and the seconds."""
        items, offset, tensors = len(self.keys), 0, {}
        for name, dtype, shape, size in (
            ("keys", "U8", (items, KEY_BYTES), 1),
            ("lengths", "I32", (items,), 4),
            ("data", _DTYPES[self.layout.dtype], (self.positions, *self.layout.shape), self.layout.dtype.itemsize),
        ):
            end = offset + int(np.prod(shape, dtype=np.int64)) * size
            tensors[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, end]}
            offset = end
        metadata = {
            "format": str(FORMAT),
            "ragged": str(int(self.layout.ragged)),
            "channels_last": str(int(self.layout.channels_last)),
            "padding": str(self.layout.padding),
            "seconds": f"{seconds:024.12f}",
            "checksum": checksum,
        }
        text = json.dumps({"__metadata__": metadata, **tensors}).encode()
        text += b" " * (-(len(text) + 8) % 64)
        return len(text).to_bytes(8, "little") + text


def read_shard(path: Path, verify: bool = True) -> Shard | None:
    """Map a shard into memory; None where it is gone, cut short, of another format or, if `verify`, altered."""
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length < 1 << 20 else {}
        metadata, size = header["__metadata__"], path.stat().st_size
        start = 8 + length
        if metadata["format"] != str(FORMAT) or size != start + header["data"]["data_offsets"][1]:
            return None
        content = torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8)[start:]
        if verify and zlib.crc32(memoryview(content.numpy())) != int(metadata["checksum"], 16):
            return None
    except (OSError, ValueError, KeyError, RuntimeError):
        return None
    dtype = next(torch_dtype for torch_dtype, name in _DTYPES.items() if name == header["data"]["dtype"])
    parts = {name: content[slice(*header[name]["data_offsets"])] for name in ("keys", "lengths", "data")}
    data = parts["data"].view(dtype).view(header["data"]["shape"])
    layout = Layout(
        shape=tuple(data.shape[1:]),
        dtype=dtype,
        ragged=metadata["ragged"] == "1",
        channels_last=metadata["channels_last"] == "1",
        padding=int(metadata["padding"]),
    )
    keys = parts["keys"].view(-1, KEY_BYTES).numpy()
    return _shard(path, layout, keys, parts["lengths"].view(torch.int32).numpy(), data, float(metadata["seconds"]))


def _shard(
    path: Path | None, layout: Layout, keys: np.ndarray, lengths: np.ndarray, data: torch.Tensor, seconds: float
) -> Shard:
    starts = np.cumsum(lengths, dtype=np.int64) - lengths
    return Shard(path, layout, keys, lengths, starts, data, seconds)


def gather(shards: Sequence[Shard], shard_of: np.ndarray, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The items at `rows` (m,) of the shards `shard_of` (m,) as a batch.

    Returns:
        x: (m, T, …) padded to the longest of the batch, with the mask (m, T) bool of its positions, for texts;
        (m, …) and None otherwise, in channels-last memory order where it is stored so.
    """
    used = np.unique(shard_of)
    first = shards[used[0]]
    if first.layout.ragged:
        return _gather_ragged(shards, used, shard_of, rows)
    if len(used) == 1:
        x = first.data.index_select(0, torch.from_numpy(rows))
    else:
        x = torch.empty((len(rows), *first.layout.shape), dtype=first.layout.dtype)
        for number in used:
            chosen = np.flatnonzero(shard_of == number)
            x[torch.from_numpy(chosen)] = shards[number].data.index_select(0, torch.from_numpy(rows[chosen]))
    return (x.permute(0, 3, 1, 2) if first.layout.channels_last else x), None


def _gather_ragged(
    shards: Sequence[Shard], used: np.ndarray, shard_of: np.ndarray, rows: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor]:
    """As `gather`, for texts: positions behind the end of one take the shard's last row, the padding."""
    lengths = np.empty(len(rows), dtype=np.int64)
    for number in used:
        chosen = shard_of == number
        lengths[chosen] = shards[number].lengths[rows[chosen]]
    steps = np.arange(int(lengths.max()))
    mask = steps < lengths[:, None]
    shape = (len(rows), len(steps), *shards[used[0]].layout.shape)
    dtypes = {shards[number].layout.dtype for number in used}
    x = torch.empty(shape, dtype=next(iter(dtypes)) if len(dtypes) == 1 else torch.int64)
    for number in used:
        shard = shards[number]
        chosen = np.flatnonzero(shard_of == number)
        positions = np.where(mask[chosen], shard.starts[rows[chosen], None] + steps, len(shard.data) - 1)
        part = shard.data.index_select(0, torch.from_numpy(positions.ravel())).view(len(chosen), *shape[1:])
        if len(used) == 1:
            x = part
        else:
            x[torch.from_numpy(chosen)] = part.to(x.dtype)
    return x, torch.from_numpy(mask)
