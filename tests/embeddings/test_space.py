import os

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lab.embeddings.space import EmbeddingSpace
from lab.errors import UserError

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)


@pytest.fixture
def fruit() -> EmbeddingSpace:
    table = {"label": ["fruit", "fruit", "firm"], "count": [5, 3, 9]}
    return EmbeddingSpace(["apple", "banana", "microsoft"], [[3, 4], [0, 2], [5, -1]], table, name="words")


def bits(vectors: np.ndarray) -> np.ndarray:
    return vectors.view(np.uint32)


# --- making one


def test_it_holds_what_it_is_given_and_cannot_be_changed(fruit):
    assert len(fruit) == 3
    assert fruit.dim == 2
    assert fruit.vectors.dtype == np.float32
    assert fruit.vectors.flags.c_contiguous
    np.testing.assert_array_equal(fruit["banana"], [0, 2])
    assert "apple" in fruit
    assert "pear" not in fruit
    assert repr(fruit) == "EmbeddingSpace 'words': 3 items × 2 dimensions, metadata: label, count"
    with pytest.raises(ValueError, match="read-only"):
        fruit.vectors[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        fruit.ids[0] = "pear"


def test_the_callers_array_stays_writable():
    vectors = np.ones((2, 2), dtype=np.float32)
    space = EmbeddingSpace(["a", "b"], vectors)
    assert np.shares_memory(space.vectors, vectors)
    vectors[0, 0] = 1


@pytest.mark.parametrize(
    ("ids", "vectors", "metadata", "message"),
    [
        (["a", "b"], np.ones((3, 2)), None, "2 ids for 3 vectors"),
        (["a", "b"], np.ones(2), None, r"a matrix of numbers .* not float64 of shape \(2,\)"),
        ([], np.ones((0, 2)), None, r"at least one item and one dimension, not float64 of shape \(0, 2\)"),
        (["a"], np.array([["1"]]), None, "matrix of numbers"),
        (["a", "b", "a", "a"], np.ones((4, 1)), None, r"2 items have \('a', 'a'\) an id that stands there before"),
        (["a", 7], np.ones((2, 1)), None, "ids must be strings; 1 of 2 are not, first 7"),
        (["a", "b"], [[1.0], [np.nan]], None, r"1 item has \('b'\) NaN or infinity in the vector"),
        (list("abcde"), np.full((5, 1), 1e39), None, r"5 items have \('a', 'b', 'c', …\) NaN or infinity"),
        (["a", "b"], np.ones((2, 1)), {"x": [1]}, "1 rows of metadata for 2 items"),
        (["a", "b"], np.ones((2, 1)), {"id": [1, 2]}, "metadata columns must be unique strings"),
    ],
)
def test_mistakes_are_one_clear_line(ids, vectors, metadata, message):
    with pytest.raises(UserError, match=message) as error:
        EmbeddingSpace(ids, vectors, metadata)
    assert "\n" not in str(error.value)


def test_an_unknown_id_that_others_begin_with_lists_those():
    films = EmbeddingSpace(["Toy Story (1995)", "Toy Story 2 (1999)", "Heat (1995)"], np.eye(3, dtype=np.float32))
    with pytest.raises(UserError, match=r"nearest: Toy Story \(1995\), Toy Story 2 \(1999\)$"):
        films["toy story"]


def test_an_unknown_id_lists_the_nearest(fruit):
    with pytest.raises(UserError, match=r"'aple' and 1 more not among the 3 items of 'words'; nearest: apple"):
        fruit.index(["aple", "apple", "pear"])


# --- other spaces made from it


@pytest.mark.parametrize("chosen", [["microsoft", "apple"], np.array([2, 0])])
def test_subset_keeps_the_order_asked_for(fruit, chosen):
    part = fruit.subset(chosen)
    assert list(part.ids) == ["microsoft", "apple"]
    np.testing.assert_array_equal(part.vectors, [[5, -1], [3, 4]])
    assert list(part.metadata["count"]) == [9, 5]
    assert list(part.metadata.index) == [0, 1]


def test_subset_by_mask(fruit):
    assert list(fruit.subset(fruit.metadata["label"].to_numpy() == "fruit").ids) == ["apple", "banana"]
    with pytest.raises(UserError, match="mask has shape"):
        fruit.subset(np.array([True]))


def test_normalized_vectors_have_length_one_and_zero_vectors_are_refused(fruit):
    np.testing.assert_allclose(fruit.normalized()["apple"], [0.6, 0.8], rtol=1e-7)
    assert list(fruit.normalized().metadata["count"]) == [5, 3, 9]
    with pytest.raises(UserError, match=r"1 item has \('b'\) a zero vector"):
        EmbeddingSpace(["a", "b"], [[1, 0], [0, 0]]).normalized()


def test_join_adds_columns_by_id(fruit):
    joined = fruit.join(pd.DataFrame({"id": ["microsoft", "apple", "other"], "colour": ["blue", "red", "?"]}))
    assert list(joined.metadata.columns) == ["label", "count", "colour"]
    assert joined.metadata["colour"].tolist()[0::2] == ["red", "blue"]
    assert pd.isna(joined.metadata["colour"][1])
    assert list(fruit.metadata.columns) == ["label", "count"]
    assert list(joined.join(pd.DataFrame({"z": [1]}, index=["apple"])).metadata.columns)[-1] == "z"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pd.DataFrame({"id": ["apple", "apple"], "x": [1, 2]}), "must hold an id once; repeated: 1, first 'apple'"),
        (pd.DataFrame({"id": ["pear"], "x": [1]}), "knows none of the 3 items"),
        (pd.DataFrame({"id": ["apple"], "count": [1]}), "columns that are already there: count"),
    ],
)
def test_a_table_that_cannot_be_joined(fruit, table, message):
    with pytest.raises(UserError, match=message):
        fruit.join(table)


