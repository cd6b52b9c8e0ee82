import gzip
import os
import pickle
import struct
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from gensim.models import KeyedVectors, Word2Vec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lab.embeddings.formats import WRITERS, read_vectors, write_vectors
from lab.embeddings.space import EmbeddingSpace
from lab.errors import UserError

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
WORDS = ["the", "naïve", "東京", "a\u00a0b", "C++", "5", "<b>", "x\u2028y", "\u0085", "‏rtl"]
ENDINGS = {"word2vec": "txt", "word2vec-binary": "bin", "glove": "txt", "npz": "npz", "parquet": "parquet"}


@pytest.fixture
def space() -> EmbeddingSpace:
    vectors = np.random.default_rng(0).standard_normal((len(WORDS), 7)).astype(np.float32)
    return EmbeddingSpace(WORDS, vectors, {"count": np.arange(len(WORDS), 0, -1)})


def same(found: EmbeddingSpace, expected: EmbeddingSpace) -> None:
    assert list(found.ids) == list(expected.ids)
    np.testing.assert_array_equal(found.vectors.view(np.uint32), expected.vectors.view(np.uint32))


def refused(path, content: bytes | None, match: str, **options) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=match) as error:
        read_vectors(path, **options)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


# --- out and in again


@pytest.mark.parametrize("name", ENDINGS)
def test_what_is_written_is_read_bit_for_bit(space, tmp_path, name):
    path = tmp_path / "new" / f"words.{ENDINGS[name]}"
    write_vectors(space, path, name)
    same(read_vectors(path), space)
    assert read_vectors(path).name in ("words", space.name)
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("name", ["word2vec", "word2vec-binary", "glove"])
def test_compressed_files(space, tmp_path, name):
    path = tmp_path / "words.gz"
    write_vectors(space, path, name)
    assert path.read_bytes()[:2] == b"\x1f\x8b"
    same(read_vectors(path), space)
    first = path.read_bytes()
    write_vectors(space, path, name)
    assert path.read_bytes() == first


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(sorted(ENDINGS)))
def test_any_word_and_any_number_survive_or_the_word_is_refused(tmp_path_factory, data, name):
    vectors = data.draw(arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(2, 4)), elements=FINITE))
    words = data.draw(st.lists(st.text(max_size=5), min_size=len(vectors), max_size=len(vectors), unique=True))
    space = EmbeddingSpace(words, vectors)
    path = tmp_path_factory.mktemp("any") / f"x.{ENDINGS[name]}"
    try:
        write_vectors(space, path, name)
    except UserError as error:
        assert name != "parquet"
        assert "an id" in str(error)  # noqa: PT017
        assert not path.exists()
        return
    same(read_vectors(path), space)


@pytest.mark.parametrize("binary", [False, True])
def test_gensim_reads_what_is_written(space, tmp_path, binary):
    path = tmp_path / "words.x"
    write_vectors(space, path, "word2vec-binary" if binary else "word2vec")
    keyed = KeyedVectors.load_word2vec_format(str(path), binary=binary)
    assert keyed.index_to_key == WORDS
    np.testing.assert_array_equal(keyed.vectors, space.vectors)


def test_gensim_reads_glove_and_its_own_format_with_counts(space, tmp_path):
    write_vectors(space, tmp_path / "glove.txt", "glove")
    keyed = KeyedVectors.load_word2vec_format(str(tmp_path / "glove.txt"), no_header=True)
    assert keyed.index_to_key == WORDS

    write_vectors(space, tmp_path / "words.kv", "gensim")
    keyed = KeyedVectors.load(str(tmp_path / "words.kv"))
    assert keyed.index_to_key == WORDS
    np.testing.assert_array_equal(keyed.vectors, space.vectors)
    assert keyed.get_vecattr("the", "count") == 10
    expected = [item for item, _ in keyed.most_similar("the", topn=3)]
    assert space.neighbors("the", k=3).ids[0].tolist() == expected


def test_a_large_gensim_file_is_one_file(tmp_path):
    vectors = np.ones((30_000, 100), dtype=np.float32)
    write_vectors(EmbeddingSpace([str(i) for i in range(30_000)], vectors), tmp_path / "large.kv", "gensim")
    assert os.listdir(tmp_path) == ["large.kv"]
    assert KeyedVectors.load(str(tmp_path / "large.kv")).vectors.shape == (30_000, 100)


