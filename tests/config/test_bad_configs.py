"""Every mistake we could think of ends in one line that names the place, what was expected and the nearest name."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import pytest
from bad_autoencoders import AUTOENCODERS

from lab.config import load
from lab.errors import ConfigError

HEAD = "experiment: word2vec\n"


@dataclass
class Bad:
    """A mistake. `files` beside `config` (config.yaml); `says` are the parts that the one line has to have."""

    name: str
    says: list[str]
    config: str | bytes | None = HEAD
    overrides: list[str] = field(default_factory=list)
    files: dict[str, str | bytes] = field(default_factory=dict)
    source: str = "config.yaml"


UNKNOWN_KEYS = [
    Bad("top level", ["config.yaml:2: ", "unknown key modl", "mean model?", "has: experiment, name"],
        HEAD + "modl: {}\n"),
    Bad("second level", ["config.yaml:3: ", "unknown key train.epoch; ", "mean train.epochs?", "train has: engine"],
        HEAD + "train:\n  epoch: 3\n"),
    Bad("third level", ["config.yaml:2: ", "unknown key data.held_out.fracton", "mean data.held_out.fraction?"],
        HEAD + "data: {held_out: {fracton: 0.1}}\n"),
    Bad("inside an optional section", ["config.yaml:4: ", "tokenizer.phrases.treshold",
        "tokenizer.phrases.threshold?"],
        HEAD + "tokenizer:\n  phrases:\n    treshold: 5\n"),
    Bad("report", ["config.yaml:2: ", "unknown key report.map.item", "mean report.map.items?"],
        HEAD + "report: {map: {item: 5}}\n"),
    Bad("right key, wrong section", ["config.yaml:2: ", "unknown key train.window; did you mean model.window?"],
        HEAD + "train: {window: 5}\n"),
    Bad("right key, no section", ["config.yaml:2: ", "unknown key vector_size; did you mean model.vector_size?"],
        HEAD + "vector_size: 50\n"),
    Bad("nothing like it", ["config.yaml:2: ", "unknown key train.zzz (train has: engine, epochs"],
        HEAD + "train: {zzz: 1}\n"),
    Bad("dotted key in a file", ["config.yaml:2: ", "unknown key train.epochs",
        "write it nested: train: {epochs: …}"],
        HEAD + "train.epochs: 5\n"),
    Bad("no space after the colon", ["config.yaml:2: ", "unknown key train.epochs:5", "space is missing after ':'"],
        HEAD + "train: {epochs:5}\n"),
    Bad("key of the file misspelt", ["config.yaml:2: ", "unknown key sweeps; did you mean sweep?"],
        HEAD + "sweeps: {seed: [0, 1]}\n"),
    Bad("experiment misspelt", ["config.yaml:1: ", "unknown key experimnt; did you mean experiment?"],
        "experimnt: word2vec\n"),
    Bad("extends misspelt", ["config.yaml:1: ", "unknown key extend; did you mean extends?"], "extend: base.yaml\n"),
    Bad("merge key", ["config.yaml:3: ", "`<<`", "use `extends:`"], "model: &m {window: 3}\ntrain:\n  <<: *m\n"),
]  # fmt: skip

WRONG_VALUES = [
    Bad("text for a number", ["config.yaml:2: ",
        "train.epochs is 'ten'; expected a whole number of at least 1 (passes"],
        HEAD + "train: {epochs: ten}\n"),
    Bad("number in quotes", ["config.yaml:2: ", "train.epochs is '10'", "remove the quotes: 10"],
        HEAD + "train: {epochs: '10'}\n"),
    Bad("fraction for a whole number", ["config.yaml:2: ", "model.window is 2.5; expected a whole number"],
        HEAD + "model: {window: 2.5}\n"),
    Bad("whole number with a point", ["config.yaml:2: ", "model.window is 5.0", "did you mean 5?"],
        HEAD + "model: {window: 5.0}\n"),
    Bad("several numbers for one", ["config.yaml:2: ", "seed is a list", "sweep it: sweep.seed=[…], or under `sweep:`"],
        HEAD + "seed: [0, 1]\n"),
    Bad("boolean for a number", ["config.yaml:2: ", "train.epochs is true; expected a whole number"],
        HEAD + "train: {epochs: true}\n"),
    Bad("yes for a boolean", ["config.yaml:2: ", "tokenizer.lowercase is 'yes'; expected true or false",
        "did you mean true?"],
        HEAD + "tokenizer: {lowercase: yes}\n"),
    Bad("number for a boolean", ["config.yaml:2: ", "model.cbow_mean is 1; expected true or false"],
        HEAD + "model: {cbow_mean: 1}\n"),
    Bad("number for text", ["config.yaml:2: ", "data.source is 2024; expected text", "put it in quotes: '2024'"],
        HEAD + "data: {source: 2024}\n"),
    Bad("null in a list of words", ["config.yaml:4: ", "report.words[1] is empty (null); expected text",
        "put it in quotes: 'null'"],
        HEAD + "report:\n  words: [king,\n    null]\n"),
    Bad("text for a list", ["config.yaml:2: ", "report.words is 'king'; expected a list", "did you mean [king]?"],
        HEAD + "report: {words: king}\n"),
    Bad("negative size", ["config.yaml:3: ",
        "model.vector_size is -5; expected a whole number of at least 1 (dimensions)"],
        HEAD + "model:\n  vector_size: -5\n"),
    Bad("zero epochs", ["config.yaml:2: ", "train.epochs is 0; expected a whole number of at least 1"],
        HEAD + "train: {epochs: 0}\n"),
    Bad("negative seed", ["config.yaml:2: ", "seed is -1; expected a whole number of at least 0"],
        HEAD + "seed: -1\n"),
    Bad("seed too large", ["config.yaml:2: ", "seed is 4294967296; expected", "below 4294967296"],
        HEAD + "seed: 4294967296\n"),
    Bad("share above one", ["config.yaml:2: ",
        "data.held_out.fraction is 1.5; expected a number of at least 0 and below 1"],
        HEAD + "data: {held_out: {fraction: 1.5}}\n"),
    Bad("rate of zero", ["config.yaml:2: ", "train.learning_rate is 0; expected a number above 0"],
        HEAD + "train: {learning_rate: 0}\n"),
    Bad("infinite rate", ["config.yaml:2: ", "train.learning_rate is inf; expected a number", "finite"],
        HEAD + "train: {learning_rate: .inf}\n"),
    Bad("no such choice", ["config.yaml:2: ", "is 'skip-gram'; expected 'cbow' or 'skipgram'",
        "did you mean 'skipgram'?"],
        HEAD + "model: {architecture: skip-gram}\n"),
    Bad("choice in capitals", ["config.yaml:2: ", "is 'CBOW'", "did you mean 'cbow'?"],
        HEAD + "model: {architecture: CBOW}\n"),
    Bad("number for a choice", ["config.yaml:2: ", "model.architecture is 1; expected 'cbow' or 'skipgram'"],
        HEAD + "model: {architecture: 1}\n"),
    Bad("list for a section", ["config.yaml:2: ",
        "train is a list; expected a mapping with keys among engine, epochs"],
        HEAD + "train: [1, 2]\n"),
    Bad("number for a section", ["config.yaml:2: ", "train is 5; expected a mapping"], HEAD + "train: 5\n"),
    Bad("nothing for a section", ["config.yaml:2: ", "train is empty (null); expected a mapping",
        "give it a key or remove the line"], HEAD + "train:\n"),
    Bad("name with a slash", ["config.yaml:2: ", "name is '../up'", "expected the name of a folder"],
        HEAD + "name: ../up\n"),
    Bad("several at once", ["config.yaml:3: ", "train.epochs is -1", "(and 2 more mistakes)"],
        HEAD + "train:\n  epochs: -1\n  threads: -1\nmodel: {window: 0}\n"),
]  # fmt: skip

EXPERIMENTS = [
    Bad("unknown experiment", ["config.yaml:1: ", "experiment is 'word2vecc'; expected", "did you mean 'word2vec'?"],
        "experiment: word2vecc\n"),
    Bad("experiment is a number", ["config.yaml:1: ", "experiment is 3; expected", "'word2vec'"], "experiment: 3\n"),
    Bad("no experiment", ["config.yaml: ", "experiment is missing; expected", "word2vec"], "seed: 3\n"),
]  # fmt: skip

FILES = [
    Bad("missing file", ["there is no file and no shipped config 'confg.yaml'; did you mean config.yaml?"],
        source="confg.yaml"),
    Bad("missing shipped config",
        ["there is no file and no shipped config 'word2vec/skipgam'; did you mean word2vec/skipgram"],
        source="word2vec/skipgam"),
    Bad("missing file, nothing alike",
        ["there is no file and no shipped config 'zzzzzz'; `lab list configs` names"], source="zzzzzz"),
    Bad("a folder", ["folder: this is a folder; expected a YAML file"], files={"folder/a.txt": ""}, source="folder"),
    Bad("a run directory", ["run: this is a folder; expected a file, such as run/config.yaml"],
        files={"run/config.yaml": HEAD}, source="run"),
    Bad("empty file", ["config.yaml: the file is empty; expected", "`experiment:`"], ""),
    Bad("only comments", ["config.yaml: the file is empty"], "# nothing\n\n"),
    Bad("only null", ["config.yaml:1: the file is empty"], "null\n"),
    Bad("a list", ["config.yaml:1: the file is a list; expected a mapping"], "- experiment: word2vec\n"),
    Bad("one word", ["config.yaml:1: the file is one text, 'word2vec'; expected a mapping"], "word2vec\n"),
    Bad("one key without a space", ["config.yaml:1: ", "a space is missing after ':'"], "experiment:word2vec\n"),
    Bad("not UTF-8", ["config.yaml:2: ", "byte 0xe9 at offset 30 is not UTF-8", "save the file as UTF-8"],
        HEAD.encode() + b"name: caf\xe9\n"),
    Bad("UTF-16", ["config.yaml: ", "UTF-16", "save it as UTF-8"], HEAD.encode("utf-16")),
    Bad("NUL character", ["config.yaml:2: ", "U+0000 is not allowed"], HEAD + "name: a\0b\n"),
    Bad("far too large", ["config.yaml: ", "bytes is no config"], HEAD + "# " + "x" * 1_000_001),
]  # fmt: skip

YAML = [
    Bad("tab", ["config.yaml:3: ", "a tab where YAML wants spaces"], HEAD + "train:\n\tepochs: 3\n"),
    Bad("duplicate key", ["config.yaml:3: ", "duplicate key 'seed'; it stands on line 2 already"],
        HEAD + "seed: 1\nseed: 2\n"),
    Bad("duplicate key, nested", ["config.yaml:4: ", "duplicate key 'epochs'", "line 3"],
        HEAD + "train:\n  epochs: 1\n  epochs: 2\n"),
    Bad("open bracket", ["config.yaml:2: ", "this bracket is not closed"], HEAD + "report: {words: [a, b}\n"),
    Bad("open brace", ["config.yaml:2: ", "this bracket is not closed"], HEAD + "train: {epochs: 3\nseed: 1\n"),
    Bad("open quote", ["config.yaml:2: ", "this quote is never closed"], HEAD + "name: 'abc\nseed: 1\n"),
    Bad("colon in a text", ["config.yaml:2: ", "a second ': '", "quote"], HEAD + "name: a: b\n"),
    Bad("indentation", ["config.yaml:4: ", "wrong indentation"], HEAD + "train:\n    epochs: 3\n  threads: 1\n"),
    Bad("key without a colon", ["config.yaml:2: ", "expected `key: value`"], HEAD + "seed 3\ntrain: {}\n"),
    Bad("escape", ["config.yaml:2: ", "no such escape", "single quotes"], HEAD + 'tokenizer: {pattern: "\\w+"}\n'),
    Bad("star", ["config.yaml:2: ", "text that starts with * or & needs quotes"], HEAD + "data: {source: *.txt}\n"),
    Bad("alias without anchor", ["config.yaml:2: ", "no anchor of this name"], HEAD + "data: *corpus\n"),
    Bad("at sign", ["config.yaml:2: ", "text that starts with @ needs quotes"], HEAD + "name: @home\n"),
    Bad("tag", ["config.yaml:2: ", "the tag !!python/name:os.system is not allowed"],
        HEAD + "name: !!python/name:os.system ''\n"),
    Bad("two documents", ["config.yaml:2: ", "a second document starts"], HEAD + "---\nseed: 1\n"),
    Bad("alias of itself", ["config.yaml:2: ", "an alias contains itself"], HEAD + "report: &r {words: [*r]}\n"),
    Bad("a list for a key", ["config.yaml:2: ", "a key is a list or mapping"], HEAD + "? [a]\n: 1\n"),
    Bad("billion laughs", ["config.yaml:", "more than 20,000 values is no config"],
        HEAD + "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))),
    Bad("thousands of brackets", ["config.yaml: nested too deeply"], HEAD + "name: " + "[" * 1000),
]  # fmt: skip

EXTENDS = [
    Bad("missing base", ["config.yaml:1: ", "no file and no shipped config 'bse.yaml'; did you mean base.yaml"],
        "extends: bse.yaml\n", files={"base.yaml": HEAD}),
    Bad("itself", ["config.yaml:2: extends runs in a circle: config.yaml → config.yaml"],
        HEAD + "extends: config.yaml\n"),
    Bad("circle of two", ["b.yaml:1: extends runs in a circle: config.yaml → b.yaml → ", "config.yaml"],
        "extends: b.yaml\n", files={"b.yaml": "extends: ./config.yaml\n"}),
    Bad("a number", ["config.yaml:1: extends is 3; expected the path or name of one config"], "extends: 3\n"),
    Bad("a list", ["config.yaml:1: extends is a list; expected the path or name of one config"], "extends: [a, b]\n"),
    Bad("mistake in the base", ["base.yaml:3: ", "train.epochs is -2"], "extends: base.yaml\nseed: 1\n",
        files={"base.yaml": HEAD + "train:\n  epochs: -2\n"}),
    Bad("mistake over the base", ["config.yaml:3: ", "unknown key train.epoch"],
        "extends: base.yaml\ntrain:\n  epoch: 2\n", files={"base.yaml": HEAD + "train:\n  epochs: 2\n"}),
    Bad("base in a subfolder", [os.path.join("sub", "base.yaml") + ":1: ", "'nowhere.yaml'"],
        "extends: sub/base.yaml\n", files={"sub/base.yaml": "extends: nowhere.yaml\n"}),
]  # fmt: skip

SWEEPS = [
    Bad("unknown key", ["config.yaml:3: sweep: unknown key model.windw; did you mean model.window?"],
        HEAD + "sweep:\n  model.windw: [3, 5]\n"),
    Bad("key without its section", ["config.yaml:2: sweep: unknown key window; did you mean model.window?"],
        HEAD + "sweep: {window: [3, 5]}\n"),
    Bad("one cell invalid", ["config.yaml:4: sweep: model.window is -1; expected a whole number of at least 1"],
        HEAD + "sweep:\n  seed: [0, 1]\n  model.window: [3, 5, -1]\n"),
    Bad("one cell invalid, on its own line", ["config.yaml:5: sweep: model.architecture is 'sg'; expected 'cbow' or"],
        HEAD + "sweep:\n  model.architecture:\n    - cbow\n    - sg\n"),
    Bad("one explicit cell invalid", ["config.yaml:4: sweep: train.epochs is 0; expected"],
        HEAD + "sweep:\n  - {train.epochs: 1}\n  - {train.epochs: 0}\n"),
    Bad("no list", ["config.yaml:2: sweep: seed is 3; expected a list of values, such as [0, 1, 2]"],
        HEAD + "sweep: {seed: 3}\n"),
    Bad("a range as text", ["config.yaml:2: sweep: seed is '0-4'; expected a list"], HEAD + "sweep: {seed: 0-4}\n"),
    Bad("empty axis", ["config.yaml:2: sweep: seed has no values"], HEAD + "sweep: {seed: []}\n"),
    Bad("empty sweep", ["config.yaml:2: sweep: an empty list is no sweep"], HEAD + "sweep: []\n"),
    Bad("text", ["config.yaml:2: sweep: 'seed' is no sweep; expected keys with lists"], HEAD + "sweep: seed\n"),
    Bad("nested keys", ["config.yaml:2: sweep: train is a mapping; expected dotted keys", "train.epochs: ["],
        HEAD + "sweep: {train: {epochs: [1, 2]}}\n"),
    Bad("same value twice", ["config.yaml:2: sweep: seed has 1 twice"], HEAD + "sweep: {seed: [0, 1, 1]}\n"),
    Bad("same cell twice", ["config.yaml:4: sweep: two cells are the same: model.window=5"],
        HEAD + "sweep:\n  - {model.window: 5}\n  - {model.window: 5}\n"),
    Bad("cell is no mapping", ["config.yaml:2: sweep: item 2 is 3; expected a cell"],
        HEAD + "sweep: [{seed: 1}, 3]\n"),
    Bad("over the experiment", ["config.yaml:2: sweep: experiment cannot vary here", "study"],
        HEAD + "sweep: {experiment: [word2vec, pretrained]}\n"),
    Bad("over the report", ["config.yaml:2: sweep: report.map.seed changes no number"],
        HEAD + "sweep: {report.map.seed: [0, 1]}\n"),
    Bad("words for a list", ["config.yaml:2: sweep: evaluate.similarity is 'simlex999'; expected a list"],
        HEAD + "sweep: {evaluate.similarity: [simlex999]}\n"),
    Bad("key and its section", ["config.yaml:2: sweep: data.unit lies within data"],
        HEAD + "sweep: {data: [{}], data.unit: [document]}\n"),
    Bad("far too many", ["config.yaml:2: sweep: 100,000 cells; expected at most 10,000"],
        HEAD + f"sweep: {{seed: {list(range(1000))}, train.epochs: {list(range(1, 101))}}}\n"),
]  # fmt: skip

CHOICES = [
    Bad("invalid candidate", ["config.yaml:3: choose: train.learning_rate is -0.1; expected a number above 0"],
        HEAD + "choose:\n  train.learning_rate: [0.1, -0.1]\n"),
    Bad("unknown key", ["config.yaml:2: choose: unknown key train.lerning_rate", "mean train.learning_rate?"],
        HEAD + "choose: {train.lerning_rate: [0.1]}\n"),
    Bad("a seed", ["config.yaml:2: choose: a seed is never chosen"], HEAD + "choose: {seed: [0, 1]}\n"),
    Bad("no list", ["config.yaml:2: choose: train.epochs is 3; expected a list"],
        HEAD + "choose: {train.epochs: 3}\n"),
    Bad("no mapping", ["config.yaml:2: choose: a list is no choice"], HEAD + "choose: [train.epochs]\n"),
    Bad("swept as well", ["config.yaml:3: choose: train.epochs is swept as well"],
        HEAD + "sweep: {train.epochs: [1, 2]}\nchoose: {train.epochs: [3]}\n"),
]  # fmt: skip

STUDIES = [
    Bad("empty", ["config.yaml:1: study is an empty list; expected a list of entries"], "study: []\n"),
    Bad("nothing", ["config.yaml:1: study is empty (null); expected a list"], "study:\n"),
    Bad("a mapping", ["config.yaml:1: study is a mapping; expected a list"], "study: {config: word2vec/cbow}\n"),
    Bad("entry is a name", ["config.yaml:2: study: entry 1 is 'word2vec/cbow'", "mean {config: word2vec/cbow}?"],
        "study:\n  - word2vec/cbow\n"),
    Bad("entry misspelt",
        ["config.yaml:3: study: unknown key seep; expected config, sweep or choose; did you mean sweep?"],
        "study:\n  - config: word2vec/cbow\n    seep: {seed: [0]}\n"),
    Bad("entry with a key of the config", ["config.yaml:1: study: unknown key train", "into the entry's config"],
        "study: [{config: word2vec/cbow, train: {epochs: 1}}]\n"),
    Bad("entry without config", ["config.yaml:2: study: entry 1 has no `config:`"],
        "study:\n  - sweep: {seed: [0]}\n"),
    Bad("entry's config missing", ["config.yaml:2: ", "no shipped config 'word2vec/cbo'; did you mean word2vec/cbow"],
        "study:\n  - config: word2vec/cbo\n"),
    Bad("entry's config a number", ["config.yaml:1: study: config is 3; expected the name or path"],
        "study: [{config: 3}]\n"),
    Bad("entry's sweep", ["config.yaml:3: sweep: unknown key model.windos"],
        "study:\n  - config: word2vec/cbow\n    sweep: {model.windos: [3]}\n"),
    Bad("second entry", ["config.yaml:3: ", "train.epochs is -1"],
        "study:\n  - config: word2vec/cbow\n  - config: {experiment: word2vec, train: {epochs: -1}}\n"),
    Bad("entry's file", ["other.yaml:2: ", "unknown key trian; did you mean train?"],
        "study: [{config: other.yaml}]\n", files={"other.yaml": HEAD + "trian: {}\n"}),
    Bad("study of studies", ["config.yaml:1: study: other.yaml is a study itself"],
        "study: [{config: other.yaml}]\n", files={"other.yaml": "study: [{config: word2vec/cbow}]\n"}),
    Bad("sweep beside study", ["config.yaml:2: sweep cannot stand beside `study`"],
        "study: [{config: word2vec/cbow}]\nsweep: {seed: [0]}\n"),
    Bad("key beside study", ["config.yaml:2: reprot cannot stand beside `study`", "mean report?"],
        "study: [{config: word2vec/cbow}]\nreprot: {}\n"),
    Bad("report", ["config.yaml:2: unknown key report.wrds; did you mean report.words?"],
        "study: [{config: word2vec/cbow}]\nreport: {wrds: [a]}\n"),
]  # fmt: skip

OVERRIDES = [
    Bad("unknown key", ["command line: unknown key train.epoch; did you mean train.epochs?"],
        overrides=["train.epoch=3"]),
    Bad("like nothing but by chance", ["command line: unknown key foo (a config has: experiment, "],
        overrides=["foo=1"]),
    Bad("wrong value", ["command line: train.epochs is -3; expected a whole number of at least 1"],
        overrides=["train.epochs=-3"]),
    Bad("wrong type", ["command line: train.epochs is 'many'; expected a whole number"],
        overrides=["train.epochs=many"]),
    Bad("no equals sign", ["command line: 'seed' is no override; expected key=value"], overrides=["seed"]),
    Bad("plus in front", ["command line: '+seed' is no key", "did you mean seed=3?"], overrides=["+seed=3"]),
    Bad("dashes in front", ["command line: '--seed' is no key", "did you mean seed=3?"], overrides=["--seed=3"]),
    Bad("no key", ["command line: '' is no key"], overrides=["=3"]),
    Bad("open bracket", ["command line: not valid YAML: this bracket is not closed"],
        overrides=["report.words=[a, b"]),
    Bad("item of a list", ["command line: unknown key report.words.0; report.words is a list, give it whole"],
        overrides=["report.words.0=king"]),
    Bad("below a value", ["command line: unknown key seed.x; seed is not a section"], overrides=["seed.x=1"]),
    Bad("extends", ["command line: extends cannot be given here"], overrides=["extends=word2vec/cbow"]),
    Bad("sweep without key", ["command line: sweep cannot be given here", "sweep.seed="], overrides=["sweep=[0]"]),
    Bad("sweep without list", ["command line: seed is 3; expected a list of values"], overrides=["sweep.seed=3"]),
    Bad("sweep of nothing", ["command line: unknown key modl; did you mean model?"],
        overrides=["sweep.modl.window=[3]"]),
    Bad("unknown experiment", ["command line: experiment is 'word2vc'", "'word2vec'?"],
        overrides=["experiment=word2vc"]),
    Bad("study, no entry has it", ["command line: unknown key train.epoch; did you mean train.epochs?"],
        "study: [{config: word2vec/cbow}]\n", overrides=["train.epoch=3"]),
    Bad("study, experiment", ["command line: experiment cannot be set for a study"],
        "study: [{config: word2vec/cbow}]\n", overrides=["experiment=word2vec"]),
]  # fmt: skip

REFERENCES = [
    Bad("no such key", ["config.yaml:2: name: '${model.windw}' refers to model.windw, which does not",
        "model.window?"],
        HEAD + "name: ${model.windw}\n"),
    Bad("wrong type", ["config.yaml:2: ", "train.epochs is 'cbow'; expected a whole number"],
        HEAD + "train: {epochs: '${model.architecture}'}\n"),
    Bad("circle", ["config.yaml:2: name: '${name}' refers to itself in a circle"], HEAD + "name: ${name}\n"),
    Bad("circle of two", ["config.yaml:2: ", "refers to itself in a circle"],
        HEAD + "name: ${data.source}\ndata: {source: '${name}'}\n"),
    Bad("open brace", ["config.yaml:2: ", "is not a reference; expected ${section.key}"], HEAD + "name: a${seed\n"),
    Bad("open brace after a good one", ["config.yaml:3: ", "'a${seed' is not a reference"],
        HEAD + "name: x${seed}\nreport: {title: 'a${seed'}\n"),
    Bad("unknown resolver", ["config.yaml:2: ", "names a resolver that does not exist"], HEAD + "name: ${nope:1}\n"),
    Bad("unset variable", ["config.yaml:2: ", "NO_SUCH_VARIABLE"], HEAD + "name: ${oc.env:NO_SUCH_VARIABLE}\n"),
    Bad("on the command line", ["command line: name: '${sed}' refers to sed", "mean seed?"],
        overrides=["name=${sed}"]),
]  # fmt: skip

GROUPS = {
    "autoencoders": [Bad(*case) for case in AUTOENCODERS],
    "unknown keys": UNKNOWN_KEYS,
    "wrong values": WRONG_VALUES,
    "experiments": EXPERIMENTS,
    "files": FILES,
    "yaml": YAML,
    "extends": EXTENDS,
    "sweeps": SWEEPS,
    "choices": CHOICES,
    "studies": STUDIES,
    "overrides": OVERRIDES,
    "references": REFERENCES,
}
CASES = [pytest.param(bad, id=f"{group}-{bad.name}") for group, bads in GROUPS.items() for bad in bads]


@pytest.fixture
def written(home):
    """Writes the files of a case into the empty current folder."""

    def write(bad: Bad) -> None:
        for name, content in {"config.yaml": bad.config, **bad.files}.items():
            if content is not None:
                path = home / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.encode() if isinstance(content, str) else content)

    return write


def test_there_are_many_and_their_names_differ():
    names = [case.id for case in CASES]
    assert len(names) == len(set(names)) >= 45


@pytest.mark.parametrize("bad", CASES)
def test_one_line_says_what_where_and_the_cure(bad, written):
    written(bad)
    with pytest.raises(ConfigError) as caught:
        load(bad.source, bad.overrides)
    message = str(caught.value)
    print(message)
    assert message.isprintable(), "one line"
    assert caught.value.exit_code == 2
    assert message.startswith(bad.says[0])
    for part in bad.says[1:]:
        assert part in message


@pytest.mark.parametrize(
    "bad", [case for case in CASES if not any(o.startswith("-") for o in case.values[0].overrides)]
)
def test_the_command_ends_with_code_2_before_any_training(bad, written, home, capfd):
    from lab.cli import main

    written(bad)
    with pytest.raises(SystemExit) as end:
        main(["run", bad.source, *bad.overrides])
    output = capfd.readouterr()
    assert end.value.code == 2
    assert output.out == ""
    assert output.err.startswith(f"lab: {bad.says[0]}")
    assert output.err.count("\n") == 1
    assert not (home / "runs").exists()
