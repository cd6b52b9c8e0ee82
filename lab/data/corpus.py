"""A tokenised corpus on disk: made once for all cells that share its settings, read sentence by sentence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING

from lab.cache import cached_folder
from lab.config.base import Section
from lab.data.config import CorpusConfig
from lab.data.fingerprint import digest, file_fingerprint
from lab.data.sentences import sentence_spans
from lab.data.text import Line, describe, read_lines
from lab.data.tokenizer import PhrasesConfig, PhraseTable, TokenizerConfig, join_phrases, make_tokenizer
from lab.errors import UserError

if TYPE_CHECKING:
    from lab.data.word_ids import WordIds

# Raised whenever the same settings would write other files.
_VERSION = 2
# gensim cuts longer sentences off in silence.
MAX_TOKENS = 10_000
# Long enough that few windows are cut at an end, short enough that a small held-out share is taken from all documents.
_PASSAGE_WORDS = 200


@dataclass(frozen=True)
class Sentences:
    """Tokenised sentences in a file, streamed anew on every pass: one a line, tokens parted by spaces.

    `len()` is the number of sentences, `tokens` the number of tokens in them all; no sentence is empty or longer than
    10,000 tokens.
    """

    path: Path
    sentences: int
    tokens: int

    def __iter__(self) -> Iterator[list[str]]:
        with open(self.path, encoding="utf-8", newline="\n") as file:
            for line in file:
                yield line[:-1].split(" ")

    def __len__(self) -> int:
        return self.sentences

    def word_ids(self) -> WordIds:
        """The same sentences as numbers, on disk in the cache, made once for every vocabulary cut out of them."""
        from lab.data.word_ids import read_word_ids, write_word_ids

        key = digest("1", file_fingerprint(self.path))
        return read_word_ids(cached_folder("word-ids", key, lambda folder: write_word_ids(self.path, folder)))


@dataclass(frozen=True)
class Corpus:
    """A tokenised corpus: what is trained on and what is held out, disjoint."""

    folder: Path
    fingerprint: str
    training: Sentences
    held_out: Sentences
    counts: dict[str, int]

    @cached_property
    def phrases(self) -> list[PhraseTable]:
        """The phrases learned from the training part, one table of `{"new_york": score}` a pass (often none)."""
        tables: list[PhraseTable] = json.loads((self.folder / "phrases.json").read_text(encoding="utf-8"))
        return tables


def build_corpus(config: CorpusConfig, tokenizer: TokenizerConfig) -> Corpus:
    """Tokenise a source into the cache, or find it there.

    What is trained on at a time, and what is held out, is called a sentence here, as everywhere with word2vec. It is a
    line, row or paragraph as it comes; only where `unit` is `document` are lines cut, at sentence ends, into passages
    of 200 words or a little more; whatever has more than 10,000 tokens is cut there. (Paragraphs are left whole since
    vectors gain from contexts beyond a full stop: on the Wikipedia sample skip-gram's WordSim-353 rises from 0.28 to
    0.31, means of three seeds.)

    A share of `held_out.fraction` of the sentences goes to `held_out`: those whose hash of (`held_out.seed`, id) is
    small enough. So the choice is the same for every seed and tokenizer, does not move when other text is added, and a
    larger share holds the smaller ones.

    Phrases are learned from the training part alone. Memory stays bounded: nothing but the counts of phrases is kept.
    Raises `UserError` for what cannot be read and for a corpus without a token to train on.
    """
    fingerprint = describe(config).fingerprint
    key = digest(str(_VERSION), fingerprint, _canonical(tokenizer), _canonical(config.held_out))
    folder = cached_folder("corpora", key, lambda folder: _write(folder, config, tokenizer))
    counts: dict[str, int] = json.loads((folder / "counts.json").read_text(encoding="utf-8"))
    training = Sentences(folder / "training.txt", counts["sentences"], counts["tokens"])
    held_out = Sentences(folder / "held_out.txt", counts["held_out_sentences"], counts["held_out_tokens"])
    return Corpus(folder, fingerprint, training, held_out, counts)


def is_held_out(sentence_id: str, fraction: float, seed: int) -> bool:
    """Whether a sentence belongs to the share that is never trained on; depends on nothing but the arguments."""
    hashed = hashlib.blake2b(f"{seed}:{sentence_id}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(hashed, "big") < fraction * 2.0**64


def _canonical(section: Section) -> str:
    return json.dumps(section.model_dump(mode="json"), sort_keys=True)


def _sentences(lines: Iterable[Line], documents: bool, tokenizer: TokenizerConfig) -> Iterator[tuple[str, list[str]]]:
    """Tokenised sentences with their ids, `line#number`; what a long one is cut into is `line#number/piece`."""
    tokens_of = make_tokenizer(tokenizer)
    for line in lines:
        for number, text in enumerate(passages(line.text) if documents else (line.text,)):
            tokens = tokens_of(text)
            for start in range(0, len(tokens), MAX_TOKENS):
                piece = f"/{start // MAX_TOKENS}" if start else ""
                yield f"{line.id}#{number}{piece}", tokens[start : start + MAX_TOKENS]


def passages(text: str) -> Iterator[str]:
    """A document cut at sentence ends into passages of at least 200 words, the last one excepted."""
    words = start = end = 0
    for first, end in sentence_spans(text):
        words += text.count(" ", first, end) + 1
        if words >= _PASSAGE_WORDS:
            yield text[start:end]
            words, start = 0, end
    if words:
        yield text[start:end]


class _Writer:
    """A file of sentences that counts what it is given."""

    def __init__(self, path: Path) -> None:
        self.file: IO[str] = open(path, "w", encoding="utf-8", newline="\n", errors="replace")  # noqa: SIM115
        self.sentences = 0
        self.tokens = 0

    def write(self, tokens: list[str]) -> None:
        self.file.write(" ".join(tokens) + "\n")
        self.sentences += 1
        self.tokens += len(tokens)


def _write(folder: Path, config: CorpusConfig, tokenizer: TokenizerConfig) -> None:
    """Write training.txt, held_out.txt, phrases.json and counts.json."""
    training, held_out = _Writer(folder / "training.txt"), _Writer(folder / "held_out.txt")
    with training.file, held_out.file:
        for id, tokens in _sentences(read_lines(config), config.unit == "document", tokenizer):
            chosen = is_held_out(id, config.held_out.fraction, config.held_out.seed)
            (held_out if chosen else training).write(tokens)
    if not training.tokens:
        if held_out.tokens:
            raise UserError(f"{config.source}: data.held_out.fraction leaves no sentence to train on; make it smaller")
        raise UserError(f"{config.source}: no tokens in it; tokenizer.pattern {tokenizer.pattern!r} matches nothing")
    counts = {
        "sentences": training.sentences,
        "tokens": training.tokens,
        "held_out_sentences": held_out.sentences,
        "held_out_tokens": held_out.tokens,
    }
    tables: list[PhraseTable] = []
    if tokenizer.phrases:
        for _ in range(tokenizer.phrases.passes):
            tables.append(_learn_phrases(_read(training), tokenizer.phrases))
            counts["tokens"] = _rewrite(folder / "training.txt", tables[-1])
            counts["held_out_tokens"] = _rewrite(folder / "held_out.txt", tables[-1])
    (folder / "phrases.json").write_text(json.dumps(tables, ensure_ascii=False), encoding="utf-8")
    (folder / "counts.json").write_text(json.dumps(counts), encoding="utf-8")


def _read(written: _Writer) -> Sentences:
    return Sentences(Path(written.file.name), written.sentences, written.tokens)


def _learn_phrases(sentences: Sentences, config: PhrasesConfig) -> PhraseTable:
    """Every pair of neighbours that scores above the threshold (gensim's own export misses pairs of phrases)."""
    from gensim.models.phrases import Phrases

    model = Phrases(sentences, min_count=config.min_count, threshold=config.threshold, scoring=config.scoring)
    scores: dict[str, float | None] = {}
    for tokens in sentences:
        for first, second in pairwise(tokens):
            phrase = f"{first}_{second}"
            if phrase not in scores and model.vocab.get(phrase, 0) >= config.min_count:
                scores[phrase] = model.score_candidate(first, second, [])[1]
    return {phrase: float(score) for phrase, score in scores.items() if score is not None}


def _rewrite(path: Path, table: PhraseTable) -> int:
    """Join the phrases of a table throughout a file of sentences; returns its tokens."""
    joined = path.with_suffix(".joined")
    writer = _Writer(joined)
    with writer.file:
        for tokens in Sentences(path, 0, 0):
            writer.write(join_phrases(tokens, [table]))
    joined.replace(path)
    return writer.tokens
