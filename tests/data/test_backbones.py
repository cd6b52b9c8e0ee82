from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from lab.data.backbones import locate_backbone
from lab.errors import UserError
from lab.models.backbone import load_backbone
from lab.models.block_facts import block_names_of

ARCHITECTURE = "mobilenetv3_small_050"


@pytest.fixture(scope="module")
def network():
    """A network of ten classes with random weights."""
    import timm

    torch.manual_seed(0)
    return timm.create_model(ARCHITECTURE, num_classes=10).eval()


@pytest.fixture(scope="module")
def expected(network):
    x = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(network.pretrained_cfg[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        return x, network.forward_head(network.forward_features((x / 255 - mean) / std), pre_logits=True)


def same_features(name, expected):
    x, features = expected
    with torch.no_grad():
        return torch.allclose(load_backbone(locate_backbone(str(name)), image_size=32)(x), features, atol=1e-4)


@pytest.mark.parametrize("file", ["weights.safetensors", "weights.pth", "checkpoint.pt"])
def test_a_file_of_weights_with_its_architecture(tmp_path, network, expected, file):
    state = network.state_dict()
    if file.endswith(".safetensors"):
        save_file(state, tmp_path / file)
    else:
        torch.save({"epoch": 3, "state_dict": state} if file == "checkpoint.pt" else state, tmp_path / file)
    location = locate_backbone(f"timm:{ARCHITECTURE}@{tmp_path / file}")
    assert (location.library, location.source, location.local) == ("timm", ARCHITECTURE, True)
    assert same_features(location.name, expected)


def test_weights_under_other_names_load_by_position_where_all_shapes_agree(tmp_path, expected):
    import timm

    torch.manual_seed(0)
    state = timm.create_model(ARCHITECTURE).state_dict()
    torch.save({f"other.{i}": value for i, value in enumerate(state.values())}, tmp_path / "named.pth")
    found = load_backbone(locate_backbone(f"timm:{ARCHITECTURE}@{tmp_path / 'named.pth'}"), image_size=32)
    assert torch.equal(found.blocks[0].body.conv_stem.weight, state["conv_stem.weight"])
    torch.save(dict(list(state.items())[:-1]), tmp_path / "short.pth")
    torch.save({f"other.{i}": value for i, value in enumerate(list(state.values())[1:])}, tmp_path / "shifted.pth")
    with pytest.raises(UserError, match="neither by name nor by position"):
        load_backbone(locate_backbone(f"timm:{ARCHITECTURE}@{tmp_path / 'shifted.pth'}"))


def test_weights_that_do_not_fit_are_refused_with_the_first_of_them(tmp_path, network):
    state = dict(network.state_dict())
    del state["blocks.1.0.conv_pw.weight"]
    state["conv_stem.weight"] = state["conv_stem.weight"][:2].clone()
    save_file(state, tmp_path / "wrong.safetensors")
    with pytest.raises(UserError, match=r"2 tensors are missing, unknown or of another shape, first blocks\.1\.0"):
        load_backbone(locate_backbone(f"timm:{ARCHITECTURE}@{tmp_path / 'wrong.safetensors'}"))


@pytest.mark.parametrize("file", ["broken.safetensors", "broken.pth"])
def test_a_broken_file_is_said_to_be_one(tmp_path, file):
    (tmp_path / file).write_bytes(b"not weights at all")
    with pytest.raises(UserError, match="cannot be read as weights") as error:
        load_backbone(locate_backbone(f"timm:{ARCHITECTURE}@{tmp_path / file}"))
    assert "\n" not in str(error.value)


def test_a_pickled_network_is_refused_in_words_of_ours(tmp_path, network):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "whole.pth")
    with pytest.raises(UserError, match=r"a pickled network instead of its state_dict\(\)"):
        load_backbone(locate_backbone(f"timm:{ARCHITECTURE}@{tmp_path / 'whole.pth'}"))


@pytest.mark.parametrize(
    "config",
    [
        {"architecture": ARCHITECTURE, "num_classes": 10},
        {"model_type": "vit", "hidden_size": 8, "num_attention_heads": 2, "image_size": 32},
        {"model_type": "vit", "hidden_size": 8, "num_attention_heads": 3, "image_size": 32},
    ],
    ids=["timm", "transformers", "impossible"],
)
def test_a_folder_with_broken_weights_is_said_to_be_one(tmp_path, config):
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes(b"not weights at all")
    with pytest.raises(UserError, match=r"^backbone .*test_a_folder") as error:
        load_backbone(locate_backbone(str(tmp_path)))
    assert "\n" not in str(error.value)


def test_what_a_hub_network_reads_is_asked_of_the_hub(tmp_path, monkeypatch):
    import huggingface_hub

    asked = []

    def fetch(name, file):
        asked.append((name, file))
        if name.endswith("none"):
            raise huggingface_hub.errors.OfflineModeIsEnabled("offline")
        return tmp_path / file

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    (tmp_path / "config.json").write_text('{"model_type": "dinov2", "image_size": 518}', encoding="utf-8")
    assert locate_backbone("facebook/dinov2-small").kind == "image"
    assert asked == [("facebook/dinov2-small", "config.json")]
    with pytest.raises(UserError, match=r"no folder here, and not to be had from the hub: offline"):
        assert locate_backbone("someone/none").kind


def test_a_folder_that_timm_has_saved(tmp_path, network, expected):
    from timm.models import save_for_hf

    save_for_hf(network, tmp_path, safe_serialization=True)
    location = locate_backbone(str(tmp_path))
    assert location.library == "timm"
    assert same_features(tmp_path, expected)
    assert block_names_of(location)[0] == "stem"


def test_a_fingerprint_is_of_the_weights_not_of_their_place(tmp_path, network):
    state = network.state_dict()
    for name in ("a", "b"):
        save_file(state, tmp_path / f"{name}.safetensors")
    first, second = (locate_backbone(f"timm:{ARCHITECTURE}@{tmp_path / f'{n}.safetensors'}") for n in "ab")
    assert first.fingerprint == second.fingerprint
    state["conv_stem.weight"] = state["conv_stem.weight"] + 1
    save_file(state, tmp_path / "c.safetensors")
    assert locate_backbone(f"timm:{ARCHITECTURE}@{tmp_path / 'c.safetensors'}").fingerprint != first.fingerprint


def test_names_of_libraries_and_hub_ids_need_no_file():
    assert locate_backbone("timm:resnet18").library == "timm"
    assert locate_backbone("torchvision:resnet18").library == "torchvision"
    assert locate_backbone("timm/resnet18.a1_in1k").source == "hf-hub:timm/resnet18.a1_in1k"
    assert locate_backbone("google-bert/bert-base-uncased").library == "transformers"
    assert locate_backbone("efficientnet-lite0").library == "timm"
    assert locate_backbone("minilm-l6", "transformers").local


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("efficientnet-lite", "did you mean 'efficientnet-lite0'?"),
        ("timm:", "expected timm:NAME or timm:NAME@FILE"),
        ("timm:resnet18@", "expected timm:NAME or timm:NAME@FILE"),
        ("timm:resnet18@missing.pth", "there is no file missing.pth"),
        ("weights.pth", "write timm:NAME@weights.pth or torchvision:NAME@weights.pth"),
    ],
)
def test_names_that_mean_nothing_are_refused_with_the_cure(name, said):
    with pytest.raises(UserError) as error:
        locate_backbone(name)
    assert said in str(error.value)


def test_folders_without_what_is_needed_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"no config\.json"):
        locate_backbone(str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"no \.safetensors"):
        locate_backbone(str(tmp_path))
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="no JSON object"):
        locate_backbone(str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    assert locate_backbone(str(tmp_path)).library == "transformers"
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(UserError, match=r"notes\.txt is no file of weights"):
        locate_backbone(f"timm:resnet18@{tmp_path / 'notes.txt'}")


def test_an_image_network_is_refused_where_a_text_encoder_is_needed():
    with pytest.raises(UserError, match="'efficientnet-lite0' is a network of timm; a text encoder"):
        locate_backbone("efficientnet-lite0", "transformers")
