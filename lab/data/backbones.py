"""Where pretrained networks come from: a packaged name, a local folder, or an id on the hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.errors import UserError, nearest


@dataclass(frozen=True)
class BackboneLocation:
    """`source`: a folder, or a hub id where `local` is False; `fingerprint`: of the weights, or of the id alone."""

    name: str
    source: str
    fingerprint: str
    local: bool


def locate_backbone(name: str) -> BackboneLocation:
    """Find a text backbone without loading it.

    Raises `UserError` where a packaged one's extra is not installed, or the name is neither packaged, nor a folder with
    `config.json`, nor of the form of a hub id.
    """
    from lab.data.fingerprint import digest, file_fingerprint
    from lab.data.packaged import packaged, packaged_path

    known = [entry.name for entry in packaged() if entry.kind == "backbone"]
    folder = packaged_path(name) if name in known else Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise UserError(f"backbone {name!r}: the folder has no config.json; expected a transformers model folder")
        weights = sorted(folder.glob("*.safetensors"))
        if not weights:
            raise UserError(
                f"backbone {name!r}: the folder has no .safetensors file; other weight files are not loaded"
            )
        files = [folder / "config.json", *weights, *sorted(folder.glob("tokenizer*.json"))]
        return BackboneLocation(name, str(folder), digest(*map(file_fingerprint, files)), local=True)
    if name.count("/") == 1 and not name.startswith((".", "/", "~")) and not name.endswith("/"):
        return BackboneLocation(name, name, digest(name), local=False)
    hint = nearest(name, known)
    cure = f"did you mean {hint[0]!r}?" if hint else f"packaged: {', '.join(known)}"
    raise UserError(f"backbone {name!r} is neither packaged, nor a folder, nor a hub id of the form owner/name; {cure}")
