import numpy as np
import pytest
from gensim.models import KeyedVectors

from lab.embeddings.expression import nearest_to, parse_expression, query_vector
from lab.embeddings.space import EmbeddingSpace
from lab.errors import UserError


@pytest.fixture(scope="module")
def space() -> EmbeddingSpace:
    generator = np.random.default_rng(0)
    lengths = generator.uniform(0.1, 10, size=(60, 1))
    return EmbeddingSpace([f"w{i}" for i in range(60)], generator.standard_normal((60, 12)) * lengths)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("king", [(1, "king")]),
        ("king - man + woman", [(1, "king"), (-1, "man"), (1, "woman")]),
        ("  king  −  man ", [(1, "king"), (-1, "man")]),
        ("- man + king", [(-1, "man"), (1, "king")]),
        ("+ man", [(1, "man")]),
        ("well-known - C++", [(1, "well-known"), (-1, "C++")]),
        ("New York - new york city", [(1, "New York"), (-1, "new york city")]),
        ('"a - b" + 5" disk', [(1, "a - b"), (1, '5" disk')]),
        ("-5", [(1, "-5")]),
    ],
)
def test_expressions_are_split_at_free_standing_signs(text, terms):
    assert parse_expression(text) == terms


@pytest.mark.parametrize("text", ["", "  ", "king -", "king - + man", "+", "king + \t- man", 'king - "man'])
def test_a_broken_expression_is_one_clear_line(text):
    with pytest.raises(UserError) as error:
        parse_expression(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["w0 - w1 + w2", "w3 + w4", "- w5 + w6", "w7 + w7 - w8", "w9"])
def test_neighbours_of_expressions_are_those_of_gensim(space, text):
    oracle = KeyedVectors(space.dim)
    oracle.add_vectors(list(space.ids), space.vectors)
    terms = parse_expression(text)
    expected = oracle.most_similar(
        positive=[item for sign, item in terms if sign > 0],
        negative=[item for sign, item in terms if sign < 0],
        topn=10,
    )
    found = nearest_to(space, text, k=10)
    assert list(found.ids[0]) == [item for item, _ in expected]
    np.testing.assert_allclose(found.scores[0], [score for _, score in expected], atol=1e-6)


def test_an_expression_that_is_an_id_stands_for_it():
    space = EmbeddingSpace(["a - b", "a", "b"], np.eye(3))
    np.testing.assert_array_equal(query_vector(space, "a - b"), [1, 0, 0])
    np.testing.assert_array_equal(query_vector(space, '"a - b" - a'), [1, -1, 0])


def test_unknown_items_and_zero_vectors_are_refused():
    space = EmbeddingSpace(["kings", "man", "nothing"], [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    with pytest.raises(UserError, match="'king' not among the 3 items; nearest: kings"):
        query_vector(space, "king - man")
    with pytest.raises(UserError, match="1 item has \\('nothing'\\) a zero vector"):
        query_vector(space, "man + nothing")
    with pytest.raises(UserError, match="zero vector"):
        nearest_to(space, "man - man", k=1)