@pytest.mark.parametrize("binary", [False, True])
def test_what_gensim_writes_is_read(tmp_path, binary):
    model = Word2Vec([["a", "b", "c", "déjà"] * 20], vector_size=12, min_count=1, seed=1)
    model.wv.save_word2vec_format(str(tmp_path / "w"), binary=binary)
    found = read_vectors(tmp_path / "w")
    assert list(found.ids) == model.wv.index_to_key
    np.testing.assert_array_equal(found.vectors, model.wv.vectors)


@pytest.mark.realdata
def test_the_vectors_of_gensims_own_tests_are_read():
    from gensim.test.utils import datapath

    for name, binary in (("euclidean_vectors.bin", True), ("test_glove.txt", None), ("lee_fasttext.vec", False)):
        oracle = KeyedVectors.load_word2vec_format(datapath(name), binary=bool(binary), no_header=binary is None)
        found = read_vectors(datapath(name))
        assert list(found.ids) == oracle.index_to_key
        np.testing.assert_array_equal(found.vectors, oracle.vectors)


# --- particular ways to write the formats


def test_line_ends_trailing_spaces_tabs_and_a_byte_order_mark(tmp_path):
    (tmp_path / "x.vec").write_bytes(b"\xef\xbb\xbf2 2\r\n</s> 1 2 \r\nb\t3\t-4e-1\r\n\r\n")
    found = read_vectors(tmp_path / "x.vec")
    assert list(found.ids) == ["</s>", "b"]
    np.testing.assert_array_equal(found.vectors, np.float32([[1, 2], [3, -0.4]]))


def test_glove_words_with_spaces(tmp_path):
    (tmp_path / "glove.txt").write_bytes(b"the 1 2 3\n. . . 4 5 6\nat name@domain.com 7 8 9\n")
    assert list(read_vectors(tmp_path / "glove.txt").ids) == ["the", ". . .", "at name@domain.com"]


def test_binary_vectors_that_end_in_line_breaks_and_hold_line_breaks(tmp_path):
    """As word2vec.c writes them; the bytes of 0x0a0a0a0a are four line breaks."""
    odd = struct.unpack("<f", b"\n\n\n\n")[0]
    rows = [("a", (1.0, odd)), ("b", (odd, odd)), ("c", (0.0, 1.0))]
    content = b"3 2\n" + b"".join(word.encode() + b" " + struct.pack("<2f", *row) + b"\n" for word, row in rows)
    (tmp_path / "x.bin").write_bytes(content)
    found = read_vectors(tmp_path / "x.bin")
    assert list(found.ids) == ["a", "b", "c"]
    np.testing.assert_array_equal(found.vectors, np.float32([row for _, row in rows]))


def test_binary_files_larger_than_the_buffer(tmp_path):
    vectors = np.random.default_rng(0).standard_normal((3000, 150)).astype(np.float32)
    space = EmbeddingSpace([f"word-{i}" for i in range(3000)], vectors)
    write_vectors(space, tmp_path / "x.bin", "word2vec-binary")
    assert (tmp_path / "x.bin").stat().st_size > 1.5 * 2**20
    same(read_vectors(tmp_path / "x.bin"), space)


