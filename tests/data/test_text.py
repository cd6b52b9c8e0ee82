from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.data import decoding
from lab.data.config import CorpusConfig
from lab.data.decoding import read_text_lines
from lab.data.text import describe, read_lines
from lab.errors import UserError


def texts(config: CorpusConfig) -> list[str]:
    return [line.text for line in read_lines(config)]


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"one\ntwo\n", ["one", "two"]),
        (b"one\ntwo", ["one", "two"]),
        (b"one\r\ntwo\r\n", ["one", "two"]),
        (b"one\rtwo\r", ["one", "two"]),
        (b"\n\none\n \t\n\ntwo\n", ["one", "two"]),
        (b"o\0ne\n\0\ntwo\0\n", ["one", "two"]),
        (codecs.BOM_UTF8 + b"one\ntwo", ["one", "two"]),
        (codecs.BOM_UTF8 + "é\n".encode(), ["é"]),
        (codecs.BOM_UTF16_LE + "é\r\ntwo".encode("utf-16-le"), ["é", "two"]),
        (codecs.BOM_UTF16_BE + "é\ntwo".encode("utf-16-be"), ["é", "two"]),
        (codecs.BOM_UTF32_LE + "é\ntwo".encode("utf-32-le"), ["é", "two"]),
        ("a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g\n".encode(), ["a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g"]),
    ],
)
def test_lines_of_every_kind(write, content, lines):
    assert texts(write("a.txt", content)) == lines


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "shift_jis", "gb18030", "koi8-r"])
def test_a_named_encoding(write, encoding):
    sample = {"shift_jis": "こんにちは\n世界", "gb18030": "你好\n世界", "koi8-r": "мир\nтруд"}.get(
        encoding, "café\nÅ ß"
    )
    assert texts(write("a.txt", sample.encode(encoding), encoding=encoding)) == sample.split("\n")


def test_ids_are_line_numbers_of_the_file(write):
    config = write("a.txt", "one\n\ntwo\n")
    assert [line.id for line in read_lines(config)] == ["a.txt:1", "a.txt:3"]


@pytest.mark.parametrize("before", [0, 5, 100, 262143, 262144, 300001])
def test_an_invalid_byte_is_named_by_its_offset(write, before):
    config = write("a.txt", b"x" * before + b"\xe9t\xe9")
    for read in (texts, describe):
        with pytest.raises(
            UserError, match=rf"a\.txt: not utf-8: byte 0xe9 at offset {before}; .*data\.encoding=latin-1"
        ):
            read(config)


def test_the_offset_counts_characters_of_several_bytes(write):
    content = "é" * 200_000 + "\n"
    with pytest.raises(UserError, match="byte 0xff at offset 400001;"):
        texts(write("a.txt", content.encode() + b"\xff"))
    with pytest.raises(UserError, match="byte 0xc3 at offset 400000;"):
        texts(write("b.txt", content.encode()[:-1] + b"\xc3"))


@pytest.mark.parametrize("encoding", ["ascii", "shift_jis", "utf-16"])
def test_an_invalid_byte_in_another_encoding(write, encoding):
    with pytest.raises(UserError, match=rf"not {encoding}: byte 0x"):
        texts(
            write("a.txt", "abcé".encode() if encoding == "ascii" else b"\xff\xfea\x00\x00\xd8b\x00", encoding=encoding)
        )


@pytest.mark.parametrize(
    ("ending", "compress"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
def test_compressed_files(write, ending, compress):
    content = b"".join(b"line %d\n" % number for number in range(50_000))
    assert texts(write(f"a.txt{ending}", compress(content))) == content.decode().split("\n")[:-1]
    assert texts(write(f"two.txt{ending}", compress(b"one\n") + compress(b"two\n"))) == ["one", "two"]
    noise = os.urandom(50_000).hex().encode()
    with pytest.raises(UserError, match=r"cut short; fetch or make it again$"):
        texts(write(f"cut.txt{ending}", compress(noise)[:-20_000]))
    whole = compress(noise)
    with pytest.raises(UserError, match=r"(damaged|cut short); fetch or make it again$"):
        texts(write(f"broken.txt{ending}", whole[:20_000] + bytes(100) + whole[20_100:]))
    with pytest.raises(UserError, match=f"not a .* file, whatever its ending says; .*{ending}"):
        texts(write(f"plain.txt{ending}", b"only text\n"))
    with pytest.raises(UserError, match=f"looks like {ending}: give it that ending"):
        texts(write("hidden.txt", compress(noise)))


def test_a_folder_is_read_in_order_hidden_files_left_out(write, tmp_path):
    for name, content in {
        "b.txt": "b",
        "a/z.txt": "z",
        "a/y.txt.gz": gzip.compress(b"y"),
        ".c.txt": "c",
        "x.md": "x",
    }.items():
        write(f"books/{name}", content)
    write("books/.git/d.txt", "d")
    config = CorpusConfig(source=str(tmp_path / "books"))
    assert [tuple(line) for line in read_lines(config)] == [("a/y.txt.gz:1", "y"), ("a/z.txt:1", "z"), ("b.txt:1", "b")]
    assert describe(config).counts == {"files": 3, "lines": 3}


def test_a_pattern_of_files(write, tmp_path):
    for name in ("a.txt", "b.txt", "c.md"):
        write(name, name)
    assert texts(CorpusConfig(source=str(tmp_path / "*.txt"))) == ["a.txt", "b.txt"]
    assert texts(CorpusConfig(source=str(tmp_path / "*.md"))) == ["c.md"]
    with pytest.raises(UserError, match="no file matches"):
        texts(CorpusConfig(source=str(tmp_path / "*.rst")))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.txt": ""}, "a.txt: empty, there is no text in it"),
        ({"a.txt": " \n\n\t\n"}, "a.txt: empty, there is no text in it"),
        ({"folder/.hidden": "x"}, "no text in this folder, it is empty; looked for .txt"),
        ({"folder/a.png": b"\x89PNG"}, "no text in this folder, only a.png and the like; looked for .txt"),
        ({"folder/a.txt": ""}, "folder: empty, there is no text in it"),
        ({"folder/a.txt": "x", "folder/b.csv": "text\nx"}, r"holds text \(a.txt\) and tables \(b.csv\)"),
    ],
)
def test_nothing_to_read(write, tmp_path, files, message):
    for name, content in files.items():
        write(name, content)
    source = tmp_path / next(iter(files)).split("/")[0]
    with pytest.raises(UserError, match=message):
        describe(CorpusConfig(source=str(source)))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("wikipedia-smaple", "did you mean wikipedia-sample"),
        ("wordsim353", "packaged similarity, not running text; there is wikipedia-sample, head500"),
        ("hf:", "needs the name of a hub data set"),
        ("nothing/like/it", "no such file or folder .*packaged are wikipedia-sample, head500"),
    ],
)
def test_sources_that_are_not_there(source, message):
    with pytest.raises(UserError, match=message):
        describe(CorpusConfig(source=source))


