"""Tables of interactions in every form, and what is said of those that cannot be read."""

from __future__ import annotations

import gzip
import lzma

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.data.interactions import kept
from lab.data.interactions.columns import ids_of, numbers_of, times_of, typed
from lab.data.interactions.config import InteractionsConfig
from lab.data.interactions.load import load_interactions
from lab.errors import UserError

ROWS = [("u1", "i2", 4.0, 10.0), ("u2", "i1", 3.0, 20.0), ("u1", "i1", 0.5, 30.0)]
CSV = "user_id,item_id,rating,timestamp\nu1,i2,4,10\nu2,i1,3,20\nu1,i1,.5,30\n"
# Too long for the header to tell that they are cut short.
LONG = "user,item\n" + "\n".join(f"u{at},{at * 2654435761 % 2**32}" for at in range(100_000))
LONG_GZIP, LONG_XZ = gzip.compress(LONG.encode(), mtime=0), lzma.compress(LONG.encode(), preset=0)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CSV),
        ("a.csv", CSV.replace("\n", "\r\n")),
        ("a.csv", b"\xef\xbb\xbf" + CSV.encode()),
        ("a.csv", CSV.replace(",", ";")),
        ("a.csv", CSV.replace(",", ";").replace(".5", "0,5")),
        ("a.csv", CSV.replace(",", ", ").replace("\n", "\n\n")),
        ("a.tsv", CSV.replace(",", "\t")),
        ("a.csv.gz", gzip.compress(CSV.encode(), mtime=0)),
        ("a.csv.xz", lzma.compress(CSV.encode())),
        (
            "a.csv",
            '"item","note","user","score","time"\n"i2","two\nlines","u1",4,10\ni1,"a, b",u2,3,20\ni1,,u1,.5,30\n',
        ),
        ("a.jsonl", "\n".join(f'{{"query-id":"{u}","corpus-id":"{i}","score":{v},"ts":{t}}}' for u, i, v, t in ROWS)),
    ],
)
def test_tables_by_their_usual_names(put, load, triples, name, content):
    found = load(put(name, content))
    assert triples(found) == ROWS
    assert found.rows.tolist() == [0, 1, 2]


def test_parquet_with_ids_as_numbers_and_times_as_dates(tmp_path, load, triples):
    times = pd.to_datetime(["2020-01-01", "2020-01-02", None])
    frame = pd.DataFrame({"user": [1.0, 2.0, np.nan], "movieId": [7, 8, 9], "plays": [3, 4, 5], "date": times})
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"no user in row 2; no time.* in row 2"):
        load(tmp_path / "a.parquet")
    found = load(tmp_path / "a.parquet", skip_broken=True)
    assert triples(found) == [("1", "7", 3.0, 1577836800.0), ("2", "8", 4.0, 1577923200.0)]


def test_columns_by_name(put, load, triples):
    path = put("a.csv", "who,what,stars,when,w\nb,x,3,2020-01-01T00:00:01Z,2\na,y,4,2020-01-01,0.5\n")
    found = load(path, user="who", item="what", timestamp="when", weight="w")
    assert triples(found) == [("b", "x", 3.0, 1577836801.0), ("a", "y", 4.0, 1577836800.0)]
    assert found.weight.tolist() == [2.0, 0.5]
    with pytest.raises(UserError, match=r"no column 'whom' \(data\.user\); did you mean 'who'\?"):
        load(path, user="whom", item="what")
    with pytest.raises(UserError, match=r"which column is the user\? Set data\.user; the columns are who, what"):
        load(path)
    with pytest.raises(UserError, match=r"'what' is both data\.user and data\.item"):
        load(path, user="what", item="what")


def test_only_pairs_are_needed(put, load):
    found = load(put("a.csv", "user,item\n007, x\n7,x \n"))
    assert (found.users, found.items) == (["007", "7"], ["x"])
    assert found.value is found.timestamp is found.weight is None


def test_rows_are_those_of_the_file(put, load):
    lines = ["user,item,rating", *(f"u{at},i{at % 7},3" for at in range(3000))]
    lines[1 + 5] += ",too,many"
    lines[1 + 1700] = "u1700"
    lines[1 + 1800] = ",i1,3"
    lines[1 + 2500] = "u2500,i1,abc"
    path = put("a.csv", "\n".join(lines))
    said = "not as many cells in rows 5 and 1700; no user in row 1800; value missing, infinite or no number in row 2500"
    with pytest.raises(UserError, match=said):
        load(path)
    found = load(path, skip_broken=True)
    assert len(found) == 2996
    assert all(found.users[user] == f"u{row}" for user, row in zip(found.user, found.rows, strict=True))
    malformed = found.cleaning[0]
    assert (malformed.name, malformed.count, malformed.rows) == ("malformed", 2, [5, 1700])