def test_npy_with_a_file_of_ids(space, tmp_path):
    np.save(tmp_path / "v.npy", space.vectors.astype(np.float64))
    ids = [word.replace("\u2028", "-") for word in WORDS]
    (tmp_path / "ids.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(ids).encode())
    found = read_vectors(tmp_path / "v.npy", tmp_path / "ids.txt")
    assert list(found.ids) == ids
    np.testing.assert_array_equal(found.vectors, space.vectors)


# --- what is refused


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "no vectors in it"),
        (b"\n\n", "no vectors in it"),
        (b"2 3\na 1 2 3\nb 1 2\n", "line 3: 2 numbers after the word, where 3 were due"),
        (b"2 3\na 1 2 3\nb 1 2 3 4\n", "line 3: 4 numbers after the word, where 3 were due"),
        (b"2 3\na 1 2 3\n 1 2 3\n", "line 3: 2 numbers after the word, where 3 were due"),
        (b"the 1 2 3\na 1 2\n", "line 2: 2 numbers after the word, where 3 were due"),
        (b"2 3\na 1 2 x\nb 1 2 3\n", "line 2: 'x' where a number was due"),
        (b"a 1 2 3\nb 1 2 x\n", "line 2: 'x' where a number was due"),
        (b"a 1 2 3\nb 1 2,5 3\n", "line 2: '2,5' where a number was due"),
        (b"3 2\na 1 2\nb 1 2\n", "the header promises 3 rows but the file ends after 2"),
        (b"1 2\na 1 2\nb 1 2\n", "line 3: one row more than the 1 that the header promises"),
        (b"0 2\n", "line 1: the header promises 0 rows of 2 numbers"),
        (b"3 2\na 1 2\nb 1 2\na 3 4\n", "line 4: 'a' stands already in line 2; words must be unique"),
        (b"2 2\na 1 2\nb nan 2\n", "line 3: NaN, infinity or a number too large for float32 in the vector of 'b'"),
        (b"a 1 2\nb 1 1e39\n", "line 2: NaN, infinity or a number too large"),
        (
            b"2 2\na 1 2\n\xff\xfeb 1 2\n",
            "line 3: the word .* is not valid UTF-8 \\(byte 0xff\\).*unicode_errors='replace'",
        ),
        (b"the\na\n", "line 1: 0 numbers after the word, where 1 were due"),
        (b"PK\x03\x04....", "a zip archive; unpack it"),
        (b"\xba\x16\x4f\x2f....", "fastText's own binary model; give the .vec file"),
        (b"\x80\x04\x95....", "a pickle, which can run any code"),
        (b"\x1f\x8b\x08broken", "cannot be read"),
    ],
)
def test_text_files_that_cannot_be_read(tmp_path, content, match):
    refused(tmp_path / "x.vec", content, match)


def binary(rows: int, *words: bytes, dimensions: int = 3) -> bytes:
    vector = np.linspace(0.1, 1, dimensions, dtype="<f4").tobytes()
    return b"%d %d\n" % (rows, dimensions) + b"".join(word + b" " + vector for word in words)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (binary(3, b"a", b"b"), "row 3, byte 32: the file ends within this row, but its header promises 3 rows"),
        (binary(2, b"a", b"b")[:-1], "row 2, byte 18: the file ends within this row"),
        (binary(1, b"a", b"b"), "byte 18: more follows after the 1 rows that the header promises"),
        (binary(3, b"a", b"b", b"a"), "row 3, byte 32: 'a' stands already in row 1; words must be unique"),
        (binary(2, b"a", b"\xc3("), r"row 2, byte 18: the word b'\\xc3\(' is not valid UTF-8 \(byte 0xc3\)"),
        (b"1 1\na " + struct.pack("<f", np.nan), "row 1, byte 4: NaN"),
        (b"2 1\na " + struct.pack("<f", 0.3) + 20_000 * b"\x01", "row 2, byte 10: no word here"),
    ],
)
def test_binary_files_that_cannot_be_read(tmp_path, content, match):
    refused(tmp_path / "x.bin", content, match)


def test_a_truncated_gzip(space, tmp_path):
    write_vectors(space, tmp_path / "x.gz", "word2vec")
    refused(tmp_path / "x.gz", (tmp_path / "x.gz").read_bytes()[:-20], "cannot be read: Compressed file ended")


@pytest.mark.parametrize(
    ("ending", "line"),
    [
        ("kv", r"KeyedVectors.load\('x.kv'\).save_word2vec_format\('x.txt'\)"),
        ("model", r"Word2Vec.load\('x.model'\).wv.save_word2vec_format\('x.txt'\)"),
        ("pkl", r"KeyedVectors.load\('x.pkl'\).save_word2vec_format\('x.txt'\)"),
    ],
)
def test_pickles_are_refused_with_the_line_that_converts_them(tmp_path, ending, line):
    refused(tmp_path / f"x.{ending}", b"anything", f'a pickle.*python -c "from gensim.models import \\*; {line}"')