# --- search


def test_an_item_is_never_its_own_neighbour_but_a_vector_finds_its_item(fruit):
    by_id = fruit.neighbors(["apple", "banana"], k=5)
    assert by_id.ids.tolist() == [["banana", "microsoft"], ["apple", "microsoft"]]
    np.testing.assert_allclose(by_id.scores[0], [0.8, 11 / (5 * np.sqrt(26))], rtol=1e-6)
    assert fruit.neighbors(fruit["apple"], k=1).ids.tolist() == [["apple"]]
    assert fruit.neighbors("apple", k=1, exclude=["banana"]).ids.tolist() == [["microsoft"]]
    assert fruit.neighbors("apple", k=1, metric="euclidean").ids.tolist() == [["banana"]]
    np.testing.assert_array_equal(fruit.ids[by_id.indices], by_id.ids)


def test_where_nothing_is_left_the_id_is_none(fruit):
    found = fruit.neighbors(["apple", "banana"], k=3, exclude=["banana"])
    assert found.ids.tolist() == [["microsoft", None], ["apple", "microsoft"]]
    assert found.indices[0, 1] == -1
    assert np.isnan(found.scores[0, 1])


def test_a_zero_vector_has_no_cosine():
    space = EmbeddingSpace(["a", "[PAD]", "b"], [[1, 0], [0, 0], [0, 1]])
    with pytest.raises(UserError, match=r"query: 1 item has \('\[PAD\]'\) a zero vector.*use metric dot or euclidean"):
        space.neighbors(["a", "[PAD]"])
    assert space.neighbors("[PAD]", k=1, metric="euclidean").ids.tolist() == [["a"]]


# --- files


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_file_gives_back_every_bit(tmp_path_factory, data):
    vectors = data.draw(arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 5)), elements=FINITE))
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    ids = data.draw(st.lists(text, min_size=len(vectors), max_size=len(vectors), unique=True))
    path = tmp_path_factory.mktemp("space") / "space.parquet"
    EmbeddingSpace(ids, vectors, {"label": ids}, name="näme").save(path)
    again = EmbeddingSpace.load(path)
    assert list(again.ids) == ids
    np.testing.assert_array_equal(bits(again.vectors), bits(vectors))
    assert list(again.metadata["label"]) == ids
    assert again.name == "näme"


def test_metadata_comes_back_with_its_types(fruit, tmp_path):
    table = pd.DataFrame(
        {
            "count": [1, 2, 3],
            "share": [0.5, np.nan, 1.5],
            "split": pd.Categorical(["train", "test", "train"]),
            "text": ["a", None, "c"],
            "known": [True, False, True],
            "tags": [["x"], [], ["y", "z"]],
        }
    )
    EmbeddingSpace(fruit.ids, fruit.vectors, table).save(tmp_path / "s.parquet")
    again = EmbeddingSpace.load(tmp_path / "s.parquet").metadata
    pd.testing.assert_frame_equal(again.drop(columns=["tags", "text"]), table.drop(columns=["tags", "text"]))
    assert [list(tags) for tags in again["tags"]] == [["x"], [], ["y", "z"]]
    assert again["text"].isna().tolist() == [False, True, False]


