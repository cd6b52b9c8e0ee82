"""Every config that ships: found by looking, loaded, described, copied and checked as an editor would."""

from __future__ import annotations

import json
import re

import pytest
from draft7 import mistakes

from lab.config import configs_dir, json_schema, load, shipped_configs, write_new
from lab.errors import ConfigError, UserError

PATHS = sorted(configs_dir().rglob("*.yaml"))
NAMES = [path.relative_to(configs_dir()).with_suffix("").as_posix() for path in PATHS]
OURS = [
    "autoencoder",
    "baseline",
    "contextual",
    "features",
    "finetune",
    "funnel",
    "pretrained",
    "recommender",
    "two_tower",
    "word2vec",
]
AS_OURS = "the shipped schema is out of date: lab show --schema > configs/schema.json"


@pytest.fixture(scope="module")
def schema():
    return json_schema(OURS)


def read(path):
    from lab.config.yaml_reader import read_file

    return read_file(path).values


def test_they_are_found():
    assert len(PATHS) >= 6
    assert [config.name for config in shipped_configs()] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_loads_by_name_and_by_path_from_anywhere(name, home):
    plan = load(name)
    assert plan.cells
    assert [cell.values for cell in load(configs_dir() / f"{name}.yaml").cells] == [cell.values for cell in plan.cells]


@pytest.mark.parametrize("config", shipped_configs(), ids=lambda config: config.name)
def test_it_opens_with_what_it_trains_how_long_it_takes_and_the_command(config):
    schema_line, summary, command, *_ = config.path.read_text(encoding="utf-8").splitlines()
    depth = config.name.count("/")
    assert schema_line == f"# yaml-language-server: $schema={'../' * depth}schema.json"
    assert summary.startswith("# ")
    assert len(config.summary) > 20
    assert config.minutes is not None
    assert config.minutes > 0
    named = re.match(r"# lab run (\S+)", command)
    assert named, "the third line is the command"
    assert load(named[1]).file == config.path
    assert config.experiment in (*OURS, "study")


def test_summary_and_minutes_come_from_the_opening_comment():
    from lab.config.shipped import _opening

    line = "# yaml-language-server: $schema=x\n# "
    assert _opening(line + "Skip-gram on text (about 1 minute).\na: 1") == ("Skip-gram on text.", 1.0)
    assert _opening(line + "A (small) thing (about 30 seconds).\n") == ("A (small) thing.", 0.5)
    assert _opening("#\n# Long (about 2.5 hours)\n") == ("Long.", 150.0)
    assert _opening("# Quick (a few seconds).\n") == ("Quick.", 0.05)
    assert _opening("# No time (said).\n") == ("No time (said).", None)
    assert _opening("experiment: word2vec\n# Too late (1 minute).\n") == ("", None)


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_works_wherever_it_lies(name, home):
    folder = home / "deep" / "down"
    folder.mkdir(parents=True)
    copy = write_new(name, folder / "mine.yaml")
    original = (configs_dir() / f"{name}.yaml").read_text(encoding="utf-8")
    text = copy.read_text(encoding="utf-8")
    assert [cell.values for cell in load(copy).cells] == [cell.values for cell in load(name).cells]
    assert re.findall(r"#.*", text)[1:] == re.findall(r"#.*", original)[1:], "comments are kept"
    assert text.splitlines()[0] == f"# yaml-language-server: $schema={(configs_dir() / 'schema.json').as_uri()}"
    assert len(text.splitlines()) == len(original.splitlines())


def test_relative_names_become_built_in_ones(home):
    assert "\nextends: word2vec/skipgram " in write_new("cbow").read_text(encoding="utf-8")


def test_relative_names_in_a_study_too(home, monkeypatch):
    configs = home / "configs"
    (configs / "studies").mkdir(parents=True)
    (configs / "a.yaml").write_text("experiment: word2vec\n")
    study = "study:\n- {config: ../a.yaml, sweep: {seed: [0]}}  # one\n- config: {extends: '../a.yaml'}\n- config: a\n"
    (configs / "studies" / "s.yaml").write_text(study)
    for module in ("new", "shipped", "resolve"):
        monkeypatch.setattr(f"lab.config.{module}.configs_dir", lambda: configs)
    text = write_new("s", home / "mine.yaml").read_text()
    assert text == study.replace("'../a.yaml'", "a").replace("../a.yaml", "a")
    assert len(load(home / "mine.yaml").cells) == 3


def test_a_copy_goes_where_it_is_told(home):
    (home / "folder").mkdir()
    assert write_new("word2vec/cbow", home / "folder") == home / "folder" / "cbow.yaml"
    assert write_new("word2vec/cbow.yaml").resolve() == home / "cbow.yaml"
    assert write_new("word2vec/cbow", "new folder/é/mine.yaml").is_file()


def test_nothing_is_overwritten(home):
    (home / "cbow.yaml").write_text("mine")
    with pytest.raises(UserError, match=r"^cbow.yaml exists and is left as it is; name another file with -o$"):
        write_new("word2vec/cbow")
    assert (home / "cbow.yaml").read_text() == "mine"
    with pytest.raises(UserError, match=r"^cbow.yaml/a.yaml cannot be written: (Not a directory|File exists)"):
        write_new("word2vec/cbow", "cbow.yaml/a.yaml")
    with pytest.raises(
        ConfigError, match=r"no shipped config 'cbwo'; did you mean word2vec/cbow or word2vec/subwords\?"
    ):
        write_new("cbwo")


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_an_editor_finds_nothing_wrong(path, schema):
    assert mistakes(read(path), schema) == []


def test_the_shipped_schema_is_this_one(schema):
    assert json.loads((configs_dir() / "schema.json").read_text(encoding="utf-8")) == schema, AS_OURS


def test_the_name_of_a_folder_of_configs_is_answered_with_all_in_it(tmp_path):
    with pytest.raises(ConfigError, match=r"did you mean word2vec/cbow, .*word2vec/skipgram or word2vec/subwords\?"):
        write_new("word2vec", tmp_path)
