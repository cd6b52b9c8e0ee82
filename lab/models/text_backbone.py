"""Pretrained text encoders: their static token table, and what a word becomes layer by layer in its context.

Static against contextual vectors: Peters et al. 2018 (arXiv:1802.05365), Ethayarajh 2019 (arXiv:1909.00512).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lab.errors import UserError
from lab.hub import unreachable


@dataclass(frozen=True)
class TextBackbone:
    """A transformers encoder in evaluation mode with its tokenizer; `layers` counts the blocks after the embeddings."""

    name: str
    tokenizer: Any
    model: Any

    @property
    def layers(self) -> int:
        """Transformer blocks; hidden states are one more, the embeddings first."""
        return int(self.model.config.num_hidden_layers)

    @property
    def dim(self) -> int:
        """Width of every hidden state."""
        return int(self.model.config.hidden_size)


@dataclass(frozen=True)
class MarkedText:
    """A sentence and the span of one marked word: `text[start:end]`."""

    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        """The marked word."""
        return self.text[self.start : self.end]


def parse_marked(marked: str) -> MarkedText:
    """Read `I'd like to eat an [apple].`: exactly one word in square brackets.

    Raises `UserError` where there is none, more than one, or nothing inside the brackets.
    """
    if marked.count("[") != 1 or marked.count("]") != 1 or marked.index("[") + 1 >= marked.index("]"):
        raise UserError(f'mark exactly one word with square brackets, as in "an [apple]"; got {marked!r}')
    start, end = marked.index("["), marked.index("]") - 1
    return MarkedText(marked.replace("[", "").replace("]", ""), start, end)


def read_token_table(folder: Path) -> tuple[list[str], np.ndarray]:
    """Read the static token vectors of a local transformers folder, without torch and without the network above them.

    Returns the tokens in vocabulary order and their vectors `(V, d) float32`.
    Raises `UserError` where the folder has no `tokenizer.json` or no word embeddings in `model.safetensors`.
    """
    import json

    from safetensors import safe_open

    weights, tokenizer = folder / "model.safetensors", folder / "tokenizer.json"
    for file in (weights, tokenizer):
        if not file.is_file():
            raise UserError(
                f"{folder}: no {file.name} there; a token table needs a transformers folder in safetensors form"
            )
    with safe_open(weights, framework="numpy") as tensors:
        names = tensors.keys()
        keys = [key for key in names if key.endswith(("word_embeddings.weight", "embed_tokens.weight"))]
        if not keys:
            raise UserError(f"{weights}: holds no word embeddings, so there is no token table to read")
        vectors = np.ascontiguousarray(tensors.get_tensor(keys[0]), dtype=np.float32)
    described = json.loads(tokenizer.read_text(encoding="utf-8"))
    vocabulary = described["model"]["vocab"]
    if not isinstance(vocabulary, dict):  # unigram tokenizers list [token, log probability] in order
        vocabulary = {token: index for index, (token, _) in enumerate(vocabulary)}
    vocabulary |= {added["content"]: added["id"] for added in described.get("added_tokens", [])}
    named = sorted((index, token) for token, index in vocabulary.items() if index < len(vectors))
    return [token for _, token in named], vectors[[index for index, _ in named]]


def load_text_backbone(source: str | Path, name: str | None = None) -> TextBackbone:
    """Load an encoder from a local folder or by hub id, in evaluation mode, float32, on the CPU.

    Raises `UserError` where it is neither a folder nor to be had from the hub.
    """
    from safetensors import SafetensorError
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    tokenizer = load_tokenizer(source)
    try:
        model = AutoModel.from_pretrained(str(source), local_files_only=Path(source).is_dir(), use_safetensors=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(_not_loaded(source, error)) from error
    return TextBackbone(name or str(source), tokenizer, model.eval())


def load_tokenizer(source: str | Path) -> Any:
    """Load an encoder's tokenizer from a local folder or by hub id. Raises `UserError` where it is not to be had."""
    from transformers import AutoTokenizer

    if not Path(source).is_dir():
        unreachable()
    try:
        return AutoTokenizer.from_pretrained(str(source), local_files_only=Path(source).is_dir())
    except (OSError, ValueError) as error:
        raise UserError(_not_loaded(source, error)) from error


def _not_loaded(source: str | Path, error: Exception) -> str:
    reason = str(error).strip().splitlines()[0]
    return f"backbone {str(source)!r} cannot be loaded as a folder or from the hub: {reason}"


def word_in_context(backbone: TextBackbone, sentences: Sequence[MarkedText]) -> np.ndarray:
    """Return the marked word's vector at every layer, `(layers + 1, n, d) float32`; layer 0 is before the first block.

    A word cut into several tokens is the mean of their vectors. Layer 0 holds position and segment too.
    Raises `UserError` where the tokenizer leaves nothing of a marked word.
    """
    import torch

    found = []
    for sentence in sentences:
        batch = backbone.tokenizer(sentence.text, return_offsets_mapping=True, return_tensors="pt", truncation=True)
        spans = batch.pop("offset_mapping")[0].tolist()
        inside = [i for i, (a, b) in enumerate(spans) if b > a and a < sentence.end and b > sentence.start]
        if not inside:
            raise UserError(
                f"the tokenizer of {backbone.name} leaves nothing of {sentence.word!r} in {sentence.text!r}"
            )
        with torch.inference_mode():
            states = backbone.model(**batch, output_hidden_states=True).hidden_states
        found.append(torch.stack([state[0, inside].mean(0) for state in states]))
    return torch.stack(found, dim=1).float().numpy()


