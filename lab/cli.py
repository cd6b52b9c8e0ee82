"""The command `lab`: one function a verb, each a few lines over a library function.

Everything heavy is imported inside the verb that needs it, so that `lab --help` is instant.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from lab.errors import LabError, UserError

app = typer.Typer(
    name="lab",
    help="Train, fine-tune and compare embeddings from one YAML file.\n\nAdd --debug to any command for a traceback.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 110},
)

EXPORTS = (
    "projector, atlas, parquet, word2vec, word2vec-binary, glove, npz, gensim, onnx, faiss, faiss-flat, faiss-ivf "
    "or faiss-hnsw"
)
Overrides = Annotated[list[str] | None, typer.Argument(help="settings to change, e.g. train.epochs=10")]


@app.command()
def run(
    config: Annotated[str, typer.Argument(help="a YAML file, or the name of a shipped config (`lab list configs`)")],
    overrides: Overrides = None,
    jobs: Annotated[int, typer.Option("-j", "--jobs", min=1, help="runs at once, each in another process")] = 1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="print the runs, their ids and an estimate; train nothing")
    ] = False,
    rerun: Annotated[bool, typer.Option("--rerun", help="do finished runs again")] = False,
    report: Annotated[bool, typer.Option("--report/--no-report", help="write the report of a study at its end")] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="only errors and the result")] = False,
    log_level: Annotated[str, typer.Option("--log-level", help="debug, info, warning or error")] = "warning",
) -> None:
    """Run an experiment or a study; finished runs are kept."""
    from lab.runs.launcher import run as run_config
    from lab.runs.study import StudyError
    from lab.terminal import print_outcome

    _logging(log_level)
    try:
        outcome = run_config(config, overrides or (), jobs=jobs, dry_run=dry_run, rerun=rerun, quiet=quiet)
    except StudyError as error:  # what did finish is shown before the error says what did not
        if error.study.runs():
            print_outcome(error.study, write_report=report)
        raise
    if not dry_run:
        print_outcome(outcome, write_report=report)


@app.command(name="list")
def list_things(
    what: Annotated[str, typer.Argument(help="runs, studies, configs, experiments or packaged")] = "runs",
) -> None:
    """List runs, studies, configs, experiments or packaged parts."""
    from lab.terminal import print_listing

    print_listing(what)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="a shipped config, e.g. word2vec/skipgram")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="file to write (default: NAME.yaml here)")
    ] = None,
) -> None:
    """Write a shipped config to a file of your own, to edit."""
    from lab.config import write_new

    path = write_new(name, output)
    print(f"{path} written; run it with: lab run {path}")


@app.command()
def show(
    target: Annotated[str | None, typer.Argument(help="a config, a run, data, a backbone")] = None,
    overrides: Overrides = None,
    schema: Annotated[bool, typer.Option("--schema", help="print the JSON Schema of config files")] = False,
) -> None:
    """Show a config, a run, data (labelled or pairs) or a backbone."""
    from lab.terminal import print_shown

    if schema:
        import json

        from lab.config import json_schema

        print(json.dumps(json_schema(), indent=2))
    elif target is None:
        raise UserError("lab show: name a config, a run, data or a backbone; or use --schema")
    else:
        print_shown(target, overrides or [])


@app.command()
def compare(
    targets: Annotated[list[str], typer.Argument(help="studies or runs; with --spaces also backbones, vector files")],
    metric: Annotated[
        list[str] | None, typer.Option("--metric", help="default: each evaluation's primary metric")
    ] = None,
    by: Annotated[list[str] | None, typer.Option("--by", help="a setting to compare; others held fixed")] = None,
    margin: Annotated[float, typer.Option("--margin", help="the smallest difference that matters")] = 0.01,
    allow_different: Annotated[
        bool, typer.Option("--allow-different", help="rows tested differently in one table, marked, without a verdict")
    ] = False,
    format: Annotated[str, typer.Option("--format", help="table, markdown, latex, csv or json")] = "table",
    spaces: Annotated[bool, typer.Option("--spaces", help="compare embedding spaces (RUN, RUN@block-3, FILE)")] = False,
    ids: Annotated[str | None, typer.Option("--ids", help="with --spaces: file naming the rows of a .npy")] = None,
    report: Annotated[Path | None, typer.Option("--report", help="with --spaces: the HTML file to write")] = None,
) -> None:
    """Say which rows are better and how surely, or how spaces differ."""
    if spaces:
        from lab.terminal_spaces import print_spaces

        print_spaces(targets, ids, format, report)
        return
    from lab.report.comparison import compare as compare_runs
    from lab.terminal import print_comparison

    chosen = compare_runs(*targets, metric=metric, by=by, margin=margin, allow_different=allow_different)
    print_comparison(chosen, format)


@app.command()
def report(
    targets: Annotated[list[str], typer.Argument(help="a study, or runs")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="the HTML file to write")] = None,
) -> None:
    """Write one self-contained HTML report."""
    from lab.atomic import check_writable
    from lab.report.build import build

    if output is not None:
        check_writable(output)
    print(build(targets[0] if len(targets) == 1 else targets, output))


@app.command()
def neighbors(
    space: Annotated[str, typer.Argument(help="a run, a vector file, or a text backbone such as minilm-l6")],
    queries: Annotated[
        list[str], typer.Argument(help='ids, "king - man + woman", sentences with one [marked] word, or picture files')
    ],
    count: Annotated[int, typer.Option("-k", min=1, help="neighbours to list")] = 10,
    ids: Annotated[str | None, typer.Option("--ids", help="file naming the rows of a .npy")] = None,
    metric: Annotated[str, typer.Option("--metric", help="cosine, dot or euclidean")] = "cosine",
) -> None:
    """List neighbours of words, sums of words, items and pictures."""
    from lab.terminal_words import print_neighbors

    if metric not in ("cosine", "dot", "euclidean"):
        raise UserError(f"--metric {metric}: expected cosine, dot or euclidean")
    print_neighbors(space, queries, count, ids, metric)  # type: ignore[arg-type]


@app.command()
def evaluate(
    target: Annotated[str, typer.Argument(help="a vector file, a text backbone, or a run")],
    similarity: Annotated[
        list[str] | None, typer.Option("--similarity", help="word-similarity test: name or file")
    ] = None,
    analogies: Annotated[list[str] | None, typer.Option("--analogies", help="analogy test: name or file")] = None,
    ids: Annotated[str | None, typer.Option("--ids", help="file naming the rows of a .npy")] = None,
) -> None:
    """Put word vectors from anywhere to the tests that a run takes."""
    from lab.terminal_words import print_evaluation

    print_evaluation(target, similarity, analogies, ids)


@app.command()
def embed(
    model: Annotated[str, typer.Argument(help="a run, or a backbone such as minilm-l6 or efficientnet-lite0")],
    data: Annotated[
        str, typer.Argument(help="a text file (an item a line), a folder of pictures, a picture, csv, tsv or parquet")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="the Parquet file to write")],
    column: Annotated[str | None, typer.Option("--column", help="of a table: its texts, or paths of pictures")] = None,
    encoding: Annotated[str, typer.Option("--encoding", help="of a text file")] = "utf-8",
) -> None:
    """Embed new items with a run's stored preprocessing."""
    from lab.atomic import check_writable
    from lab.embed import embed_items

    if output.suffix != ".parquet":
        raise UserError(f"{output}: lab embed writes Parquet; name the file {output.with_suffix('.parquet')}")
    check_writable(output)
    space, left_out = embed_items(model, data, column, encoding)
    space.save(output)
    print(f"{output}: {len(space):,} item{'s' * (len(space) != 1)}, {space.dim} dimensions")
    if left_out:
        more = f"; and {len(left_out) - 3:,} more" if len(left_out) > 3 else ""
        print(f"left out: {'; '.join(left_out[:3])}{more}")


