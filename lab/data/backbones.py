"""Where pretrained networks come from: a packaged name, a folder, a file, a library's own list, or an id on the hub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from lab.errors import UserError, nearest

Library = Literal["transformers", "timm", "torchvision", "run"]
_PACKAGED_ARCHITECTURES = {"efficientnet-lite0": "tf_efficientnet_lite0"}
_WEIGHT_FILES = (".safetensors", ".pth", ".pt", ".bin")


@dataclass(frozen=True)
class BackboneLocation:
    """`source`: a folder, a hub id, or an architecture of its library; `weights`: a file for that architecture.

    `fingerprint` is of the files where they are local, else of the name and the library's version. `network`: of
    library `run` (an encoder trained here, see `lab.backbones`) how it is built, as plain data.
    """

    name: str
    source: str
    fingerprint: str
    local: bool
    library: Library = "transformers"
    weights: str | None = None
    network: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def kind(self) -> Literal["image", "text"]:
        """What the network reads, as its config says, which is fetched where it is on the hub.

        Raises `UserError` where it cannot be had.
        """
        if self.library != "transformers":
            return "image"
        file = Path(self.source) / "config.json" if self.local else _config_from_hub(self.source)
        try:
            config = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            config = {}
        return "image" if "image_size" in config or "num_channels" in config else "text"


def _config_from_hub(name: str) -> Path:
    from huggingface_hub import hf_hub_download

    from lab.hub import unreachable

    away = unreachable()
    try:
        return Path(hf_hub_download(name, "config.json"))
    except (OSError, ValueError) as error:  # not there, no network, or no hub id at all
        reason = away or (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"backbone {name!r} is no folder here, and not to be had from the hub: {reason}") from error


def locate_backbone(name: str, library: Library | None = None) -> BackboneLocation:
    """Find a backbone without loading it; with `library`, only one that comes from there.

    Names: packaged (`minilm-l6`); a folder with `config.json` and safetensors, of transformers or timm; `timm:NAME` or
    `torchvision:NAME`, alone or with a file of weights behind it (`timm:resnet18@weights.pth`); a hub id `owner/name`.
    Raises `UserError` where a packaged one's extra is not installed, and where nothing is found under the name.
    """
    found = _locate(name)
    if library is not None and found.library != library:
        raise UserError(
            f"backbone {name!r} is a network of {found.library}; a text encoder of {library} is needed here"
        )
    return found


def _locate(name: str) -> BackboneLocation:
    from lab.data.fingerprint import digest
    from lab.data.packaged import packaged, packaged_path

    known = [entry.name for entry in packaged() if entry.kind == "backbone"]
    prefix, _, rest = name.partition(":")
    if prefix == "timm":
        return _from_library(name, "timm", rest)
    if prefix == "torchvision":
        return _from_library(name, "torchvision", rest)
    place = packaged_path(name) if name in known else Path(name).expanduser()
    if name in _PACKAGED_ARCHITECTURES:
        return _with_weights(name, "timm", _PACKAGED_ARCHITECTURES[name], place)
    if place.is_dir():
        return _from_folder(name, place)
    if place.is_file() or name.endswith(_WEIGHT_FILES):
        raise UserError(
            f"backbone {name!r}: a file of weights alone does not say of which network; write timm:NAME@{name} or "
            f"torchvision:NAME@{name}"
        )
    if name.count("/") == 1 and not name.startswith((".", "/", "~")) and not name.endswith("/"):
        if name.startswith("timm/"):
            return BackboneLocation(name, f"hf-hub:{name}", digest(name), local=False, library="timm")
        return BackboneLocation(name, name, digest(name), local=False)
    hint = nearest(name, known)
    cure = f"did you mean {hint[0]!r}?" if hint else f"packaged: {', '.join(known)}"
    raise UserError(
        f"backbone {name!r} is neither packaged, nor a folder, nor timm:NAME or torchvision:NAME, nor a hub id "
        f"(owner/name); {cure}"
    )


def _from_library(name: str, library: Library, rest: str) -> BackboneLocation:
    from lab.data.fingerprint import digest

    architecture, at, file = rest.partition("@")
    if not architecture or (at and not file):
        raise UserError(f"backbone {name!r}: expected {library}:NAME or {library}:NAME@FILE")
    if at:
        return _with_weights(name, library, architecture, Path(file).expanduser())
    return BackboneLocation(name, architecture, digest(name, version(library)), local=False, library=library)


def _with_weights(name: str, library: Library, architecture: str, file: Path) -> BackboneLocation:
    from lab.data.fingerprint import digest, file_fingerprint

    if not file.is_file():
        raise UserError(f"backbone {name!r}: there is no file {file}")
    if file.suffix not in _WEIGHT_FILES:
        raise UserError(f"backbone {name!r}: {file.name} is no file of weights; expected {', '.join(_WEIGHT_FILES)}")
    fingerprint = digest(library, architecture, file_fingerprint(file))
    return BackboneLocation(name, architecture, fingerprint, local=True, library=library, weights=str(file))


def _from_folder(name: str, folder: Path) -> BackboneLocation:
    from lab.data.fingerprint import digest, file_fingerprint

    if not (folder / "config.json").is_file():
        raise UserError(
            f"backbone {name!r}: the folder has no config.json; expected a transformers or timm model folder"
        )
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise UserError(f"backbone {name!r}: the folder has no .safetensors file; other weight files are not loaded")
    files = [folder / "config.json", *weights, *sorted(folder.glob("tokenizer*.json"))]
    fingerprint = digest(*map(file_fingerprint, files))
    try:
        architecture = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("architecture")
    except (ValueError, AttributeError) as error:
        raise UserError(f"backbone {name!r}: its config.json is no JSON object: {error}") from error
    if architecture:  # as timm writes it
        return BackboneLocation(name, f"local-dir:{folder.absolute()}", fingerprint, local=True, library="timm")
    return BackboneLocation(name, str(folder), fingerprint, local=True)
