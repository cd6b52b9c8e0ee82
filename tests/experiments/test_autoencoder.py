"""Autoencoders end to end, small enough for seconds: every kind, every layout of pictures, every mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

import lab
from experiments.autoencoder import AutoencoderConfig, controls, recipe, spoken, spoken_model
from lab.errors import UserError
from lab.runs import interrupt

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "denoising": {"noise": "masking"},
    "sparse": {"sparsity": 0.01},
    "variational": {"beta": 0.1, "loss": "bce"},
    "vq": {"codebook_size": 8, "codes": 2},
}


@pytest.fixture(autouse=True)
def place(home, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("LAB_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module", params=KINDS)
def trained(request, tmp_path_factory) -> lab.Run:
    """A run of each kind; its `objective.kind` stands in its config."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LAB_HOME", str(tmp_path_factory.mktemp(request.param)))
        return lab.run(config(objective={"kind": request.param, **KINDS[request.param]}), quiet=True)


def config(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "experiment": "autoencoder",
        "data": {"source": "digits", "split": {"train": 90, "validation": 40, "test": 50}},
        "model": {"architecture": "dense", "widths": [24], "latent_size": 4},
        "train": {"epochs": 3, "batch_size": 32, "learning_rate": 0.01},
        "probe": {"labels": [3], "draws": 2},
    }
    own = {key: {**value, **changes.get(key, {})} if isinstance(value, dict) else value for key, value in base.items()}
    return changes | own


def pictures(folder: Path, images: np.ndarray, names: list[str] | None = None) -> Path:
    """Arrays (n, height, width[, 3]) uint8 as PNG files; `names` puts each into a folder of that name."""
    for number, image in enumerate(images):
        place = folder / names[number] if names else folder
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number:03}.png")
    return folder


def value(run: lab.Run, evaluation: str, metric: str, split: str = "test") -> float:
    return float(run.results.set_index(["evaluation", "metric", "split"]).loc[(evaluation, metric, split), "value"])


def test_every_kind_leaves_all_that_a_report_shows(trained):
    run, kind = trained, trained.config["objective"]["kind"]
    space, told = run.space(), run.json("autoencoder")
    assert space.vectors.shape == (180, 4)
    assert set(space.metadata["split"]) == {"train", "validation", "test"}
    assert run.results[run.results["primary"]]["evaluation"].tolist() == ["linear probe"] * 2
    for metric in ("mse", "psnr", "ssim"):
        scores = run.scores("reconstruction", metric, "test")
        assert scores["value"].mean() == pytest.approx(value(run, "reconstruction", metric))
    assert told["reconstruction"]["test"]["mse"] == value(run, "reconstruction", "mse")
    assert {"reconstructions", "losses", "traversals", "interpolations"} <= {figure.name for figure in run.figures}
    assert ("samples" in {figure.name for figure in run.figures}) == (kind == "variational")
    assert ("regulariser" in told["history"][0]) == (kind not in ("plain", "denoising"))
    assert (told["codebook"] is not None) == (kind == "vq")
    assert run.json("embedding")["pca"]["size"] == 4
    assert run.json("embedding")["probes"][-1]["labels"] == 3
    for figure in run.figures:
        assert figure.caption.endswith(".")
        assert "nan" not in figure.caption
        assert figure.alt


def test_what_was_trained_embeds_new_pictures_as_the_run_did(trained, home):
    space = trained.space()
    images = (load_digits().images * 255 / 16).round().astype(np.uint8)
    numbers = [int(name.rsplit("-", 1)[-1].rsplit(":", 1)[-1]) for name in space.ids[:5]]
    folder = pictures(home / "new", images[numbers])
    vectors = trained.encoder().encode([str(folder / f"{i:03}.png") for i in range(5)])
    assert vectors.dtype == np.float32
    assert np.allclose(vectors, space.vectors[:5], atol=1e-4)


SLOW = [pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS if kind != "variational"]


