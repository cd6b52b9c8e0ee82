"""Cut a network's own forward into consecutive pieces, at the calls of named modules.

The forward is traced with `torch.fx` (Reed et al. 2022, arXiv:2112.08429); only the modules that contain a cut are
looked into, everything else stays one call, so pieces put together are the network's own forward by construction.
"""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Sequence
from typing import Any

from torch import fx, nn

from lab.errors import UserError

_CONTAINERS = ("blocks", "stages", "layers", "features", "encoder.layers", "trunk_output", "levels", "network")
_NUMBERED = re.compile(r"(layer|stage|stages|block|s|res)_?(\d+)")


_BESIDE = re.compile(r"(aux|head|fc|classifier|pre_logits)", re.IGNORECASE)


class _Tracer(fx.Tracer):
    def __init__(self, through: set[str], method: str) -> None:
        super().__init__()
        self.through, self.traced_func_name = through, method

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module stays one call."""
        return module_qualified_name not in self.through


def trace(
    model: nn.Module, names: Sequence[str], method: str = "forward", fixed: dict[str, Any] | None = None
) -> fx.Graph:
    """The graph of a method, with the named modules (and whatever does not contain one of them) as single calls."""
    through = {name.rsplit(".", k)[0] for name in names for k in range(1, name.count(".") + 1)}
    defaults = list(inspect.signature(getattr(model, method)).parameters.values())[1:]
    arguments = {argument.name: argument.default for argument in defaults} | (fixed or {})
    graph = _Tracer(through, method).trace(model, arguments or None)
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    unused = set(inputs[1:])  # fixed arguments, of which only a check remains
    for node in graph.nodes:
        unused |= {node} if unused & set(node.all_input_nodes) else set()
    for node in reversed(list(graph.nodes)):
        if node in unused:
            graph.erase_node(node)
    return graph


def find_body(model: nn.Module) -> list[str]:
    """Names of the modules that make up a network's body, in order; empty where there is no known structure."""
    for container in _CONTAINERS:
        inside = _child(model, container)
        if isinstance(inside, nn.Sequential | nn.ModuleList | nn.ModuleDict):
            found = [f"{container}.{name}" for name, child in inside.named_children() if _is_stage(child)]
            found = found or [f"{container}.{name}" for name, child in inside.named_children() if _mixes(child)]
            if len(found) > 1:
                return found
            if len(inside) == 1 and (deeper := find_body(next(iter(inside.children())))):
                return [f"{container}.{next(iter(inside.named_children()))[0]}.{name}" for name in deeper]
    numbered = [name for name, child in model.named_children() if _NUMBERED.fullmatch(name) and _mixes(child)]
    if len(numbered) > 1:
        return numbered
    plain = [name for name, child in model.named_children() if _mixes(child) and not _BESIDE.match(name)]
    return plain if len(plain) > 2 else []


def _child(model: nn.Module, path: str) -> nn.Module | None:
    try:
        return model.get_submodule(path)
    except AttributeError:
        return None


def _mixes(module: nn.Module) -> bool:
    """Whether a module holds a weight matrix or kernel, not only scales and offsets."""
    return any(parameter.dim() > 1 for parameter in module.parameters())


def _is_stage(module: nn.Module) -> bool:
    return _mixes(module) and any(True for _ in module.children())


def first_calls(graph: fx.Graph, names: Sequence[str], model_name: str) -> list[int]:
    """Places of the named modules' calls. Raises `UserError` where one is not called once, or not in order."""
    nodes = list(graph.nodes)
    places = []
    for name in names:
        calls = [i for i, node in enumerate(nodes) if node.op == "call_module" and node.target == name]
        if len(calls) != 1:
            often = "is never called" if not calls else f"is called {len(calls)} times"
            raise UserError(f"backbone {model_name!r}: module {name!r} {often} in the forward pass, so it is no block")
        places += calls
    if places != sorted(places):
        ordered = [name for _, name in sorted(zip(places, names, strict=True))]
        raise UserError(f"backbone {model_name!r}: blocks run in another order: {', '.join(ordered)}")
    return places


def cut_graph(
    model: nn.Module, graph: fx.Graph, places: Sequence[int], names: Sequence[str], model_name: str
) -> list[nn.Module]:
    """Pieces of a traced forward: the first ends before `places[0]`, the next before `places[1]`, …

    `names[i]` is what stands behind cut i, for messages. Each piece takes the one tensor that its predecessor returns.
    Raises `UserError` where more than one value crosses a cut, so that the blocks do not compose.
    """
    nodes = [node for node in graph.nodes if node.op != "output"]
    output = next(node for node in graph.nodes if node.op == "output")
    bounds = [0, *places, len(nodes)]
    position = {node: i for i, node in enumerate(nodes)} | {output: len(nodes)}
    inputs: list[fx.Node] = [next(node for node in nodes if node.op == "placeholder")]
    for place, name in zip(places, names, strict=True):
        crossing = [
            node
            for node in nodes[:place]
            if node.op != "get_attr" and any(position[user] >= place for user in node.users)
        ]
        if len(crossing) != 1:
            raise UserError(
                f"backbone {model_name!r}: blocks do not compose: {len(crossing)} values pass into {name!r}, not one; "
                "name other modules in `backbone.blocks`"
            )
        inputs += crossing
    return [
        _piece(model, nodes[a:b], inputs[k], output.args[0] if b == len(nodes) else inputs[k + 1])
        for k, (a, b) in enumerate(itertools.pairwise(bounds))
    ]


def _piece(model: nn.Module, nodes: Sequence[fx.Node], source: fx.Node, result: Any) -> nn.Module:
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {source: graph.placeholder("x")}

    def copied(node: fx.Node) -> fx.Node:
        if node not in copies:  # a parameter that was read further up
            copies[node] = graph.node_copy(node, copied)
        return copies[node]

    for node in nodes:
        if node.op not in ("placeholder", "get_attr") and node is not source:
            copied(node)
    graph.output(fx.node.map_arg(result, copied))
    graph.lint()
    return fx.GraphModule(model, graph)