CELLS = st.sampled_from(["1", "2.5", "-3", "", "x", "nan", "inf", "1e3", "2020-01-05"])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["a", "b", "", "NULL", "NA"]), CELLS, CELLS), min_size=1, max_size=20))
def test_any_cells_are_read_as_a_slow_loop_reads_them(tmp_path, rows):
    def number(cell):
        try:
            return float(cell)
        except ValueError:
            return np.nan

    def time(cell):
        return 1578182400.0 if cell == "2020-01-05" else number(cell)

    lines = ["user,item,rating,timestamp", *(f"{user},i{at},{v},{t}" for at, (user, v, t) in enumerate(rows))]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    expected = [
        (user, at, number(v), time(t))
        for at, (user, v, t) in enumerate(rows)
        if user not in ("", "NULL") and np.isfinite(number(v)) and 0 <= time(t) < np.inf
    ]
    config = InteractionsConfig(source=str(tmp_path / "a.csv"), skip_broken=True)
    if not expected:
        with pytest.raises(UserError, match="no interactions left"):
            load_interactions(config)
        return
    found = load_interactions(config)
    users = [found.users[user] for user in found.user]
    assert list(zip(users, found.rows, found.value, found.timestamp, strict=True)) == expected


def test_side_tables(put, load):
    pairs = put("a.tsv", "query-id\tcorpus-id\tscore\n1\td2\t1\n2\td1\t1\n2\td2\t0\n")
    queries = put("q.jsonl", '{"_id": "2", "text": "second"}\n{"_id": "1", "text": "first"}\n')
    corpus = put("c.csv", "doc,text,year,zip\nd1,one,1999,01\nd2,two,,10\nd3,three,2001,20\n")
    keys = {"users": str(queries), "items": str(corpus), "item_id": "doc", "positive_from": 1}
    found = load(pairs, **keys, catalogue="all")
    assert found.user_table.text.tolist() == ["first", "second"]
    assert found.items == ["d1", "d2", "d3"]
    assert found.item_table.year.fillna(0).tolist() == [1999, 0, 2001]
    assert found.item_table.zip.tolist() == ["01", "10", "20"]
    assert len(found) == 2
    pairs = put("b.csv", "Reader,Book\nr,b\n")
    books = put("books.csv", "Shelf,Book\n3,b\n")
    assert load(pairs, user="Reader", item="Book", items=str(books)).item_table.Shelf.tolist() == [3]
    pairs = put("a.tsv", "query-id\tcorpus-id\tscore\n1\td2\t1\n")
    put("c.csv", "doc,text\nd1,one\nd2,two\nd1,three\n")
    with pytest.raises(UserError, match=r"ids that stand more than once, such as 'd1': rows 0 and 2"):
        load(pairs, **keys)
    with pytest.raises(UserError, match=r"data\.items: .*nowhere\.csv: no such file"):
        load(pairs, items="nowhere.csv")
    with pytest.raises(UserError, match=r"data\.user_id: names the id column of data\.users, which is not given"):
        load(pairs, user_id="x")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "", "an empty file"),
        ("a.csv", "1,2,3\n4,5,6\n", r"its first line .* is no header"),
        ("a.csv", "user,item\n", "no interactions left"),
        ("a.csv", "user,item\nm\xfcller,x\n".encode("latin-1"), r"not utf-8: .*data\.encoding=latin-1"),
        ("a.csv.gz", b"nothing compressed", "gz|gzip"),
        ("a.csv.gz", LONG_GZIP[: len(LONG_GZIP) // 2], r"a\.csv\.gz: cannot be read"),
        ("a.csv.xz", LONG_XZ[: len(LONG_XZ) // 2], r"a\.csv\.xz: cannot be read"),
        ("a.parquet", b"no parquet", "cannot be read"),
        ("a.csv", b"user,item\n" + b"a,x\n" * 300_000 + b"\xfc,y\n", r"not utf-8; .*data\.encoding=latin-1"),
        ("a.txt", "user item", r"no known kind; expected \.csv"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(put, load, name, content, said):
    with pytest.raises(UserError, match=said) as error:
        load(put(name, content))
    assert "\n" not in str(error.value)


def test_lists_are_no_ids(tmp_path, load):
    pd.DataFrame({"user": [[1], [2]], "item": [1, 2]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"column 'user' \(data\.user\) holds lists"):
        load(tmp_path / "a.parquet")


def test_hub_data_sets(load, monkeypatch, triples):
    datasets = pytest.importorskip("datasets")
    rows = {"user_id": [7, 8], "parent_asin": ["x", "y"], "rating": [5.0, 1.0], "reviews": [["good"], ["bad", "ugly"]]}
    splits = {"train": datasets.Dataset.from_dict(rows)}
    monkeypatch.setattr("lab.data.labelled.hub.load_hub", lambda name, subset: splits if name == "owner/name" else {})
    assert triples(load("hf:owner/name")) == [("7", "x", 5.0, None), ("8", "y", 1.0, None)]
    with pytest.raises(UserError, match=r"no split 'test' \(data\.hub_split\); there is train"):
        load("hf:owner/name", hub_split="test")


def test_encodings(put, load):
    path = put("a.csv", "user,item\nm\xfcller,x\n".encode("latin-1"))
    assert load(path, encoding="latin-1").users == ["müller"]
    path = put("b.csv", "user,item\nmüller,x\n".encode("utf-16"))
    assert load(path).users == ["müller"]


def test_what_is_not_there(put, load):
    path = put("ratings.csv", CSV)
    with pytest.raises(UserError, match=f"no such file or folder; did you mean {path}"):
        load(path.with_name("rating.csv"))
    with pytest.raises(UserError, match="did you mean wikipedia-links"):
        load("wikipedia-link")
    with pytest.raises(UserError, match="hf: needs the name"):
        load("hf:")


def test_large_files_are_cleaned_once(put, load, monkeypatch, triples):
    path = put("a.csv", CSV + "u1,i2,1,40\n")
    before = load(path)
    monkeypatch.setattr(kept, "KEPT_BYTES", 1)
    first = load(path)
    monkeypatch.setattr("lab.data.interactions.load.read_pairs", lambda *_: pytest.fail("read again"))
    again = load(path)
    assert triples(again) == triples(first) == triples(before)
    assert before.fingerprint == first.fingerprint == again.fingerprint
    assert before.cleaning == first.cleaning == again.cleaning
    assert again.rows.tolist() == before.rows.tolist()
    assert again.description == before.description
    with pytest.raises(pytest.fail.Exception):
        load(path, duplicates="last")


@given(st.lists(st.none() | st.integers(-3, 3) | st.floats(-2, 2).map(lambda x: round(x, 1))))
@settings(max_examples=40)
def test_ids_are_what_a_person_would_write(values):
    found = ids_of(pa.chunked_array([pa.array([None if v is None else float(v) for v in values], pa.float64())]))
    back = [found.names[code] if code >= 0 else None for code in found.codes]
    assert back == [None if v is None else f"{v:.0f}" if v == int(v) else str(float(v)) for v in map(plus_zero, values)]
    assert len(set(found.names)) == len(found.names)


def plus_zero(value):
    return None if value is None else value + 0.0


def test_numbers_and_times_of_any_type():
    def column(values, kind=None):
        return pa.chunked_array([pa.array(values, kind)])

    assert numbers_of(column([1, None, 3])).tolist()[::2] == [1, 3]
    assert np.isnan(numbers_of(column(["1", "x", None]))).tolist() == [False, True, True]
    assert times_of(column(["1970-01-01T00:00:10+00:00", "5"])).tolist() == [10, 5]
    assert times_of(column([10, 20], pa.timestamp("s"))).tolist() == [10, 20]
    assert times_of(column([1, 2], pa.date32())).tolist() == [86400, 172800]
    ancient = times_of(column(["0001-01-01", "31/12/2019"]))
    assert ancient[0] < 0
    assert np.isnan(ancient[1])


def test_columns_of_side_tables_are_numbers_where_they_can_be():
    assert typed(pd.Series(["1", "", "3"])).sum() == 4
    assert typed(pd.Series(["1", "x"])).tolist() == ["1", "x"]
    assert typed(pd.Series(["01", "10"])).tolist() == ["01", "10"]
    assert typed(pd.Series([[1], [2]])).tolist() == [[1], [2]]