def test_a_file_that_is_not_there_gets_its_nearest_neighbour(write, tmp_path):
    write("novels.txt", "x")
    with pytest.raises(UserError, match=r"novel\.txt: no such file or folder; did you mean .*novels\.txt\?"):
        describe(CorpusConfig(source=str(tmp_path / "novel.txt")))


def test_paragraphs_of_books_with_lines_of_fixed_width(write):
    config = write("a.txt", "\n\nIt was the\r\nbest of times.\r\n\r\n \nIt was\nthe worst.", unit="paragraph")
    assert [tuple(line) for line in read_lines(config)] == [
        ("a.txt:3", "It was the best of times."),
        ("a.txt:7", "It was the worst."),
    ]


@given(st.lists(st.text(alphabet="ab é", max_size=40), max_size=8), st.integers(3, 12), st.integers(1, 9))
def test_long_lines_come_in_pieces_that_depend_on_the_text_alone(tmp_path_factory, lines, piece, chunk):
    path = tmp_path_factory.mktemp("pieces") / "a.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "PIECE", piece)
        whole = list(read_text_lines(path, "utf-8"))
        patch.setattr(decoding, "_CHUNK", chunk)
        found = list(read_text_lines(path, "utf-8"))
    assert found == whole
    assert all(len(text) <= piece for _, _, text in found)
    assert len({(line, part) for line, part, _ in found}) == len(found)
    for number, line in enumerate(lines, start=1):
        assert "".join(text for at, _, text in found if at == number) == line


def test_the_fingerprint_follows_bytes_names_and_keys(write, tmp_path):
    config = write("a.txt", "one\n")
    first = describe(config).fingerprint
    assert describe(config).fingerprint == first
    for changed in (
        {"unit": "document"},
        {"encoding": "latin-1"},
        {"held_out": {"seed": 1}},
        {"held_out": {"fraction": 0}},
    ):
        assert describe(CorpusConfig(**{**config.model_dump(), **changed})).fingerprint != first
    write("a.txt", "two\n")
    assert describe(config).fingerprint != first
    write("a.txt", "one\n")
    assert describe(config).fingerprint == first
    (tmp_path / "a.txt").rename(tmp_path / "b.txt")
    assert describe(CorpusConfig(source=str(tmp_path / "b.txt"))).fingerprint != first


def test_counts_and_description(write):
    facts = describe(write("a.txt", "one\n\ntwo\n", unit="document"))
    assert facts.counts == {"documents": 2}
    assert facts.description.endswith("a.txt: 2 documents")
    assert describe(write("b.txt", "one")).description.endswith("b.txt: 1 line")


@pytest.mark.realdata
def test_real_files(shared_data):
    novels = describe(CorpusConfig(source=str(shared_data / "text_novels"), unit="document"))
    assert novels.counts["files"] == 23
    polarity = CorpusConfig(source=str(shared_data / "sentence_polarity" / "rt-polarity.pos"))
    assert describe(polarity).counts == {"lines": 5331}
    assert sum("é" in text for text in texts(polarity)) > 20


def test_a_column_of_plain_text_is_a_mistake(tmp_path):
    (tmp_path / "plain.txt").write_text("some text\n")
    for source in (str(tmp_path / "plain.txt"), "wikipedia-sample"):
        with pytest.raises(UserError, match=r"has no column 'body'; leave it out"):
            describe(CorpusConfig(source=source, column="body"))
