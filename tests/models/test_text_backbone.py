from __future__ import annotations

import json
import math

import numpy as np
import pytest

from lab.errors import UserError
from lab.models.text_backbone import (
    encode_texts,
    load_text_backbone,
    parse_marked,
    read_token_table,
    static_vectors,
    token_kind,
    whole_words,
    word_in_context,
    words_alone,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small BERT with random weights and a WordPiece vocabulary, saved as transformers saves it."""
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    path = tmp_path_factory.mktemp("bert")
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "[unused1]",
        "the",
        "apple",
        "banana",
        "pie",
        "##s",
        "a",
        ".",
    ]
    (path / "vocab.txt").write_text("\n".join(words))
    BertWordPieceTokenizer(str(path / "vocab.txt")).save(str(path / "tokenizer.json"))
    BertTokenizerFast(tokenizer_file=str(path / "tokenizer.json")).save_pretrained(path)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    BertModel(config).save_pretrained(path, safe_serialization=True)
    return path


@pytest.fixture(scope="module")
def backbone(folder):
    return load_text_backbone(folder, "tiny")


def test_marked_word_is_cut_out_of_its_sentence():
    marked = parse_marked("I'd like to eat an [apple].")
    assert marked.text == "I'd like to eat an apple."
    assert marked.word == "apple"


@pytest.mark.parametrize("wrong", ["no mark", "two [a] [b]", "empty []", "]backwards[", "[open"])
def test_a_sentence_without_exactly_one_mark_is_refused(wrong):
    with pytest.raises(UserError, match="exactly one word"):
        parse_marked(wrong)


def test_token_table_equals_the_models_own_embedding_layer(folder, backbone):
    tokens, vectors = read_token_table(folder)
    table = backbone.model.get_input_embeddings().weight.detach().numpy()
    assert tokens == backbone.tokenizer.convert_ids_to_tokens(range(len(table)))
    np.testing.assert_array_equal(vectors, table)


def test_token_table_of_a_folder_without_weights_says_what_is_missing(tmp_path):
    with pytest.raises(UserError, match=r"no model\.safetensors"):
        read_token_table(tmp_path)


def test_word_in_context_equals_the_hidden_states_by_hand(backbone):
    import torch

    found = word_in_context(backbone, [parse_marked("the [pies] a")])
    ids = backbone.tokenizer("the pies a", return_tensors="pt")
    assert backbone.tokenizer.convert_ids_to_tokens(ids["input_ids"][0]) == ["[CLS]", "the", "pie", "##s", "a", "[SEP]"]
    with torch.no_grad():
        states = backbone.model(**ids, output_hidden_states=True).hidden_states
    expected = np.stack([state[0, 2:4].mean(0).numpy() for state in states])
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-6)


def test_context_moves_a_word_above_layer_zero_but_not_in_the_static_table(backbone):
    pair = [parse_marked("the [apple] ."), parse_marked("a [apple] banana pie")]
    found = word_in_context(backbone, pair)
    np.testing.assert_allclose(found[0, 0], found[0, 1], atol=1e-6)  # same position, same embedding
    assert np.abs(found[1:, 0] - found[1:, 1]).max() > 1e-3
    static = static_vectors(backbone, ["apple", "apple", "pies"])
    np.testing.assert_array_equal(static[0], static[1])
    assert np.isnan(static[2]).all()  # two tokens: no single row


def test_words_alone_are_the_words_in_sentences_of_themselves(backbone):
    words = ["apple", "pies", "the"]
    alone = words_alone(backbone, words, batch_size=1)
    assert alone.shape == (3, 3, 16)
    np.testing.assert_allclose(alone, word_in_context(backbone, [parse_marked(f"[{w}]") for w in words]), atol=1e-6)
    np.testing.assert_allclose(alone, words_alone(backbone, words), atol=1e-6)


def test_whole_words_leave_out_pieces_and_special_tokens(backbone):
    assert whole_words(backbone, 100) == ["the", "apple", "banana", "pie"]
    assert [token_kind(t) for t in ("[CLS]", "[unused7]", "##ing", "king", "[")] == [
        "special", "unused", "piece", "word", "word"
    ]  # fmt: skip


def test_encoded_texts_do_not_depend_on_padding_and_have_length_one(backbone):
    texts = ["apple", "the apple pies a banana .", "a"]
    together = encode_texts(backbone, texts)
    alone = np.concatenate([encode_texts(backbone, [text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert all(math.isclose(float(n), 1, rel_tol=1e-5) for n in np.linalg.norm(together, axis=1))


def test_a_backbone_that_is_nowhere_gives_one_line(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match="cannot be loaded") as error:
        load_text_backbone("nobody/nothing-of-the-kind")
    assert "\n" not in str(error.value)


def test_packaged_minilm_reads_apple_as_fruit_and_as_company():
    from lab.data.backbones import locate_backbone
    from lab.models.word_in_context import follow_words

    location = locate_backbone("minilm-l6")
    with open(f"{location.source}/config.json") as file:
        assert json.load(file)["num_hidden_layers"] == 6
    backbone = load_text_backbone(location.source, "minilm-l6")
    marked = [parse_marked("I'd like to eat an [apple]."), parse_marked("[Apple] makes great products.")]
    found = follow_words(backbone, marked, candidates=4000, count=3)
    assert found.vectors.shape == (7, 2, 384)
    assert found.neighbors[3][0][0][0] == "fruit"
    assert "mac" in [word for word, _ in found.neighbors[3][1]] or "microsoft" in [w for w, _ in found.neighbors[3][1]]
    assert found.static_neighbors[0] == found.static_neighbors[1]
    assert found.between[0, 0, 1] > found.between[3, 0, 1]  # context pulls them apart
