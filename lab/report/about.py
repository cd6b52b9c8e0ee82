"""What each section of a page is about, in a sentence or two behind its heading."""

from __future__ import annotations

from markupsafe import Markup

ABOUT = {
    "answer": (
        "The best row by the test that the study names, and whether it can be told from the others: over seeds and "
        "test items together, adjusted for how many pairs are compared."
    ),
    "certainty": (
        "How far the answer can be trusted, and how many more seeds, test items or labels would settle what is open."
    ),
    "table": (
        "Rows share a table if they were tested on the same items in the same way. A value stands with its 95 % "
        "interval; its digits follow the interval's width."
    ),
    "cost": (
        "What each further block that is trained brings, and what it costs in time: where more time buys nothing, the "
        "cheaper row will do."
    ),
    "rates": (
        "A fixed learning rate compares tuning, not strategies. Each row chose its own on validation data; here is "
        "what it tried."
    ),
    "labels": (
        "The same strategy with more and more labels. A curve that still climbs says that labels are worth buying."
    ),
    "similarity": (
        "Textbooks say how deep to train by the amount of data and its likeness to what the network was trained on; "
        "this is what the runs say."
    ),
    "splits": (
        "The same rows under other ways to part training from test data. Where near-copies stand on both sides, "
        "accuracy is too high."
    ),
    "representation": (
        "What a linear classifier reads from each block of the network. Early blocks are general, late ones belong to "
        "the task."
    ),
    "frozen": (
        "Which blocks never changed. What they give is computed once and kept, so that only the blocks behind them "
        "cost time."
    ),
    "mistakes": (
        "Which classes are taken for which, where errors gather, and the mistakes of which the model was surest: "
        "often these labels are wrong."
    ),
    "check": (
        "Copies, leaks and labels that disagree: what in the data itself would make the numbers too good or too bad."
    ),
    "embeddings": "Embeddings learned without labels, judged by what a simple classifier can do with them.",
    "sizes": "A larger embedding keeps more of the picture; what a classifier can use of it may grow no further.",
    "few": "With few labels, good embeddings matter most: the classifier on top has little to learn from.",
    "spaces": (
        "The same items in each space. A space whose variance lies in a few dimensions, or whose vectors all point "
        "one way, gives nearest neighbours that mean little."
    ),
    "beside": "Rows that are compared only with each other, by their own test.",
    "lists": (
        "For each user, the items that a method ranks first: how many of those that the user took up are among them, "
        "and what kind of items they are."
    ),
    "serving": "How fast an approximate index finds a user's items, and how many of the exact ones it finds.",
    "figures": "What the runs recorded while they trained, and the figures that they drew.",
    "errors": "Runs that failed, warnings of those that did not, and results made by another version of the code.",
    "maps": (
        "A space in two dimensions: it shows groups, not distances between them. Redraw it with another seed to see "
        "what is accident, and read the nearest neighbours of a point, which are computed in the original space."
    ),
    "differ": (
        "How much of an item's neighbourhood two spaces share, between two marks: what an accidental pairing would "
        "have, and what another seed of the same model has."
    ),
    "neighbors": "The nearest words of some words in each space, by the angle between their vectors.",
    "teach": "Which regularities of a language a text of this size can and cannot teach.",
    "data": "What each row read; rows with the same fingerprint read the same.",
    "config": "What is needed to make every run again: commands, settings, versions.",
}


def about(section: str) -> Markup:
    """The note of a section as HTML, folded; nothing for a section that has none."""
    if section not in ABOUT:
        return Markup("")
    return Markup('<details class="about"><summary>What is this?</summary><p>{}</p></details>').format(ABOUT[section])
