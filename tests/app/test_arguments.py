"""Flags stand anywhere among the overrides, and first mistakes are refused with what to type instead."""

import shlex

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gym.app.arguments import parse_arguments
from gym.config.groups import group_names
from gym.config.schema import Config
from tests.app.commands import run_here, run_lightly

OVERRIDES = st.lists(
    st.sampled_from(["model=unet", "seed=1", "+debug=tiny", "name=m", "data.images=[a,b]"]), max_size=4
)
FLAGS = st.lists(st.sampled_from(["-m", "--cfg job", "--config-dir=x=1", "-cd model", "-r", "-i all"]), max_size=3)


@given(OVERRIDES, FLAGS, st.randoms(use_true_random=False))
def test_flags_may_stand_anywhere(overrides, flags, random):
    """The overrides keep their order, whatever flags are between them."""
    places = sorted(random.randint(0, len(overrides)) for _ in flags)
    mixed = list(overrides)
    for place, flag in reversed(list(zip(places, flags, strict=True))):
        mixed[place:place] = flag.split()

    assert [one for one in parse_arguments(mixed, Config)[1] if not one.startswith("hydra.")] == overrides
    assert parse_arguments(mixed, Config) == parse_arguments([*" ".join(flags).split(), *overrides], Config)


@pytest.mark.parametrize("flag", ["--config-dir {}", "-cd {}", "--config-dir={}", "--package {} --cfg job"])
@pytest.mark.parametrize("value", [*group_names(), "model=unet", "filters=6", "name=12", "sweep"])
def test_the_value_of_a_flag_is_never_rewritten(flag, value):
    """A folder may have the name of a group."""
    flags, overrides = parse_arguments(["seed=1", *flag.format(value).split()], Config)

    assert overrides == ["seed=1"]
    assert flags[-1].endswith(f"={value}")


def test_a_folder_with_the_name_of_a_group_holds_experiments(tmp_path, monkeypatch):
    """The program prints this command after an import."""
    (tmp_path / "experiment" / "experiment").mkdir(parents=True)
    (tmp_path / "experiment" / "experiment" / "mine.yaml").write_text("# @package _global_\nseed: 77\n")
    monkeypatch.chdir(tmp_path)

    done = run_lightly("train", "--config-dir", "experiment", "+experiment=mine", "--cfg", "job")

    assert (done.code, done.err) == (0, "")
    assert yaml.safe_load(done.out)["seed"] == 77


NO_FLAG = "is not a flag, and settings have no dashes; did you mean"
NO_OVERRIDE = "is not an override of the form key=value; did you mean"
REFUSED = {
    "train --epochs 30": f"--epochs 30 {NO_FLAG} training.epochs=30?",
    "train --epochs=30 -m": f"--epochs 30 {NO_FLAG} training.epochs=30?",
    "train --lr 0.1 seed=1": f"--lr 0.1 {NO_FLAG} schedule.max_rate=0.1?",
    "train seed=1 --batch-size 8": f"--batch-size 8 {NO_FLAG} training.batch=8?",
    "train --model unet": f"--model unet {NO_FLAG} model=unet?",
    "train --optimizer sgd": f"--optimizer sgd {NO_FLAG} optimizer=...?",
    "train --experiment smoke_matrix": f"--experiment smoke_matrix {NO_FLAG} +experiment=smoke_matrix?",
    "train --num-classes 4": f"--num-classes 4 {NO_FLAG} data.classes=...?",
    "train --filters 3": f"--filters 3 {NO_FLAG} model.filters=3?",
    "train --mutirun": f"--mutirun {NO_FLAG} --multirun?",
    "train --config x": f"--config x {NO_FLAG} --config-dir?",
    "train --resume": f"--resume {NO_FLAG} training.resume=...?",
    "train -x": "-x is not a flag, and settings have no dashes; see --help for the keys.",
    "train --gpu 0": "--gpu 0 is not a flag, and settings have no dashes; a GPU is used if TensorFlow finds one; "
    "choose it with the environment variable CUDA_VISIBLE_DEVICES=0, or use none with CUDA_VISIBLE_DEVICES=-1.",
    "evaluate --model best:x": f"--model best:x {NO_FLAG} run=best:x?",
    "evaluate --run best:x": f"best:x {NO_OVERRIDE} run=best:x?",
    "predict --weights a.zip": f"--weights a.zip {NO_FLAG} run=a.zip?",
    "train \u2014epochs 3": "\u2014epochs begins with a long dash; type --epochs.",
    "train \u2013m": "\u2013m begins with a long dash; type -m.",
    "train --cfg": "--cfg/-c: expected one argument; see --hydra-help.",
    "train --package model": "--package is used only with --cfg; add --cfg job, or leave it out.",
    "train --experimental-rerun x": "--experimental-rerun needs files that this program does not write; repeat the "
    "command instead.",
    "train --config-name x": "--config-name=x: there is no such file in the configuration; leave it out, or add its "
    "folder with --config-dir=FOLDER.",
    "train --config-path nope": "--config-path: gym.app.nope was not found; leave it out, or add a folder to the "
    "configuration with --config-dir=FOLDER.",
    "train --config-dir /nope": "--config-dir: the folder /nope was not found; name one that exists.",
    "train model = unet": "model = unet contains a space; leave it out, as in model=unet.",
    "train model =unet seed=1": "model =unet contains a space; leave it out, as in model=unet.",
    "train seed=1 model= unet": "model= unet contains a space; leave it out, as in model=unet.",
    "train filters=3, 4": "filters=3, 4 contains a space; leave it out, as in filters=3,4.",
    "train data.classes=[a, b]": "data.classes=[a, b] contains a space; leave it out, as in 'data.classes=[a,b]'.",
    "train 'model = unet'": f"model = unet {NO_OVERRIDE} model=unet?",
    "train model:unet": f"model:unet {NO_OVERRIDE} model=unet?",
    "train model==unet": f"model==unet {NO_OVERRIDE} model=unet?",
    "train epochs 30": f"epochs {NO_OVERRIDE} training.epochs=30?",
    "train data.size": f"data.size {NO_OVERRIDE} data.size=...?",
    "train unet": f"unet {NO_OVERRIDE} model=unet?",
    "train pocket_matrix": f"pocket_matrix {NO_OVERRIDE} +experiment=pocket_matrix?",
    "train help": f"help {NO_OVERRIDE} --help?",
    "train '\"model=unet\"'": f'"model=unet" {NO_OVERRIDE} model=unet?',
    "train \u201cmodel=unet\u201d": f"\u201cmodel=unet\u201d {NO_OVERRIDE} model=unet?",
    "train model=\u201cunet\u201d": f"model=\u201cunet\u201d {NO_OVERRIDE} model=unet?",
    "train ~loss": "~loss cannot be removed; choose another option with loss=cce.",
    "train ~augment=gentle": "~augment=gentle cannot be removed; choose another option with augment=none.",
    "train ~training.patience": "~training.patience cannot be removed; set another value with training.patience=VALUE.",
    "train hydra.sweep.dir=x": "hydra.sweep.dir=x would separate the files of a run; choose their folder with "
    "outputs=FOLDER.",
    "evaluate hydra.run.dir=x": "hydra.run.dir=x would separate the files of a run; choose their folder with "
    "outputs=FOLDER.",
}