@app.command()
def advise(
    target: Annotated[str, typer.Argument(help="labelled data (folder, csv, packaged name), or a study that has run")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="settings of data, backbone or train, e.g. backbone.name=minilm-l6")
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="text column of a table")] = None,
    label: Annotated[str | None, typer.Option("--label", help="label column of a table")] = None,
    minutes: Annotated[float, typer.Option("--minutes", help="how long it may take")] = 15.0,
    jobs: Annotated[int, typer.Option("-j", "--jobs", min=1, help="runs at once")] = 1,
    without_training: Annotated[
        bool, typer.Option("--without-training", help="only say what each block's features promise")
    ] = False,
    scores: Annotated[str, typer.Option("--scores", help="with --without-training: more of them, leep,nce")] = "",
    unlabelled: Annotated[
        str | None, typer.Option("--unlabelled", help="items without labels: which of them to label next")
    ] = None,
) -> None:
    """Say how deep to fine-tune on your labels, and how to do it."""
    from lab.terminal_advise import print_advice

    print_advice(
        target,
        overrides or [],
        text=text,
        label=label,
        minutes=minutes,
        jobs=jobs,
        without_training=without_training,
        scores=scores,
        unlabelled=unlabelled,
    )


@app.command()
def predict(
    run: Annotated[str, typer.Argument(help="a run of a classifier, e.g. an id or last")],
    data: Annotated[str, typer.Argument(help="new items: a folder of images, csv, or a text file of one a line")],
    output: Annotated[Path, typer.Option("-o", "--output", help="the csv to write")],
) -> None:
    """Label new items with a run's classifier."""
    from lab.terminal_advise import print_predictions

    print_predictions(run, data, output)


