"""`lab export --to onnx`: the network that embeds new items, for ONNX runtimes, and what goes with it as JSON."""

from __future__ import annotations

import inspect
import json
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import LabError, UserError

if TYPE_CHECKING:
    from lab.export import Source
    from lab.export_networks import Network

LIBRARIES = ("onnx", "onnxscript", "onnxruntime")
TOLERANCE = 1e-3
"""The largest difference, in shares of the largest number, at which the exported network still counts as the same."""


def write_onnx(source: Source, path: Path) -> str:
    """Write the encoder of a run or backbone, any number of items a call, and say in words what was written.

    Of two towers it is NAME-user.onnx and NAME-item.onnx. Beside each NAME.json says how an item becomes the inputs,
    the classes of the logits, and of a run what it was and the ids of its items; tokenizer.json is for texts. What
    onnxruntime makes of two items is compared with what torch makes of them. Raises `UserError` where there is no
    network, or a library is missing.
    """
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        raise UserError(f"--to onnx needs {missing[0]}: pip install 'embeddings-lab[onnx]'")
    _check_source(source)
    from lab.embed import find_encoder
    from lab.export_networks import networks_of

    networks = networks_of(find_encoder(source.reference), source.reference)
    named = {path.with_name(f"{path.stem}-{side}.onnx") if side else path: one for side, one in networks.items()}
    return "; ".join(_write(source, network, file) for file, network in named.items())


def _write(source: Source, network: Network, path: Path) -> str:
    """Write one network and what goes with it."""
    from lab.runs.files import write_atomic, write_json

    content = _exported(network, source.reference)
    difference = _difference(content, network)
    about = _about(source, network) | {"difference_from_torch": difference}
    write_atomic(path, content)
    write_json(path.with_suffix(".json"), about)
    if network.tokenizer is not None:
        write_atomic(path.with_name("tokenizer.json"), network.tokenizer.backend_tokenizer.to_str())
    width = about["outputs"]["vectors"]
    return (
        f"{path.name}, {about['preprocessing']['kind']}s to vectors of {width} dimensions, "
        f"{len(content) / 1e6:.1f} MB; {path.with_suffix('.json').name} says what goes in"
    )


def _check_source(source: Source) -> None:
    """Raise `UserError` for what surely has no network, before torch is imported."""
    if Path(source.reference).expanduser().is_file():
        raise UserError(f"{source.reference}: a file of vectors has no network to export")
    run = source.run
    if run is not None and run.experiment in ("word2vec", "pretrained", "contextual"):
        raise UserError(f"run {run.id}: {run.experiment} has no network to export; use --to word2vec")


def _exported(network: Network, what: str) -> bytes:
    """The network as a serialised ONNX model, with the preprocessing among its properties."""
    import io

    import torch

    dynamic: tuple[Any, ...] = tuple(dict.fromkeys(dims, torch.export.Dim.DYNAMIC) for dims in network.dynamic.values())
    if any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(network.module.forward).parameters.values()):
        dynamic = (dynamic,)  # all of its inputs are one argument
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                network.module.eval(),
                tuple(network.inputs.values()),
                dynamo=True,
                input_names=list(network.inputs),
                output_names=network.outputs,
                dynamic_shapes=dynamic,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        why = str(error.__cause__ or error).strip().splitlines()[0]
        raise LabError(f"{what}: torch cannot export this network to ONNX: {why}") from error
    assert program is not None
    program.model.metadata_props["preprocessing"] = json.dumps(network.preprocessing)
    buffer = io.BytesIO()
    program.save(buffer)
    return buffer.getvalue()


def _difference(content: bytes, network: Network) -> float:
    """The largest difference between onnxruntime's and torch's outputs, in shares of the largest number."""
    import numpy as np
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    found = session.run(None, {name: tensor.numpy() for name, tensor in network.inputs.items()})
    with torch.no_grad():
        expected = [output.numpy() for output in network.module(*network.inputs.values())]
    shares = [np.abs(f - e).max() / max(1e-12, np.abs(e).max()) for f, e in zip(found, expected, strict=True)]
    if max(shares) > TOLERANCE:
        raise LabError(f"the exported network is another one: its outputs differ by {max(shares):.1%}; nothing written")
    return float(max(shares))


def _about(source: Source, network: Network) -> dict[str, Any]:
    import torch

    with torch.no_grad():
        made = network.module(*network.inputs.values())
    about: dict[str, Any] = {
        "inputs": {name: str(tensor.dtype).removeprefix("torch.") for name, tensor in network.inputs.items()},
        "outputs": {name: output.shape[1] for name, output in zip(network.outputs, made, strict=True)},
        "preprocessing": network.preprocessing,
        **({"classes": network.classes} if network.classes else {}),
    }
    run = source.run
    if run is None:
        return about | {"backbone": source.reference}
    told = {"id": run.id, "experiment": run.experiment, "config": run.config, "data": run.info["data"]}
    ids = [str(item) for item in run.space().ids] if run.embedding_names else []
    return about | {"run": told, "ids": ids}
