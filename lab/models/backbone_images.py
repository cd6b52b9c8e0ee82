"""Image networks of timm and torchvision as ordered blocks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import fx, nn

from lab.errors import UserError, nearest
from lab.models.backbone import Backbone, Block, ImagePreprocessing, Location, check_ownership
from lab.models.backbone_graph import cut_graph, find_body, first_calls, trace
from lab.models.image_libraries import timm_model, torchvision_model

_POOLING_FUNCTIONS = ("adaptive_avg_pool2d", "mean", "getitem", "flatten")
_POOLING_MODULES = ("avgpool", "classifier", "head", "heads", "fc")


def image_backbone(
    location: Location, pretrained: bool, image_size: int | None, blocks: Sequence[str] | None
) -> Backbone:
    """Build a timm or torchvision network, load its weights and split it; raises as `load_backbone` does."""
    build = timm_model if location.library == "timm" else torchvision_model
    model, preprocessing = build(location, pretrained, image_size)
    return split_image_model(model, location.name, location.library, preprocessing, blocks, pretrained)


def image_block_names(location: Location, image_size: int | None, blocks: Sequence[str] | None) -> tuple[str, ...]:
    """The names of a network's blocks, found on a copy without weights."""
    build = timm_model if location.library == "timm" else torchvision_model
    try:
        with torch.device("meta"):
            model, _ = build(location, False, image_size)
    except (NotImplementedError, RuntimeError):  # some networks compute with their first weights
        model, _ = build(location, False, image_size)
    return tuple(find_blocks(model, location.name, location.library, blocks)[0])


def split_image_model(
    model: nn.Module,
    name: str,
    library: str,
    preprocessing: ImagePreprocessing,
    blocks: Sequence[str] | None = None,
    pretrained: bool = True,
) -> Backbone:
    """The blocks of a network without its classifier; raises as `load_backbone` does."""
    names, parts = find_blocks(model, name, library, blocks)
    channels_first = getattr(model, "output_fmt", "NCHW") == "NCHW" and type(model).__name__ != "SwinTransformer"
    backbone = Backbone(name, "image", names, parts, preprocessing, 0, pretrained, channels_first).eval()
    with torch.no_grad():
        example = torch.zeros(1, 3, preprocessing.size, preprocessing.size, dtype=torch.uint8)
        try:
            backbone.feature_dim = backbone(example).shape[1]
        except (RuntimeError, AssertionError, TypeError, ValueError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserError(
                f"backbone {name!r} does not run on images of {preprocessing.size} pixels a side: {reason}"
            ) from error
    return backbone


def find_blocks(
    model: nn.Module, name: str, library: str, blocks: Sequence[str] | None
) -> tuple[list[str], list[Block]]:
    """Names and blocks of a network without its classifier; its weights may be on the meta device.

    What comes before the body is the block `stem`; what follows it is a block of its own if it holds a convolution or
    a linear map, else part of the last block. With `blocks`, each block goes from one named module to the next.
    """
    body = _known_modules(model, blocks, name) if blocks else find_body(model)
    if not body:
        raise UserError(
            f"backbone {name!r}: its blocks cannot be found; list them in order in `backbone.blocks` by module names; "
            f"there is {', '.join(child for child, _ in model.named_children())}"
        )
    model.eval()  # a traced forward is fixed in the mode it was traced in: no side branches, no dropout by function
    try:
        graph, end = _features(model, body, library)
    except (fx.proxy.TraceError, TypeError, AttributeError) as error:  # its forward decides by what it computes
        raise UserError(
            f"backbone {name!r}: the forward of a {type(model).__name__} cannot be followed from block to block: "
            f"{str(error).splitlines()[0]}"
        ) from error
    names, places = list(body), first_calls(graph, body, name)
    if not blocks:
        names, places = _with_stem_and_tail(model, graph, end, names, places)
    places[0] = 1  # whatever comes first belongs to the first block
    if library == "timm":
        pieces = cut_graph(model, graph, places, names, name)[1:]
        pooling: nn.Module = fx.GraphModule(model, trace(model, body, "forward_head", {"pre_logits": True}))
    else:
        *pieces, pooling = cut_graph(model, graph, [*places, end], [*names, "pooling"], name)[1:]
    parts = [Block(piece) for piece in pieces[:-1]] + [Block(pieces[-1], pooling)]
    check_ownership(name, parts, names)
    return names, parts


def _known_modules(model: nn.Module, blocks: Sequence[str], name: str) -> list[str]:
    known = [key for key, _ in model.named_modules() if key]
    for module in blocks:
        if module not in known:
            near = nearest(module, known) or [child for child, _ in model.named_children()]
            raise UserError(f"backbone {name!r} has no module {module!r} (backbone.blocks); there is {', '.join(near)}")
    return list(blocks)


def _with_stem_and_tail(
    model: nn.Module, graph: fx.Graph, end: int, names: list[str], places: list[int]
) -> tuple[list[str], list[int]]:
    nodes = list(graph.nodes)
    if any(_has_matrix(model, node) for node in nodes[: places[0]]):
        names, places = ["stem", *names], [1, *places]
    tail = next((i for i in range(places[-1] + 1, end) if _has_matrix(model, nodes[i])), None)
    if tail is not None:
        names, places = [*names, str(nodes[tail].target)], [*places, tail]
    return names, places


def _has_matrix(model: nn.Module, node: fx.Node) -> bool:
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
    last = max((i for i, node in enumerate(nodes) if node.op == "call_module" and node.target == body[-1]), default=0)
    for place in range(last + 1, len(nodes)):
        called = nodes[place].target
        called = called if isinstance(called, str) else getattr(called, "__name__", "")
        if called in (_POOLING_MODULES if nodes[place].op == "call_module" else _POOLING_FUNCTIONS):
            return graph, place
    return graph, len(nodes) - 1
