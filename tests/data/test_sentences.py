from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.data.sentences import sentence_spans, split_sentences


@pytest.mark.parametrize(
    "text",
    [
        "It rained. | Nobody minded.",
        "Dr. No met J. S. Bach in St. Ives. | Then they left.",
        "It was 3.5. | The next was 4.",
        "He lived in the U.S. Navy yard. | So it was.",
        "See cf. Plato. | He said no. | Then he left.",
        "It is No. 5 of c. 1500 works. | That is all.",
        '"Is it?" he asked. | "It is!" | They went (as before). | "Good."',
        "Was it I? | I think it was I. | He knew.",
        "e.g. Rome and i.e. Athens. | Next.",
        "他来了。| 我走了！| 再见",
        "Ende gut. | Ährlich. | Über alles. | Étonnant.",
        "A title\n| and a line.",
    ],
)
def test_sentences_end_where_the_bars_stand(text):
    parts = [part.strip() for part in text.split("|")]
    assert split_sentences(text.replace("| ", "").replace("|", "")) == parts


@given(st.text(alphabet=st.sampled_from("aB.!? \n\"'(1É。")))
def test_spans_are_in_order_and_leave_out_nothing_but_space(text):
    spans = sentence_spans(text)
    assert all(start < end for start, end in spans)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert "".join("".join(text[start:end].split()) for start, end in spans) == "".join(text.split())
    assert all(text[start:end] == text[start:end].strip() for start, end in spans)