@app.command()
def export(
    source: Annotated[str, typer.Argument(help="a run, a vector file or a backbone")],
    to: Annotated[str, typer.Option("--to", help=EXPORTS)],
    output: Annotated[Path, typer.Option("-o", "--output", help="the file to write (projector, faiss: folder)")],
    ids: Annotated[str | None, typer.Option("--ids", help="file naming the rows of a .npy")] = None,
    open_: Annotated[bool, typer.Option("--open", help="of atlas: look at it in the browser")] = False,
) -> None:
    """Write an embedding space, or its network, for other tools."""
    from lab.export import export as write
    from lab.export_atlas import check_explorer, explore

    if open_:
        check_explorer(to)
    print(f"{output}: {write(source, to, output, ids)}")
    if open_:
        explore(output)


@app.command()
def clean(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="delete without asking")] = False,
) -> None:
    """Remove left-overs and unreferenced runs, after asking."""
    from lab.terminal import clean_up

    clean_up(yes)


def _logging(level: str) -> None:
    import logging

    if level.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise UserError(f"--log-level {level}: expected debug, info, warning or error")
    logging.basicConfig(level=level.upper(), format="%(levelname)s %(name)s: %(message)s")


def main(arguments: list[str] | None = None) -> None:
    """Run one verb and exit: 0, 2 for the user's mistakes, 1 for ours, 130 for Ctrl-C; one line an error."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    if arguments[:1] == ["worker"]:
        from lab.runs.worker import worker_main

        sys.exit(worker_main(arguments[1:]))
    try:
        if not arguments:
            arguments = ["--help"]
        sys.exit(app(arguments, prog_name="lab", standalone_mode=False) or 0)
    except KeyboardInterrupt:
        sys.exit(130)  # whatever was interrupted has said how to go on
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        _fail(*_explain(error))


def _explain(error: Exception) -> tuple[str, int]:
    if isinstance(error, LabError):
        return str(error), error.exit_code
    if hasattr(error, "format_message"):  # a usage error; typer may carry its own copy of click, so no class is named
        where = getattr(getattr(error, "ctx", None), "command_path", "lab")
        return f"{error.format_message()} (see: {where} --help)", 2
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        where = f" ({error.filename})" if error.filename else ""
        return f"the disk is full{where}: free some space and start again; what was finished is kept", 1
    return f"{type(error).__name__}: {error} (this is a bug in lab; --debug shows where)", 1


def _fail(message: str, code: int) -> None:
    print(f"lab: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)
