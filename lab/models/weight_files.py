"""Read a file of weights into a network whose architecture is known."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lab.errors import UserError


def load_weights(model: nn.Module, file: str, name: str, classifier: str = "") -> None:
    """Load a `.safetensors` or `.pth` file by names, else by position where all shapes agree in order.

    Tensors below `classifier` may be missing or of another number of classes: they are not used.
    Raises `UserError` where the file cannot be read or its tensors do not fit.
    """
    found, own = read_tensors(file, name), model.state_dict()
    if not found.keys() & own.keys():
        if [value.shape for value in found.values()] != [value.shape for value in own.values()]:
            raise UserError(
                f"backbone {name!r}: {file} holds {len(found)} tensors that do not fit the {len(own)} of "
                f"{type(model).__name__}, neither by name nor by position"
            )
        found = dict(zip(own, found.values(), strict=True))
    optional = f"{classifier}." if classifier else "\0"
    needed = {key for key in own if not key.startswith(optional) and not key.endswith("num_batches_tracked")}
    wrong = sorted(
        {key for key in needed if key not in found or found[key].shape != own[key].shape}
        | {key for key in found if key not in own and not key.startswith(optional)}
    )
    if wrong:
        raise UserError(
            f"backbone {name!r}: {file} does not fit {type(model).__name__}: {len(wrong)} tensors are missing, unknown "
            f"or of another shape, first {', '.join(wrong[:3])}"
        )
    fitting = {key: value for key, value in found.items() if key in own and value.shape == own[key].shape}
    model.load_state_dict(fitting, strict=False)


def read_tensors(file: str, name: str) -> dict[str, Tensor]:
    """The tensors of a file by name, in order; a training checkpoint's are looked for inside it."""
    from safetensors.torch import load_file

    try:
        if file.endswith(".safetensors"):
            return dict(load_file(file))
        found = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # each reader has exceptions of its own for a file that is something else
        reason = (
            "it is damaged"
            if file.endswith(".safetensors")
            else "it is damaged, or a pickled network instead of its state_dict(); save that, or .safetensors"
        )
        raise UserError(f"backbone {name!r}: {file} cannot be read as weights: {reason}") from error
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise UserError(f"backbone {name!r}: {file} holds no table of tensors")
    return {key.removeprefix("module."): value for key, value in found.items()}
