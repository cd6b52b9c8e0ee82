from __future__ import annotations

import errno
import json

import numpy as np
import pytest

from lab.cli import main
from lab.errors import LabError, UserError


def run_cli(capsys, *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_:
        main(list(words))
    out = capsys.readouterr()
    return int(exit_.value.code or 0), out.out, out.err


def test_without_a_verb_the_help_is_shown(capsys):
    code, out, _ = run_cli(capsys)
    assert code == 0
    verbs = [
        "run",
        "list",
        "new",
        "show",
        "compare",
        "report",
        "neighbors",
        "evaluate",
        "embed",
        "export",
        "clean",
        "advise",
        "predict",
    ]
    assert all(f"\n  {verb} " in out for verb in verbs)
    assert "..." not in out.split("Commands:")[1]  # no summary is cut


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["rnu"], "run"),
        (["run"], "config"),
        (["run", "--no-such-option", "x"], "--no-such-option"),
        (["run", "word2vec/skipgrm"], "word2vec/skipgram"),
        (["run", "word2vec/skipgram", "model.widnow=3"], "window"),
        (["run", "quickstart", "-j", "0"], "jobs"),
        (["run", "quickstart", "--log-level", "loud"], "log-level"),
        (["list", "stduies"], "studies"),
        (["show"], "--schema"),
        (["show", "minilm"], "minilm"),
        (["new", "word2vec/skipgrm"], "word2vec/skipgram"),
        (["neighbors", "no-such-run", "king"], "no-such-run"),
        (["neighbors", "minilm-l6", "kingg"], "king"),
        (["neighbors", "minilm-l6", "king - "], "king"),
        (["neighbors", "vectors.kv", "king"], "vectors.kv"),
        (["evaluate", "minilm-l6", "--similarity", "wordsim35"], "wordsim353"),
        (["embed", "minilm-l6", "nowhere.txt", "-o", "out.parquet"], "nowhere.txt"),
        (["embed", "minilm-l6", "README.md", "-o", "out.csv"], "out.parquet"),
        (["export", "minilm-l6", "--to", "word2vek", "-o", "out.txt"], "word2vec"),
        (["embed", "minilm-l6", "nowhere.txt", "-o", "out.parquet"], "lab: nowhere.txt: no such file"),
        (["embed", "minilm", "nowhere.txt", "-o", "out.parquet"], "nowhere.txt"),
        (["evaluate", "nowhere.bin"], "nowhere.bin: no such file"),
        (["neighbors", "minilm", "king"], "did you mean minilm-l6?"),
        (["show", "nothing"], "neither a config nor a packaged part; no run"),
        (["compare", "nothing"], "nothing"),
        (["report", "nothing"], "nothing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_and_exit_code_two(words, expected, capsys, home):
    code, _, err = run_cli(capsys, *words)
    assert code == 2, err
    assert err.startswith("lab: ")
    assert err.count("\n") == 1
    assert expected in err


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (UserError("mend this"), 2, "mend this"),
        (LabError("ours"), 1, "ours"),
        (OSError(errno.ENOSPC, "No space left on device", "runs/x"), 1, "the disk is full (runs/x)"),
        (ZeroDivisionError("division by zero"), 1, "bug in lab; --debug"),
    ],
)
def test_what_goes_wrong_inside_is_one_line_too(error, code, expected, capsys, monkeypatch):
    def fail(what: str) -> None:
        raise error

    monkeypatch.setattr("lab.terminal.print_listing", fail)
    found, _, err = run_cli(capsys, "list", "configs")
    assert (found, err.count("\n")) == (code, 1)
    assert expected in err