def test_the_line_of_gensim_converts_a_pickle(space, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_vectors(space, tmp_path / "words.kv", "gensim")
    with pytest.raises(UserError) as error:
        read_vectors(tmp_path / "words.kv")
    code = str(error.value).split('python -c "')[1].rstrip('"')
    exec(code, {})
    assert list(read_vectors(tmp_path / "words.txt").ids) == list(space.ids)


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was read",))


def test_no_pickle_is_ever_read(tmp_path):
    for ending in ("kv", "pkl", "bin", "npy", "npz", "txt", "parquet"):
        refused(tmp_path / f"x.{ending}", pickle.dumps(Bomb()), ".", **({"ids_file": "i"} if ending == "npy" else {}))
    np.save(tmp_path / "objects.npy", np.array([Bomb()], dtype=object))
    refused(tmp_path / "objects.npy", None, r"Python objects \(a pickle\), which are never read", ids_file="i")
    np.savez(tmp_path / "objects.npz", ids=np.array(["a", Bomb()], dtype=object), vectors=np.eye(2))
    refused(tmp_path / "objects.npz", None, r"save ids as np.array\(ids, dtype=str\)")


def test_npz_files_that_cannot_be_read(tmp_path):
    path = tmp_path / "x.npz"

    def refused_arrays(match: str, **content) -> None:
        np.savez(path, **content)
        refused(path, None, match)

    refused_arrays("no array 'ids' in it, only vectors, words", vectors=np.eye(2), words=["a", "b"])
    refused_arrays("no array 'ids' or 'vectors'", x=np.eye(2))
    refused_arrays("'ids' must be a list of strings, not float64", ids=[1.0, 2.0], vectors=np.eye(2))
    refused_arrays("3 ids for 2 vectors", ids=["a", "b", "c"], vectors=np.eye(2))
    refused_arrays("1 item has \\('a'\\) an id that stands there before", ids=["a", "a"], vectors=np.eye(2))
    refused_arrays("NaN or infinity", ids=["a", "b"], vectors=np.full((2, 2), np.nan))
    refused(path, b"text", "not a readable NumPy file")
    refused(path, b"PK\x03\x04 torn", "not a readable NumPy file")
    np.savez(path, ids=[7, 8], vectors=np.eye(2))
    assert list(read_vectors(path).ids) == ["7", "8"]


def test_npy_files_that_cannot_be_read(tmp_path):
    path, ids = tmp_path / "x.npy", tmp_path / "ids.txt"
    np.save(path, np.eye(2))
    refused(path, None, "no names for its rows; give a file of ids, one a line \\(--ids FILE\\)")
    for content, match in (
        (b"a\n", f"{ids}: 1 ids for the 2 vectors of"),
        (b"a\n\nb\n", "line 2: empty"),
        (b"a\nb\na\n", "line 3: 'a' stands already in line 1"),
        (b"a\n\xff\n", "line 2: not valid UTF-8 \\(byte 0xff\\)"),
    ):
        ids.write_bytes(content)
        with pytest.raises(UserError, match=match):
            read_vectors(path, ids)
    with pytest.raises(UserError, match="nowhere: cannot be read: No such file"):
        read_vectors(path, tmp_path / "nowhere")
    refused(tmp_path / "x.txt", b"a 1\n", "a file of ids is for .npy", ids_file=ids)
    refused(tmp_path / "missing.vec", None, "no such file")


@pytest.mark.parametrize("name", ["word2vec", "word2vec-binary", "glove"])
@pytest.mark.parametrize("word", ["New York", "", "a\tb", "a\nb", "\ud800"])
def test_words_that_a_format_cannot_hold_are_refused(tmp_path, name, word):
    path = tmp_path / "x.txt"
    with pytest.raises(UserError, match=r"1 item has .* an id that this format cannot hold .*; use parquet or npz"):
        write_vectors(EmbeddingSpace(["a", word], np.eye(2)), path, name)
    assert os.listdir(tmp_path) == []


def test_an_unknown_format_is_refused(space, tmp_path):
    with pytest.raises(UserError, match=r"unknown format 'word2vek': use one of .*; did you mean word2vec\?"):
        write_vectors(space, tmp_path / "x", "word2vek")
    with pytest.raises(UserError, match="cannot be written"):
        write_vectors(space, tmp_path, "npz")
    assert set(WRITERS) == {*ENDINGS, "gensim"}


def test_reading_streams(tmp_path):
    """Only a buffer and the vectors themselves are held; the lines of a large file are never all in memory."""
    path = tmp_path / "x.vec"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"5000 50\n")
        for row in range(5000):
            file.write(b"word%d" % row + b" 0.123456789012345678901234567890" * 50 + b"\n")
    read_vectors(path)  # what is imported and compiled on the way is not the file's
    tracemalloc.start()
    found = read_vectors(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.vectors.nbytes == 1_000_000
    assert peak < 5 * 2**20  # the text alone is 8 MB


def test_metadata_is_kept_by_parquet(space, tmp_path):
    write_vectors(space, tmp_path / "x.parquet", "parquet")
    pd.testing.assert_frame_equal(read_vectors(tmp_path / "x.parquet").metadata, space.metadata)
