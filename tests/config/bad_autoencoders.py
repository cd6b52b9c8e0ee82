"""Mistakes in configs of autoencoders: a name, the parts that the one line has to have, and the config."""

from __future__ import annotations

HEAD = "experiment: autoencoder\n"
AUTOENCODERS = [
    ("unknown key", ["config.yaml:2: ", "unknown key model.latent; did you mean model.latent_size?"],
        HEAD + "model: {latent: 8}\n"),
    ("unknown kind", ["config.yaml:2: objective.kind is 'vae'; expected 'plain', 'denoising', 'sparse'"],
        HEAD + "objective: {kind: vae}\n"),
    ("key of another kind", ["config.yaml:2: objective: beta: means nothing with kind: plain, only with kind: var"],
        HEAD + "objective: {beta: 4}\n"),
    ("key of a kind that is swept", ["config.yaml:2: ", "codes: means nothing with kind: sparse", "in the cell"],
        HEAD + "objective: {codes: 4}\nsweep: {objective.kind: [vq, sparse]}\n"),
    ("share of pixels", ["config.yaml:2: objective: noise_level: 2: expected a share of pixels, at most 1"],
        HEAD + "objective: {kind: denoising, noise: masking, noise_level: 2}\n"),
    ("no widths", ["config.yaml:2: model.widths is a list; expected a list of at least 1 item"],
        HEAD + "model: {widths: []}\n"),
    ("two channels", ["config.yaml:2: model.channels is 2; expected 1 or 3"],
        HEAD + "model: {channels: 2}\n"),
    ("tiny pictures", ["config.yaml:2: model.image_size is 2; expected a whole number of at least 4"],
        HEAD + "model: {image_size: 2}\n"),
    ("no backbone", ["config.yaml:2: model: architecture: backbone and backbone: {name: …} go together"],
        HEAD + "model: {architecture: backbone}\n"),
    ("depth of no backbone", ["config.yaml:2: model: frozen_depth: means nothing without architecture: backbone"],
        HEAD + "model: {frozen_depth: none}\n"),
    ("one picture a step", ["config.yaml: train.batch_size: 1: statistics of a batch need two pictures"],
        HEAD + "train: {batch_size: 1}\n"),
    ("negative epochs", ["config.yaml:2: train.epochs is -1; expected a whole number of at least 0"],
        HEAD + "train: {epochs: -1}\n"),
    ("probe of no labels", ["config.yaml:2: probe.labels[0] is 0; expected a whole number of at least 1"],
        HEAD + "probe: {labels: [0]}\n"),
]  # fmt: skip