@pytest.mark.parametrize("trained", ["variational", *SLOW], indirect=True)
def test_interrupted_equals_uninterrupted(trained, home):
    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "progress" and event["epoch"] == 2:
            interrupt.ask()

    with pytest.raises(KeyboardInterrupt):
        lab.run(trained.config, quiet=True, on_event=stop)
    run = lab.run(trained.config, quiet=True)
    assert run.path != trained.path
    assert [step["step"] for step in run.info["resumed"]] == [2]
    for name, tensor in trained.tensors("autoencoder").items():
        assert np.array_equal(tensor, run.tensors("autoencoder")[name]), name
    assert run.results.equals(trained.results)
    assert np.array_equal(run.space().vectors, trained.space().vectors)
    for figure, other in zip(run.figures, trained.figures, strict=True):
        assert figure.path.read_bytes() == other.path.read_bytes(), figure.name


def test_a_folder_without_labels_is_chosen_by_its_error(home):
    images = (load_digits().images[:60] * 15).astype(np.uint8)
    data = {"source": str(pictures(home / "flat", images)), "split": {"train": 30, "validation": 15, "test": 15}}
    run = lab.run(config(data=data, train={"epochs": 1, "save_weights": False}), quiet=True)
    primary = run.results[run.results["primary"]]
    assert primary["metric"].tolist() == ["mse", "mse"]
    assert run.json("embedding")["probes"] == []
    assert "linear probe" not in set(run.results["evaluation"])
    assert run.space().metadata["label"].isna().all()
    with pytest.raises(UserError, match=r"kept no weights; do it again with train\.save_weights=true"):
        run.encoder()


def test_a_class_kept_out_of_training_is_looked_for_by_its_error():
    split = {"train": 300, "validation": 60, "test": 200}
    run = lab.run(config(data={"source": "digits", "split": split}, anomaly=0, train={"epochs": 8}), quiet=True)
    labels = run.space().metadata.set_index(run.space().ids)["label"]
    assert "0" not in set(labels[run.splits["train"]])
    scores = run.scores("reconstruction", "mse", "test")
    strange = (labels[scores["id"]] == "0").to_numpy()
    assert 0 < strange.sum() < 200
    assert value(run, "anomaly", "auroc") == pytest.approx(roc_auc_score(strange, scores["value"]))
    assert len(run.scores("anomaly", "auroc", "test")) == strange.sum()
    told = run.json("autoencoder")["anomaly"]
    assert told["class"] == "0"
    assert told["low"] < told["auroc"] < told["high"]
    assert 0 < told["reference"]["auroc"] < 1
    assert "anomaly" in {figure.name for figure in run.figures}


@pytest.mark.slow
def test_grey_pictures_of_28_pixels():
    asked = config(
        data={"source": "mnist-5k", "split": {"train": 80, "validation": 30, "test": 30}},
        model={"architecture": "convolutional", "widths": [4, 8], "latent_size": 2},
    )
    run = lab.run(asked, quiet=True)
    told = run.json("autoencoder")
    assert told["architecture"]["shape"] == [1, 28, 28]
    assert "plane" in next(figure for figure in run.figures if figure.name == "traversals").title


def test_colour_pictures_of_many_sizes(home):
    rng = np.random.default_rng(0)
    folder = home / "colour"
    for number in range(40):
        color = np.array([250, 40, 30] if number % 2 else [20, 60, 240])
        image = np.clip(color + rng.normal(0, 20, (20 + number % 3, 26, 3)), 0, 255).astype(np.uint8)
        pictures(folder / str(number), image[None], [["blue", "red"][number % 2]])
    for file in sorted(folder.rglob("*.png")):
        kind = home / "classes" / file.parent.name
        kind.mkdir(parents=True, exist_ok=True)
        file.rename(kind / f"{file.parents[1].name}.png")
    run = lab.run(
        config(
            data={"source": str(home / "classes"), "split": {"train": 20, "validation": 10, "test": 10}},
            model={"architecture": "convolutional", "widths": [4, 8], "image_size": 12},
        ),
        quiet=True,
    )
    assert run.json("autoencoder")["architecture"]["shape"] == [3, 12, 12]
    assert value(run, "nearest neighbours", "accuracy") == 1


def test_no_epochs_leave_the_network_as_it_was_drawn():
    from lab.autoencode import built
    from lab.runs.seeds import stream_seed

    run = lab.run(config(model={"widths": [80], "latent_size": 64}, train={"epochs": 0}), quiet=True)
    fresh = built(run.json("autoencoder"), stream_seed(0, "initialisation")).state_dict()
    for name, tensor in run.tensors("autoencoder").items():
        assert np.array_equal(tensor, fresh[name].numpy()), name
    assert run.json("autoencoder")["spoken"] == "untrained dense autoencoder, 64 dimensions"
    assert "losses" not in {figure.name for figure in run.figures}
    assert any("model.latent_size: 64: not less than the 64 numbers of a picture" in text for text in run.warnings)


