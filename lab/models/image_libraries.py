"""Image networks as timm and torchvision make them, without their classifier, with their preprocessing."""

from __future__ import annotations

from typing import Any

from torch import nn

from lab.errors import UserError, nearest
from lab.hub import unreachable
from lab.models.backbone import ImagePreprocessing, Location
from lab.models.weight_files import load_weights


def timm_model(location: Location, pretrained: bool, image_size: int | None) -> tuple[nn.Module, ImagePreprocessing]:
    """Build a timm network. Raises `UserError` where timm does not know it or its weights cannot be had."""
    import timm
    from safetensors import SafetensorError
    from timm.data import resolve_model_data_config

    architecture = location.source
    if ":" not in architecture and not timm.is_model(architecture.split(".")[0]):
        near = nearest(architecture, timm.list_models()) or ["see timm.list_models()"]
        raise UserError(f"backbone {location.name!r}: timm knows no {architecture!r}; did you mean {', '.join(near)}?")
    options: dict[str, Any] = {"img_size": image_size} if image_size else {}
    downloaded = pretrained and location.weights is None
    if downloaded:
        unreachable()
    try:
        try:
            model = timm.create_model(architecture, pretrained=downloaded, **options)
        except TypeError:
            model = timm.create_model(architecture, pretrained=downloaded)  # takes images of any size
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise UserError(f"backbone {location.name!r}: {_first_line(error)}") from error
    if not hasattr(model, "forward_head") or not hasattr(model, "reset_classifier"):
        raise UserError(f"backbone {location.name!r}: timm's {architecture} does not tell its features from its head")
    described = resolve_model_data_config(model)
    if pretrained and location.weights is not None:
        load_weights(model, location.weights, location.name, str(model.pretrained_cfg.get("classifier") or ""))
    model.reset_classifier(0)
    return model, ImagePreprocessing(
        image_size or int(described["input_size"][-1]),
        tuple(described["mean"]),
        tuple(described["std"]),
        _known_interpolation(described["interpolation"]),
    )


def torchvision_model(
    location: Location, pretrained: bool, image_size: int | None
) -> tuple[nn.Module, ImagePreprocessing]:
    """Build a torchvision classification network; raises as `timm_model` does."""
    import torchvision

    known = torchvision.models.list_models(module=torchvision.models)
    if location.source not in known:
        near = nearest(location.source, known) or known
        raise UserError(
            f"backbone {location.name!r}: torchvision knows no {location.source!r}; there is {', '.join(near)}"
        )
    weights = torchvision.models.get_model_weights(location.source).DEFAULT
    described = weights.transforms()
    size = image_size or int(described.crop_size[0])
    options = {"image_size": size} if location.source.startswith("vit_") else {}
    model = torchvision.models.get_model(location.source, weights=None, **options)
    if pretrained:
        _load_torchvision(model, location, weights, size)
    return without_classifier(model, location.name), ImagePreprocessing(
        size,
        tuple(described.mean),
        tuple(described.std),
        _known_interpolation(described.interpolation.value),
    )


def without_classifier(model: nn.Module, name: str) -> nn.Module:
    """Take the last linear map off a torchvision network, in place. Raises `UserError` where it has none."""
    model.set_submodule(_classifier(model, name), nn.Identity())
    return model


def _classifier(model: nn.Module, name: str) -> str:
    for key, module in reversed(list(model.named_modules())):
        if isinstance(module, nn.Linear):
            return key
    raise UserError(f"backbone {name!r}: it has no linear classifier on top of its features")


def _load_torchvision(model: nn.Module, location: Location, weights: Any, size: int) -> None:
    from torchvision.models.vision_transformer import VisionTransformer, interpolate_embeddings

    if location.weights is not None:
        load_weights(model, location.weights, location.name, _classifier(model, location.name))
        return
    try:
        state = weights.get_state_dict(progress=False, check_hash=True)
    except OSError as error:
        raise UserError(
            f"backbone {location.name!r}: its weights cannot be downloaded: {_first_line(error)}"
        ) from error
    if isinstance(model, VisionTransformer):
        state = interpolate_embeddings(size, model.patch_size, state)
    model.load_state_dict(state)


def _known_interpolation(name: str) -> str:
    return name if name in ("bicubic", "bilinear") else "bicubic"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
