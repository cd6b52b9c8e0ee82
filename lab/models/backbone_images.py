"""Image networks of timm and torchvision as ordered blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx, nn

from lab.errors import UserError, nearest
from lab.models.backbone import Backbone, Block, ImagePreprocessing, Location, check_ownership
from lab.models.backbone_graph import cut_graph, find_body, first_calls, trace

_POOLING_FUNCTIONS = ("adaptive_avg_pool2d", "mean", "getitem", "flatten")


def image_backbone(
    location: Location, pretrained: bool, image_size: int | None, blocks: Sequence[str] | None
) -> Backbone:
    """Build a timm or torchvision network, load its weights and split it; raises as `load_backbone` does."""
    build = timm_model if location.library == "timm" else torchvision_model
    model, preprocessing = build(location, pretrained, image_size)
    names, parts = split_image_model(model, location.name, location.library, blocks)
    backbone = Backbone(location.name, "image", names, parts, preprocessing, 0, pretrained)
    with torch.no_grad():
        size = preprocessing.size
        backbone.eval().feature_dim = backbone(torch.zeros(1, 3, size, size, dtype=torch.uint8)).shape[1]
    return backbone


def split_image_model(
    model: nn.Module, name: str, library: str, blocks: Sequence[str] | None
) -> tuple[list[str], list[Block]]:
    """Names and blocks of a network without its classifier; the weights may be on the meta device.

    What comes before the body is the block `stem`; what follows it is a block of its own if it holds a convolution or
    a linear map, else part of the last block. Raises `UserError` where no blocks are found or they do not compose.
    """
    for module in blocks or ():
        _known_module(model, module, name)
    body = list(blocks or find_body(model))
    if not body:
        raise UserError(
            f"backbone {name!r}: its blocks cannot be found; list them in order in `backbone.blocks` by module names; "
            f"there is {', '.join(child for child, _ in model.named_children())}"
        )
    graph, end = _features(model, body, library)
    places = first_calls(graph, body, name)
    nodes = list(graph.nodes)
    names = list(body)
    if blocks:
        places[0] = 1  # whatever comes first belongs to the first block that was named
    else:
        if any(_matrix(model, node) for node in nodes[: places[0]]):
            names, places = ["stem", *names], [1, *places]
        else:
            places[0] = 1
        tail = [i for i in range(places[-1] + 1, end) if _matrix(model, nodes[i])]
        if tail:
            names, places = [*names, str(nodes[tail[0]].target)], [*places, tail[0]]
    if library == "timm":
        pieces = cut_graph(model, graph, places, names, name)[1:]
        pooling: nn.Module = fx.GraphModule(model, trace(model, body, "forward_head", {"pre_logits": True}))
    else:
        *pieces, pooling = cut_graph(model, graph, [*places, end], [*names, "pooling"], name)[1:]
    parts = [Block(piece) for piece in pieces[:-1]] + [Block(pieces[-1], pooling)]
    check_ownership(name, parts, names)
    return names, parts


def _known_module(model: nn.Module, module: str, name: str) -> None:
    known = [key for key, _ in model.named_modules() if key]
    if module not in known:
        near = nearest(module, known) or [child for child, _ in model.named_children()]
        raise UserError(f"backbone {name!r} has no module {module!r} (backbone.blocks); there is {', '.join(near)}")


def _matrix(model: nn.Module, node: fx.Node) -> bool:
    if node.op != "call_module":
        return False
    return any(parameter.dim() > 1 for parameter in model.get_submodule(str(node.target)).parameters())


def _features(model: nn.Module, body: Sequence[str], library: str) -> tuple[fx.Graph, int]:
    """The traced forward, and the place in it where pooling begins."""
    if library == "timm":
        graph = trace(model, body, "forward_features")
        return graph, len(graph.nodes) - 1
    graph = trace(model, body)
    nodes = list(graph.nodes)
    last = next(i for i, node in enumerate(nodes) if node.op == "call_module" and node.target == body[-1])
    for place in range(last + 1, len(nodes)):
        node = nodes[place]
        called = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
        if called == "avgpool" or (node.op != "call_module" and called in _POOLING_FUNCTIONS):
            return graph, place
    return graph, len(nodes) - 1


def timm_model(location: Location, pretrained: bool, image_size: int | None) -> tuple[nn.Module, ImagePreprocessing]:
    """Build a timm network without its classifier, with its preprocessing."""
    import timm
    from timm.data import resolve_model_data_config

    architecture = location.source
    if not architecture.startswith("hf-hub:") and not timm.is_model(architecture.split(".")[0]):
        near = nearest(architecture, timm.list_models()) or ["see timm.list_models()"]
        raise UserError(f"backbone {location.name!r}: timm knows no {architecture!r}; did you mean {', '.join(near)}?")
    options: dict[str, Any] = {"img_size": image_size} if image_size else {}
    from_library = pretrained and location.weights is None
    try:
        try:
            model = timm.create_model(architecture, pretrained=from_library, **options)
        except TypeError:
            model = timm.create_model(architecture, pretrained=from_library)  # takes images of any size
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"backbone {location.name!r}: {_first_line(error)}") from error
    described = resolve_model_data_config(model)
    if pretrained and location.weights is not None:
        load_weights(model, location.weights, location.name)
    if not hasattr(model, "forward_head"):
        raise UserError(f"backbone {location.name!r}: timm's {architecture} does not tell features from its head")
    model.reset_classifier(0)
    size = image_size or int(described["input_size"][-1])
    return model, ImagePreprocessing(
        size, tuple(described["mean"]), tuple(described["std"]), _interpolation(described["interpolation"])
    )


def torchvision_model(
    location: Location, pretrained: bool, image_size: int | None
) -> tuple[nn.Module, ImagePreprocessing]:
    """Build a torchvision classification network without its last linear map, with its preprocessing."""
    raise UserError(f"backbone {location.name!r}: torchvision networks are not known yet")


def _interpolation(name: str) -> str:
    return name if name in ("bicubic", "bilinear") else "bicubic"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def load_weights(model: nn.Module, file: str, name: str) -> None:
    """Load a `.safetensors` or `.pth` file by names, or by position where all shapes agree in order.

    Raises `UserError` where the file cannot be read or its tensors do not fit.
    """
    found = _read_tensors(file, name)
    own = model.state_dict()
    if set(found) != set(own):
        shapes = [tuple(value.shape) for value in found.values()]
        if shapes != [tuple(value.shape) for value in own.values()]:
            raise UserError(
                f"backbone {name!r}: {file} holds {len(found)} tensors that do not fit the {len(own)} of "
                f"{type(model).__name__}, neither by name nor by position"
            )
        found = dict(zip(own, found.values(), strict=True))
    try:
        model.load_state_dict(found)
    except RuntimeError as error:
        raise UserError(f"backbone {name!r}: {file} does not fit: {' '.join(str(error).split())[:300]}") from error


def _read_tensors(file: str, name: str) -> dict[str, torch.Tensor]:
    from pickle import UnpicklingError

    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if file.endswith(".safetensors"):
            return dict(load_file(file))
        found = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, SafetensorError, UnpicklingError, EOFError) as error:
        raise UserError(f"backbone {name!r}: {file} cannot be read: {_first_line(error)}") from error
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise UserError(f"backbone {name!r}: {file} holds no table of tensors")
    return dict(found)


def image_block_names(location: Location, image_size: int | None, blocks: Sequence[str] | None) -> tuple[str, ...]:
    """The names of a network's blocks, found on a copy without weights."""
    build = timm_model if location.library == "timm" else torchvision_model
    try:
        with torch.device("meta"):
            model, _ = build(location, False, image_size)
    except (NotImplementedError, RuntimeError):  # some networks compute with their first weights
        model, _ = build(location, False, image_size)
    return tuple(split_image_model(model, location.name, location.library, blocks)[0])
