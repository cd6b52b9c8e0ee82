"""`lab export --to atlas --open`: embedding-atlas (the extra `explore`) on the file that was written."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from lab.errors import LabError, UserError

HOST = "127.0.0.1"


def check_explorer(to: str) -> None:
    """Raise `UserError` where `--open` cannot be done: for another format, or without the library."""
    if to != "atlas":
        raise UserError(f"--open: shows what --to atlas writes, not {to}")
    if find_spec("embedding_atlas") is None:
        raise UserError("--open needs embedding-atlas: pip install 'embeddings-lab[explore]'")


def explore(path: Path, port: int | None = None) -> None:
    """Serve the file to this machine's browser until Ctrl-C; `port`: by default the first free one from 5055 on.

    Raises `LabError` where embedding-atlas ends by itself.
    """
    command = explorer_command(path)
    command += ["--port", str(port), "--no-auto-port"] if port else ["--auto-port"]
    try:
        code = subprocess.run(command).returncode
    except KeyboardInterrupt:  # how one leaves it
        return
    if code:
        raise LabError(f"embedding-atlas ended with code {code}; {path} is written")


def explorer_command(path: Path) -> list[str]:
    """What starts embedding-atlas on a file of `lab.embeddings.atlas`, with the columns that it has."""
    import pyarrow.parquet as pq

    from lab.embeddings.atlas import NEIGHBORS, X, Y

    columns = pq.read_schema(path).names
    command = [sys.executable, "-m", "embedding_atlas.cli", str(path), "--host", HOST]
    command += ["--vector", "vector"] if "vector" in columns else ["--x", X, "--y", Y]
    command += ["--neighbors", NEIGHBORS] if NEIGHBORS in columns else []
    text = next((name for name in ("text", "title", "id") if name in columns), "id")
    return [*command, "--text", text]