@pytest.mark.parametrize(("line", "message"), REFUSED.items())
def test_a_first_mistake_is_answered_with_what_to_type(line, message):
    """One line, exit code 1, and no large library is imported."""
    assert run_lightly(*shlex.split(line)) == (1, "", f"error: {message}\n")


@pytest.mark.parametrize(
    "line",
    ["-m --cfg job model=unet,resunet", "model=unet,resunet --cfg job --multirun", "model=unet,resunet -c job -m"],
)
def test_the_runs_of_a_sweep_are_shown(line):
    """Each is a YAML document, headed by its overrides."""
    done = run_sweep_view(line)

    assert [document["model"]["name"] for document in yaml.safe_load_all(done)] == ["unet", "resunet"]
    assert [one for one in done.splitlines() if one.startswith("#")] == [
        "# run 0: model=unet",
        "# run 1: model=resunet",
    ]


def test_a_part_of_each_run_is_shown():
    """``--package`` and ``--resolve`` work as they do without -m."""
    done = run_sweep_view("-m seed=1,2 outputs=here --cfg all --resolve --package hydra.sweep.dir")
    assert done == "# run 0: seed=1 outputs=here\nhere/sweeps\n---\n# run 1: seed=2 outputs=here\nhere/sweeps\n"

    done = run_sweep_view("-m hydra/sweeper=optuna model.dropout=interval(0,0.5) --cfg job -p model.dropout")
    assert done == "# run 0: model.dropout=0.0\n0.0\n---\n# run 1: model.dropout=0.5\n0.5\n"


def run_sweep_view(line: str) -> str:
    """Run ``train`` with these arguments and return what it prints."""
    done = run_here("train", *line.split())
    assert (done.code, done.err) == (0, "")
    return done.out


def test_a_part_that_no_run_has_is_refused():
    """The error is one line."""
    done = run_here("train", "-m", "seed=1,2", "--cfg", "job", "-p", "nope")

    assert (done.code, done.err) == (
        1,
        "error: --package=nope is not part of the configuration; see --cfg job for its parts.\n",
    )


def test_a_sweep_folder_in_a_file_is_refused(tmp_path):
    """Everything that belongs to a sweep is found in the outputs folder."""
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\nhydra: {sweep: {dir: elsewhere}}\n")

    done = run_lightly("train", "-m", "--config-dir", str(tmp_path), "+experiment=mine", "seed=1,2")

    assert done == (1, "", "error: hydra.sweep.dir=elsewhere must be outputs/sweeps; set only outputs=FOLDER.\n")
