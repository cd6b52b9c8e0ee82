"""The guide: its pages build, its links hold, and every command in it does what it says."""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image

from lab.cli import app, main
from lab.config.experiments import recipes
from lab.config.reference import reference

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
PLACEHOLDERS = re.compile(r" (RUN|A B|NAME)\b")  # a form to fill in, not a command
SHORTER = [  # what would take minutes is planned only, or trained for a moment
    (r"^lab run quickstart", "--dry-run"),
    (r"^lab run two_tower/wikipedia-links", "--dry-run"),
    (r"^lab run word2vec/(cbow|skipgram|subwords)$", "train.epochs=1"),
    (r"^lab run two_tower/(wikipedia-search|funnel|new-users|new-items)", "--dry-run"),
    (r"^lab run studies/", "--dry-run"),
    (r"^lab run autoencoder/convolutional$", "--dry-run"),
    (r"^lab run autoencoder/variational", "--dry-run"),
    (r"^lab run autoencoder/\w+ data.source=photos/", "train.epochs=1"),
    (r"^lab run finetune/mnist-5k", "--dry-run"),
    (r"^lab run finetune/images", "train.epochs=1"),
    (r"^lab run two_tower/movielens", "train.epochs=2"),
    (r"^lab run word2vec/skipgram .*data.source=", "train.epochs=1"),
    (r"^lab advise .*--minutes", "--minutes=0.2"),
]


def commands(page: str) -> list[str]:
    """The lines of a page that are to be typed, without their comments."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    lines = [line.split("  #")[0].strip() for line in re.findall(r"^    (lab [a-z]+.*)$", text, flags=re.MULTILINE)]
    return [line for line in lines if not PLACEHOLDERS.search(line)]


@pytest.mark.parametrize("name", [page.stem for page in PAGES])
def test_verbs_and_options_are_real(name):
    verbs = typer.main.get_command(app).commands
    for line in commands(name):
        verb, *words = shlex.split(line)[1:]
        options = {option for parameter in verbs[verb].params for option in parameter.opts}
        used = {word.split("=")[0] for word in words if re.fullmatch(r"--?[a-z][a-z-]*(=.*)?", word)}
        assert used <= options, line


def test_links_between_pages_and_pictures_hold():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            known = (page.parent / target).exists() or target == "configuration.md" or "://" in target
            assert known, f"{page.name}: {target}"


def test_the_reference_has_every_key_with_its_default():
    page = reference()
    for name in recipes():
        assert f"## `{name}`" in page
    assert "| `backbone.name` | text | `efficientnet-lite0` |" in page
    assert "| `user.features[].kind` | `id`, `category`" in page
    assert page.count("| `seed` |") == 1  # what all have in common stands once
    assert all(line.count("|") - line.count("\\|") == 5 for line in page.splitlines() if line.startswith("|"))


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with everything that the pages name as the reader's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LAB_HOME", raising=False)
    rng = np.random.default_rng(0)
    kinds = ("cat", "dog", "cup")
    for folder, classes, number in (("photos", kinds, 20), ("labelled", kinds, 20), ("new_photos", (".",), 4)):
        for place, name in enumerate(classes):
            (tmp_path / folder / name).mkdir(parents=True, exist_ok=True)
            for picture in range(number):
                coarse = rng.integers(0, 256, (4, 4, 3))
                coarse[..., place] = 255
                pixels = np.kron(coarse, np.ones((8, 8, 1))).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / folder / name / f"{picture}.png")
    words = {"good": "lovely splendid warm clever", "bad": "dull clumsy cold boring"}
    nouns = [f"{a} {b}" for a in ("film", "book", "song", "meal", "walk") for b in "abcdefghijkl"]
    rows = [
        (f"a {rng.choice(own.split())} {noun} {n}", label)
        for label, own in words.items()
        for n, noun in enumerate(nouns)
    ]
    _table("sentences.csv", ("sentence", "label"), rows)
    Path("books").mkdir()
    known = [f"word{n}" for n in range(40)] + ["water", "river"]
    for book in range(2):
        lines = [" ".join(rng.choice(known, 12)) for _ in range(200)]
        Path(f"books/{book}.txt").write_text("\n".join(lines) + "\n")
    Path("more.txt").write_text("\n".join(" ".join(rng.choice(known, 12)) for _ in range(200)) + "\n")
    Path("ml-latest-small").mkdir()
    pairs = {(int(user), int(film)) for user, film in rng.integers(1, 41, (900, 2))}
    rated = [(user, film, 4.0, 1_000_000 + n) for n, (user, film) in enumerate(sorted(pairs))]
    _table("ml-latest-small/ratings.csv", ("userId", "movieId", "rating", "timestamp"), rated)
    films = [(1, "Toy Story (1995)", "Comedy")]
    films += [(n, f"Film {n} (19{50 + n})", "Drama|Comedy" if n % 2 else "Drama") for n in range(2, 41)]
    _table("ml-latest-small/movies.csv", ("movieId", "title", "genres"), films)
    shutil.copytree("ml-latest-small", "ml-100k")
    return tmp_path


def _table(path, head, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([head, *rows])


def _run(words):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0, words


@pytest.mark.slow
@pytest.mark.parametrize("name", [page.stem for page in PAGES if commands(page.stem)])
def test_every_command_of_the_guide_works(name, desk, capsys):
    """One after another, as a reader types them; `quickstart` is a small study of that name."""
    text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    if study := re.search(r"`study\.yaml`:\n\n((?:    .*\n|\n)+)", text):
        Path("study.yaml").write_text(re.sub(r"^    ", "", study[1], flags=re.MULTILINE))
    if name == "reading_the_report":
        Path("quickstart.yaml").write_text(
            "extends: finetune/linear-probe\ndata: {source: photos/}\nsweep: {seed: [0, 1]}\n"
        )
        _run(["run", "quickstart.yaml"])
    if name == "serving":
        _run(["run", "features/pca", "data.source=digits", "method.dimensions=2", "seed=0"])
    for line in commands(name):
        extra = [word for pattern, word in SHORTER if re.search(pattern, line)]
        _run([*shlex.split(line)[1:], *extra])
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err


@pytest.mark.slow
def test_the_pages_build_and_need_no_network(tmp_path):
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for page in (tmp_path / "site").glob("*.html"):
        loaded = re.findall(
            r"<(?:script|link|img)[^>]+(?:src|href)=\"(https?:[^\"]+)", page.read_text(encoding="utf-8")
        )
        assert not loaded, page.name
