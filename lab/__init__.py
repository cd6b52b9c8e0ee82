"""`lab`: train, fine-tune and compare embeddings from one YAML file, with honest statistics.

The Python API is as small as the command line: `lab.run(config)`, `lab.load_run(ref)`, `lab.compare(...)`,
`lab.report(...)`, and the two things they hand back, `Run` and `EmbeddingSpace`. All of it is imported on first
use, so that `import lab` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab.embeddings.space import EmbeddingSpace as EmbeddingSpace
    from lab.report.build import build as build_report
    from lab.report.comparison import compare as compare
    from lab.runs.launcher import run as run
    from lab.runs.refs import load_run as load_run
    from lab.runs.run import Run as Run

__version__ = "0.1.0"
__all__ = ["EmbeddingSpace", "Run", "build_report", "compare", "load_run", "run"]

_HOMES = {
    "EmbeddingSpace": ("lab.embeddings.space", "EmbeddingSpace"),
    "Run": ("lab.runs.run", "Run"),
    "build_report": ("lab.report.build", "build"),
    "compare": ("lab.report.comparison", "compare"),
    "load_run": ("lab.runs.refs", "load_run"),
    "run": ("lab.runs.launcher", "run"),
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        module, attribute = _HOMES[name]
        return getattr(import_module(module), attribute)
    raise AttributeError(f"module 'lab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