def test_loading_copies_no_vectors(tmp_path, monkeypatch):
    EmbeddingSpace([str(i) for i in range(1000)], np.ones((1000, 8)), {"n": range(1000)}).save(tmp_path / "s.parquet")
    copies = []
    ascontiguous = np.ascontiguousarray
    monkeypatch.setattr(
        np, "ascontiguousarray", lambda a, **kw: copies.append((a, ascontiguous(a, **kw))) or copies[-1][1]
    )
    space = EmbeddingSpace.load(tmp_path / "s.parquet")
    assert [np.shares_memory(before, after) for before, after in copies] == [True]
    assert space.vectors.base is not None


def test_other_tools_read_the_file(fruit, tmp_path):
    path = str(tmp_path / "words.parquet")
    fruit.save(path)

    frame = pd.read_parquet(path)
    assert list(frame.columns) == ["id", "vector", "label", "count"]
    np.testing.assert_array_equal(np.stack(frame["vector"]), fruit.vectors)

    import duckdb

    rows = duckdb.sql(f"select id, vector[1], len(vector), label from '{path}' where count > 4").fetchall()
    assert rows == [("apple", 3.0, 2, "fruit"), ("microsoft", 5.0, 2, "firm")]

    import pyarrow.parquet as pq

    assert str(pq.read_schema(path).field("vector").type) == "fixed_size_list<element: float>[2]"


def test_datasets_reads_the_file(fruit, tmp_path):
    import datasets

    fruit.save(tmp_path / "words.parquet")
    rows = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "words.parquet"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert rows.features["vector"].length == 2
    assert rows[1] == {"id": "banana", "vector": [0.0, 2.0], "label": "fruit", "count": 3}


@pytest.mark.parametrize("kind", ["float64 lists", "float16 fixed", "several row groups"])
def test_parquet_files_of_other_tools_are_read(kind, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, vectors = tmp_path / "other.parquet", np.arange(12, dtype=np.float32).reshape(6, 2)
    kinds = {"float64 lists": pa.list_(pa.float64()), "float16 fixed": pa.list_(pa.float16(), 2)}
    kind_of_list = kinds.get(kind, pa.list_(pa.float32(), 2))
    values = pa.array([[np.float16(value) for value in row] for row in vectors], kind_of_list)
    pq.write_table(pa.table({"id": pa.array(range(6)), "vector": values}), path, row_group_size=2)
    space = EmbeddingSpace.load(path)
    assert list(space.ids) == ["0", "1", "2", "3", "4", "5"]
    np.testing.assert_array_equal(space.vectors, vectors)


def test_broken_files_are_one_clear_line(fruit, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "s.parquet"

    def refused(match: str) -> None:
        with pytest.raises(UserError, match=match) as error:
            EmbeddingSpace.load(path)
        assert "\n" not in str(error.value)
        assert str(path) in str(error.value)

    refused("no such file")
    path.write_text("id,vector\n")
    refused("not a readable Parquet file")
    fruit.save(path)
    path.write_bytes(path.read_bytes()[:-50])
    refused("not a readable Parquet file")
    fruit.save(path)
    pq.write_table(pq.read_table(path).replace_schema_metadata({"format_version": "2"}), path)
    refused("written in format 2; this `lab` reads up to 1: upgrade it")
    pq.write_table(pa.table({"id": ["a"], "x": [1]}), path)
    refused("no column 'vector'")
    pq.write_table(pa.table({"id": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]}), path)
    refused("several lengths: \\['1', '2'\\]")
    pq.write_table(pa.table({"id": ["a"], "vector": pa.array([None], pa.list_(pa.float32(), 2))}), path)
    refused("missing vectors|not a readable Parquet file")  # some versions of pyarrow cannot read it at all
    pq.write_table(pa.table({"id": ["a"], "vector": ["1 2"]}), path)
    refused("holds string, not lists of numbers")
    pq.write_table(pa.table({"id": ["a", None], "vector": [[1.0], [2.0]]}), path)
    refused("ids must be strings; 1 of 2 are not, first None")


def test_a_file_is_written_whole_or_not_at_all(fruit, tmp_path, monkeypatch):
    path = tmp_path / "s.parquet"
    fruit.save(path)
    before = path.read_bytes()
    with pytest.raises(UserError, match="metadata that Parquet cannot hold"):
        EmbeddingSpace(["a", "b"], np.ones((2, 1)), {"x": [1, "one"]}).save(path)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        fruit.subset(["apple"]).save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["s.parquet"]


def test_the_notebook_view_escapes_what_it_shows():
    space = EmbeddingSpace(["<script>"], np.ones((1, 9)), {"<b>": ["<i>"]}, name="<u>")
    html = space._repr_html_()
    assert "<script>" not in html.replace("&lt;script&gt;", "")
    for text in ("&lt;script&gt;", "&lt;b&gt;", "&lt;i&gt;", "&lt;u&gt;"):
        assert text in html