def words_alone(backbone: TextBackbone, words: Sequence[str], batch_size: int = 512) -> np.ndarray:
    """Return each word's vector at every layer when it is the whole input, `(layers + 1, n, d) float32`.

    Words are grouped by their number of tokens, so that nothing is padded; several tokens are averaged.
    """
    import torch

    encoded = backbone.tokenizer(list(words), add_special_tokens=False)["input_ids"]
    result = np.empty((backbone.layers + 1, len(words), backbone.dim), dtype=np.float32)
    by_length: dict[int, list[int]] = {}
    for index, ids in enumerate(encoded):
        if not ids:
            raise UserError(f"the tokenizer of {backbone.name} leaves nothing of {words[index]!r}")
        by_length.setdefault(len(ids), []).append(index)
    before, after = special_tokens(backbone)
    for members in by_length.values():
        for start in range(0, len(members), batch_size):
            chunk = members[start : start + batch_size]
            ids = torch.tensor([[*before, *encoded[index], *after] for index in chunk])
            with torch.inference_mode():
                states = backbone.model(input_ids=ids, output_hidden_states=True).hidden_states
            inner = slice(len(before), ids.shape[1] - len(after))
            for layer, state in enumerate(states):
                result[layer, chunk] = state[:, inner].mean(1).float().numpy()
    return result


def special_tokens(backbone: TextBackbone) -> tuple[list[int], list[int]]:
    """Return the ids that the tokenizer puts before and after one sentence, e.g. `[CLS]` and `[SEP]`."""
    whole = backbone.tokenizer("a")["input_ids"]
    inner = backbone.tokenizer("a", add_special_tokens=False)["input_ids"]
    start = next(i for i in range(len(whole)) if whole[i : i + len(inner)] == inner)
    return whole[:start], whole[start + len(inner) :]


def encode_texts(backbone: TextBackbone, texts: Sequence[str], batch_size: int = 64) -> np.ndarray:
    """Return mean-pooled, length-normalised last hidden states, `(n, d) float32`.

    Pooled as sentence-transformers does for all-MiniLM-L6-v2 (Reimers and Gurevych 2019, arXiv:1908.10084);
    batches are made of texts of like length, so that little is padded. Longer texts are cut at the model's limit.
    """
    import torch

    limit = min(getattr(backbone.tokenizer, "model_max_length", 512), 512)
    order = np.argsort([-len(text) for text in texts], kind="stable")
    result = np.empty((len(texts), backbone.dim), dtype=np.float32)
    for start in range(0, len(texts), batch_size):
        chunk = order[start : start + batch_size]
        batch = backbone.tokenizer(
            [texts[index] for index in chunk],
            padding=True,
            truncation=True,
            max_length=limit,
            return_tensors="pt",
        )
        with torch.inference_mode():
            states = backbone.model(**batch).last_hidden_state.float()
        weights = batch["attention_mask"].unsqueeze(-1).float()
        pooled = (states * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
        result[chunk] = torch.nn.functional.normalize(pooled, dim=1).numpy()
    return result


def whole_words(backbone: TextBackbone, count: int) -> list[str]:
    """Return the first `count` alphabetic whole-word tokens of three letters or more, in vocabulary order.

    WordPiece vocabularies are ordered roughly by frequency, so these are the common words.
    """
    tokens = sorted(backbone.tokenizer.get_vocab().items(), key=lambda item: item[1])
    joined = any(token.startswith("Ġ") for token, _ in tokens)  # byte-level BPE marks a word's first token
    plain = [token[1:] if joined else token for token, _ in tokens if not joined or token.startswith("Ġ")]
    words = [word for word in plain if len(word) > 2 and word.isalpha() and word.isascii()]
    return list(dict.fromkeys(words))[:count]


def static_vectors(backbone: TextBackbone, words: Sequence[str]) -> np.ndarray:
    """Return the words' rows of the static token table, `(n, d) float32`; NaN where a word is several tokens."""
    table = backbone.model.get_input_embeddings().weight.detach().float().numpy()
    ids = backbone.tokenizer(list(words), add_special_tokens=False)["input_ids"]
    rows = np.full((len(words), table.shape[1]), np.nan, dtype=np.float32)
    single = [index for index, tokens in enumerate(ids) if len(tokens) == 1]
    rows[single] = table[[ids[index][0] for index in single]]
    return rows


def token_kind(token: str) -> str:
    """Tell a vocabulary entry apart: `word`, `piece` (a WordPiece continuation), `special` or `unused`."""
    if token.startswith("[unused") and token.endswith("]"):
        return "unused"
    if token.startswith("[") and token.endswith("]") and len(token) > 2:
        return "special"
    return "piece" if token.startswith("##") else "word"