# --- what is odd is said


def test_pictures_that_are_all_the_same_and_none_to_stop_by(home):
    images = np.full((30, 8, 8), 90, np.uint8)
    split = {"train": 20, "validation": 0, "test": 10}
    data = {"source": str(pictures(home / "same", images)), "duplicates": "accept", "split": split}
    run = lab.run(config(data=data, train={"early_stopping": 1}), quiet=True)
    assert any("all pictures are the same" in text for text in run.warnings)
    assert any("no validation items to stop by" in text for text in run.warnings)
    assert run.json("autoencoder")["epochs"]["done"] == 3
    assert np.isfinite(run.space().vectors).all()


MISTAKES = [
    ({"objective": {"kind": "vq", "codes": 3}}, "4 does not part into 3 codes of equal size"),
    ({"model": {"architecture": "convolutional", "widths": [4] * 5}}, "8 pixels a side cannot be halved by 5 stages"),
    ({"model": {"latent_size": 30}}, "the largest that works is 24"),
    ({"anomaly": "eleven"}, "anomaly: no class 'eleven'"),
    ({"data": {"source": "texts.csv", "split": {}, "duplicates": "accept"}}, "holds texts, but images are needed"),
    ({"data": {"source": "digits", "train_size": 1}}, "data: 1 training picture; an autoencoder needs two or more"),
]


@pytest.mark.parametrize(("changes", "message"), MISTAKES, ids=[message[:30] for _, message in MISTAKES])
def test_mistakes_are_one_line_before_anything_runs(changes, message, home):
    (home / "texts.csv").write_text("text,label\n" + "".join(f"{'word ' * n}{n},{n % 2}\n" for n in range(20)))
    with pytest.raises(UserError) as caught:
        lab.run(config(**changes), quiet=True)
    assert message in str(caught.value)
    assert str(caught.value).isprintable()
    assert not list(home.glob("runs/*/*"))


def test_a_loss_that_is_no_number_any_more_names_the_learning_rate():
    asked = config(
        model={"normalisation": "none"}, train={"learning_rate": 1e20, "optimizer": "sgd", "clip_norm": None}
    )
    with pytest.raises(UserError, match=r"train\.learning_rate: 1e\+20: the loss is no longer a number"):
        lab.run(asked, quiet=True)


# --- what a study needs


def test_rows_are_called_as_people_do():
    asked = AutoencoderConfig.model_validate(config())
    assert spoken_model(asked) == "dense autoencoder, 4 dimensions"
    denoising = AutoencoderConfig.model_validate(config(objective={"kind": "denoising"}))
    assert spoken("objective.kind", "denoising", denoising) == "dense denoising autoencoder, 4 dimensions"
    assert spoken("objective.beta", 4.0, asked) == "β = 4"
    assert spoken("train.epochs", 0, asked) == "untrained"
    assert spoken("train.learning_rate", 0.1, asked) is None


def test_controls_are_what_any_autoencoder_has_to_beat():
    asked = AutoencoderConfig.model_validate(config(objective={"kind": "variational"}))
    found = dict(controls(asked))
    assert list(found) == [
        "raw pixels", "PCA, 4 dimensions", "pretrained efficientnet-lite0", "untrained dense encoder, 4 dimensions",
    ]  # fmt: skip
    untrained = AutoencoderConfig.model_validate(found["untrained dense encoder, 4 dimensions"])
    assert untrained.train.epochs == 0
    assert untrained.model == asked.model
    assert untrained.objective.kind == "plain"
    for made in found.values():
        assert made["data"] == asked.data.model_dump(mode="json")
        assert made["probe"]["labels"] == [3]
    out = AutoencoderConfig.model_validate(config(anomaly="3"))
    assert [label for label, _ in controls(out)] == ["untrained dense encoder, 4 dimensions"]


def test_the_estimate_grows_with_the_epochs():
    few, many = (
        recipe.estimate(AutoencoderConfig.model_validate(config(train={"epochs": epochs}))) for epochs in (0, 10**6)
    )
    assert 0 < few.seconds < many.seconds
    assert few.bytes > 0
