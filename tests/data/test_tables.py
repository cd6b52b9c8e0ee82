from __future__ import annotations

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lab.data.config import CorpusConfig
from lab.data.tables import choose_column
from lab.data.text import describe, read_lines
from lab.errors import UserError


def rows(config: CorpusConfig) -> list[tuple[str, str]]:
    return [tuple(line) for line in read_lines(config)]


CSV = 'id,text,label\n7,"hello, ""you""\nthere",0\n8,None,1\n9,,1\n10,NA,0\n'


def test_csv_cells_are_text_and_empty_ones_are_passed_over(write):
    config = write("a.csv", CSV)
    assert rows(config) == [("a.csv:0", 'hello, "you"\nthere'), ("a.csv:1", "None"), ("a.csv:3", "NA")]
    assert describe(config).counts == {"rows": 3}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "text\tlabel\none two\t0\nthree\t1\n"),
        ("a.csv", "\ufefftext,label\r\none two,0\r\nthree,1\r\n"),
        ("a.csv", "text,label\none two,0\nthree,1\n".encode("utf-16")),
        ("a.csv.gz", gzip.compress(b"text,label\none two,0\nthree,1\n", mtime=0)),
        ("a.jsonl", '{"text": "one two", "n": 1}\n{"text": "three", "n": null}\n'),
        ("a.csv", "sentence,n\none two,0\nthree,1\n"),
        ("a.csv", "whatever\none two\nthree\n"),
    ],
)
def test_every_kind_of_table(write, name, content):
    assert [text for _, text in rows(write(name, content))] == ["one two", "three"]


def test_parquet(write, tmp_path):
    pq.write_table(pa.table({"n": [1, 2, 3], "body": ["one two", None, "three"]}), tmp_path / "a.parquet")
    config = CorpusConfig(source=str(tmp_path / "a.parquet"), column="body")
    assert rows(config) == [("a.parquet:0", "one two"), ("a.parquet:2", "three")]
    with pytest.raises(UserError, match=r"column 'n' holds int, not text \(row 0: '1'\)"):
        describe(CorpusConfig(source=config.source, column="n"))


def test_a_folder_of_tables(write, tmp_path):
    write("shards/1.csv", "text\nb\n")
    write("shards/0.csv", "text\na\n")
    config = CorpusConfig(source=str(tmp_path / "shards"))
    assert rows(config) == [("0.csv:0", "a"), ("1.csv:0", "b")]
    assert describe(config).counts == {"rows": 2}


def test_a_column_stays_text_where_a_part_of_it_looks_like_numbers(write):
    """pandas guesses types anew every 10,000 rows."""
    config = write("a.csv", "text\n" + "word\n" * 10_000 + "12\n" * 10_001 + "end\n")
    texts = [text for _, text in rows(config)]
    assert len(texts) == 20_002
    assert (texts[0], texts[20_000], texts[-1]) == ("word", "12", "end")


NOISE = b"".join(b"%d\n" % (number**9 % 1_000_003) + b"word\n" for number in range(60_000))


@pytest.mark.parametrize(
    ("name", "content", "settings", "message"),
    [
        ("a.csv", CSV, {"column": "txt"}, "no column 'txt'; did you mean 'text'. the columns are id, text, label"),
        ("a.csv", CSV, {"column": "zzz"}, "no column 'zzz'; the columns are id, text, label"),
        ("a.csv", CSV, {"column": "label"}, r"column 'label' holds int, not text \(row 0: '0'\)"),
        ("a.csv", "one,two\na,b\n", {}, "which column is the text. Set data.column to one of one, two"),
        ("a.csv", b"text,n\n" + b"word,1\n" * 30_000 + b"caf\xe9,1\n", {}, "not utf-8: byte 0xe9 at offset 210010;"),
        ("a.csv", "text,n\na,1\nb,1,2,3\n", {}, "cannot be read: .*Expected 2 fields in line 3, saw 4"),
        ("a.csv", "", {}, "empty, there is no text in it"),
        ("a.csv", "text,n\n", {}, "empty, there is no text in it"),
        ("a.csv", "text,n\n,1\n", {}, "empty, there is no text in it"),
        ("a.csv.gz", b"text\nno gzip\n", {}, "not a gzip file, whatever its ending says"),
        ("a.csv.gz", gzip.compress(b"text\nwords\n", mtime=0)[:-9], {}, "the gzip file is cut short"),
        ("a.csv.gz", gzip.compress(b"text\n" + NOISE, mtime=0)[:-9000], {}, "the gzip file is cut short"),
        ("a.parquet", "no parquet", {}, "cannot be read: .*not a parquet file"),
        ("a.parquet", "", {}, "empty, there is no text in it"),
        ("a.jsonl", '{"text": "a"}\n{"text":\n', {}, "cannot be read: JSON parse error"),
        ("a.jsonl", '{"text": ["a"]}\n', {}, "column 'text' holds list, not text"),
    ],
)
def test_every_mistake_is_one_line(write, capfd, name, content, settings, message):
    config = write(name, content, **settings)
    with pytest.raises(UserError, match=message) as caught:
        describe(config)
    assert str(caught.value).startswith(config.source)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_hub_name_without_a_network_is_one_line():
    with pytest.raises(UserError, match=r"^hf:owner/name: cannot be read from the hub .*the network"):
        describe(CorpusConfig(source="hf:owner/name"))


def test_a_hub_data_set_is_asked_for_by_name_subset_and_split(monkeypatch):
    """The real call, answered by a data set in memory."""
    import datasets

    asked = []

    def load_dataset(*args, **kwargs):
        asked.append((args, kwargs))
        return datasets.Dataset.from_dict({"body": ["one", "two"]}).to_iterable_dataset()

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    config = CorpusConfig(source="hf:owner/name", subset="english", hub_split="test", column="body")
    assert rows(config) == [("0", "one"), ("1", "two")]
    assert asked == [(("owner/name", "english"), {"split": "test", "streaming": True})]


@pytest.mark.parametrize(
    ("columns", "wanted", "chosen"),
    [
        (["id", "text"], None, "text"),
        (["n", "content", "x"], None, "content"),
        (["x"], None, "x"),
        (["a", "b"], "b", "b"),
    ],
)
def test_the_column(columns, wanted, chosen):
    assert choose_column(columns, wanted, "here") == chosen


@pytest.mark.realdata
def test_real_tables(shared_data):
    assert describe(CorpusConfig(source=str(shared_data / "banking77" / "train.csv"))).counts == {"rows": 10_003}
    with pytest.raises(UserError, match="the columns are text, category"):
        describe(CorpusConfig(source=str(shared_data / "banking77" / "train.csv"), column="sentence"))