def test_ctrl_c_is_no_error_to_explain(capsys, monkeypatch):
    def fail(what: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lab.terminal.print_listing", fail)
    code, _, err = run_cli(capsys, "list", "configs")
    assert code == 130
    assert "bug" not in err


def test_debug_shows_the_traceback(monkeypatch):
    def fail(what: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("lab.terminal.print_listing", fail)
    with pytest.raises(ZeroDivisionError):
        main(["list", "configs", "--debug"])


def test_lists_of_what_is_shipped_and_packaged(capsys, home):
    assert "word2vec/skipgram" in run_cli(capsys, "list", "configs")[1]
    assert "minilm-l6" in run_cli(capsys, "list", "packaged")[1]
    assert "contextual" in run_cli(capsys, "list", "experiments")[1]
    assert "quickstart" in run_cli(capsys, "list", "runs")[1]  # says how to start
    assert "quickstart" in run_cli(capsys, "list", "studies")[1]


def test_neighbors_of_a_word_and_of_a_sum(capsys, home):
    code, out, _ = run_cli(capsys, "neighbors", "minilm-l6", "king", "king - man + woman", "-k", "3")
    assert code == 0
    first, second = out.strip().split("\n\n")
    assert "queen" in first
    assert second.splitlines()[3].split()[0] == "queen"


def test_an_export_is_what_gensim_reads_and_evaluates_the_same(capsys, home):
    from gensim.models import KeyedVectors

    (home / "few.txt").write_text("5 2\nking 1 0\nqueen 0.9 0.1\nman 0 1\nwoman 0.1 0.9\ntiger 0.5 0.5\n")
    assert run_cli(capsys, "export", "few.txt", "--to", "word2vec-binary", "-o", "few.bin")[0] == 0
    read = KeyedVectors.load_word2vec_format("few.bin", binary=True)
    np.testing.assert_array_equal(read["queen"], np.float32([0.9, 0.1]))
    assert run_cli(capsys, "neighbors", "few.bin", "king", "-k", "1")[1].splitlines()[-1].split()[0] == "queen"


def test_a_similarity_file_of_ones_own_is_evaluated(capsys, home):
    (home / "few.txt").write_text("4 2\na 1 0\nb 0.9 0.1\nc 0 1\nd -1 0.2\n")
    (home / "pairs.tsv").write_text("a\tb\t9\na\tc\t5\na\td\t1\nb\tc\t6\na\tz\t2\n")
    code, out, err = run_cli(capsys, "evaluate", "few.txt", "--similarity", "pairs.tsv")
    assert code == 0, err
    rows = {line.split()[1]: line for line in out.splitlines() if line.startswith("pairs")}
    assert "80 %" in rows["spearman"]
    assert rows["spearman_skipped"].split()[2] == "1.000"  # the four known pairs are in the order of people


def test_embedding_sentences_with_a_packaged_backbone(capsys, home):
    from lab import EmbeddingSpace

    (home / "sentences.txt").write_text("A cat sat on the mat.\nThe kitten rested on a rug.\nStocks fell sharply.\n")
    code, out, err = run_cli(capsys, "embed", "minilm-l6", "sentences.txt", "-o", "out.parquet")
    assert code == 0, err
    assert "3 items, 384 dimensions" in out
    space = EmbeddingSpace.load("out.parquet")
    found = space.neighbors(space.ids[0], k=2)
    assert list(found.ids[0]) == [space.ids[1], space.ids[2]]
    assert space.metadata["text"][2] == "Stocks fell sharply."


def test_items_to_embed_may_have_an_encoding(capsys, home):
    (home / "latin.txt").write_bytes("a café\n".encode("latin-1"))
    command = ["embed", "minilm-l6", "latin.txt", "-o", "out.parquet"]
    assert "`--encoding latin-1`" in run_cli(capsys, *command)[2]
    assert "--encoding latn: expected the name" in run_cli(capsys, *command, "--encoding", "latn")[2]
    assert run_cli(capsys, *command, "--encoding", "latin-1")[0] == 0


def test_after_a_failed_run_a_study_shows_what_did_finish(capsys, home):
    (home / "text.txt").write_text("the cat sat on the mat\nthe dog sat on the log\n" * 20)
    (home / "study.yaml").write_text(
        "experiment: word2vec\ndata: {source: text.txt}\nmodel: {vector_size: 4}\ntrain: {epochs: 1}\n"
        "evaluate: {similarity: [], analogies: []}\nsweep: {vocabulary.min_count: [1, 9999]}\n"
    )
    code, out, err = run_cli(capsys, "run", "study.yaml", "--quiet", "--no-report")
    assert code == 1
    assert "lab compare study\n" in out
    assert err.splitlines()[-1].startswith("lab: study study: min_count=9999: 0 of 1 seed, 1 failed: no word is seen")
    listed = run_cli(capsys, "list")[1]
    assert {word for word in listed.split() if word.startswith("study:")} == {
        "study:min_count=1",
        "study:min_count=9999",
    }


def test_what_can_be_run_can_be_shown_by_the_same_name(capsys, home):
    for name in ("quickstart", "studies/quickstart", "cbow"):
        code, out, _ = run_cli(capsys, "show", name)
        assert code == 0
        assert "configs" in out


def test_schema_is_json_and_names_every_experiment(capsys):
    code, out, _ = run_cli(capsys, "show", "--schema")
    assert code == 0
    text = json.dumps(json.loads(out))
    assert all(name in text for name in ("word2vec", "pretrained", "contextual"))


def test_marked_words_are_refused_by_spaces_without_context(capsys, home):
    (home / "few.txt").write_text("2 2\na 1 0\nb 0 1\n")
    code, _, err = run_cli(capsys, "neighbors", "few.txt", "an [apple]")
    assert code == 2
    assert "text encoder" in err
