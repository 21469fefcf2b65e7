"""The command turns an old configuration file into an experiment that trains, and reports on every key."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from gym.app import import_config as importing
from gym.config.groups import configuration_folder
from gym.config.schema import AugmentConfig, ModelConfig, ScheduleConfig, SplitConfig, TrainingConfig
from gym.models.architectures import count_parameters
from tests.app.commands import run_here
from tests.conftest import ROOT
from tests.models.outlines import build_outline

OLD = {
    "TARGET_SIZE": [64, 32],
    "MODEL": "unet",
    "NCLASSES": 3,
    "N_DATA_BANDS": 4,
    "FILTERS": 6,
    "KERNEL": 5,
    "STRIDE": 2,
    "LOSS": "kld",
}

IMPORTED = [
    "ct_l8_resunet_512_remap_cat_3d",
    "ct_l8_resunet_512_remap_cat_5d",
    "ct_l8_unet_512_remap_dice_5d",
    "ct_l8_unet_512_remap_kld_largest_5d",
    "hatteras_l8_resunet_768_3d",
    "s2_4band_4class_batch_12__916b84",
    "watermask_benchmark_resunet__1bd214",
    "watermask_oblique_2class_batch_7__4d8b8e",
]

NOT_IMPORTED = {
    "vanilla_unet_ronneburger2015__503f41": "STRIDE=1 cannot be built, as in the original",
    "watermasking_all_v1_segfomer__b432fd": "MODEL=segformer is a pretrained transformer",
}

BEYOND_THE_SCHEMA = [
    ({"TARGET_SIZE": [770, 512]}, "TARGET_SIZE: data.size=770 must be a multiple of 16, at least 16; try 768."),
    ({"FILTERS": 0}, "FILTERS: model.filters=0 must be at least 1."),
    ({"DROPOUT": 1}, "DROPOUT: model.dropout=1.0 must be at least 0 and below 1."),
    ({"DROPOUT_TYPE": "wet: dry"}, "DROPOUT_TYPE: model.dropout_kind=wet: dry must be one of standard, spatial."),
    ({"AUG_WIDTHSHIFT": 10}, "AUG_WIDTHSHIFT: augment.shift_columns=10.0 must be at least 0 and below 1."),
    ({"AUG_COPIES": 0}, "AUG_COPIES: augment.copies=0 must be at least 1."),
    ({"MAX_LR": float("inf")}, "MAX_LR: schedule.max_rate=inf must be a finite number."),
    ({"START_LR": 1}, "START_LR: schedule.start_rate=1.0 must be at most schedule.max_rate=0.0001."),
    ({"VALIDATION_SPLIT": 1}, "VALIDATION_SPLIT: split.validation=1.0 must be above 0 and below 1."),
    ({"REMAP_CLASSES": {"5": 3}}, "REMAP_CLASSES: data.remap={5:3} must map label values to classes"),
    ({"LOSS": "dice", "LOSS_WEIGHTS": [1, 1]}, "LOSS_WEIGHTS: loss.class_weights=[0.5, 0.5] must have one weight"),
]


@pytest.fixture
def run_import():
    """Run the command in this process, and return its exit code, standard output and standard error."""
    return lambda *arguments: run_here("import_config", *map(str, arguments))


@pytest.fixture
def old(tmp_path):
    """Write a valid old configuration file, with some keys changed."""

    def write(name: str = "old.json", **changes) -> Path:
        (tmp_path / name).write_text(json.dumps(OLD | changes))
        return tmp_path / name

    return write


@pytest.fixture
def composed(configure):
    """Compose an experiment of a separate configuration folder, with imagery folders that exist."""

    def compose(conf: Path, name: str, *overrides: str):
        more = [f"hydra.searchpath=['file://{conf}']", "data.images=[conf]", "data.labels=gym"]
        return configure(f"+experiment={name}", *more, *overrides)

    return compose


@pytest.mark.parametrize("name", IMPORTED)
def test_every_key_of_a_real_file_is_listed_once_and_the_experiment_composes(
    real_data, run_import, composed, tmp_path, name
):
    """Each key has an outcome, and a new key or a reason."""
    path = real_data / "gym_configs" / f"{name}.json"

    code, out, _ = run_import(path, "--output", tmp_path / "conf")

    assert code == 0
    header, *rows = out.partition("\n\n")[0].splitlines()
    outcomes = {row.split()[0]: row[header.index("outcome") : header.index("new key")].strip() for row in rows}
    assert len(outcomes) == len(rows)
    assert [key for key, outcome in outcomes.items() if outcome != "added"] == list(json.loads(path.read_text()))
    assert set(outcomes.values()) <= {"kept", "renamed", "dropped", "added"}
    assert all(row[header.index("new key") :].strip() for row in rows)
    config = composed(tmp_path / "conf", name)
    assert config.data.images == ["conf"]


@pytest.mark.parametrize(("name", "message"), NOT_IMPORTED.items())
def test_a_real_file_that_cannot_be_imported_is_refused(real_data, run_import, tmp_path, name, message):
    """The error is one line, and nothing is written."""
    code, out, err = run_import(real_data / "gym_configs" / f"{name}.json", "--output", tmp_path / "conf")

    assert code == 1
    assert err.startswith(f"error: {message}")
    assert len(err.splitlines()) == 1
    assert out == ""
    assert not (tmp_path / "conf").exists()


def test_every_real_file_is_tested(real_data):
    """The two tables at the top of this file list all of them."""
    present = {path.stem for path in (real_data / "gym_configs").glob("*.json")}

    assert present == {*IMPORTED, *NOT_IMPORTED}


def test_the_papers_file_becomes_the_papers_experiment(real_data, run_import, composed, tmp_path):
    """Every value is that of the file or, where it has none, of the original program."""
    name = "ct_l8_resunet_512_remap_cat_5d"
    run_import(real_data / "gym_configs" / f"{name}.json", "--output", tmp_path / "conf")

    config = composed(tmp_path / "conf", name)

    assert config.name == "ct_E_512_all"
    assert config.model == ModelConfig(
        name="resunet", filters=6, kernel=7, levels=4, dropout=0.1, dropout_change=0.0, dropout_kind="standard"
    )
    assert (config.loss.name, config.loss.weighting, config.loss.class_weights) == ("cce", "none", [])
    assert (config.data.kind, config.data.size, config.data.framing) == ("folder", [512, 512], "fit")
    assert config.data.classes == ["class_0", "class_1", "class_2", "class_3", "class_4"]
    assert config.data.bands == ["red", "green", "blue", "nir", "swir"]
    assert config.data.remap == {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 4, 6: 4, 7: 4, 8: 4, 9: 4, 10: 4, 11: 4}
    assert config.split == SplitConfig(method="random", validation=0.6)
    assert config.augment == AugmentConfig(
        mode="offline",
        copies=5,
        zoom=0.05,
        rotation=0.05,
        shift_rows=0.05,
        shift_columns=0.05,
        flip_horizontal=True,
        flip_vertical=False,
    )
    assert config.schedule == ScheduleConfig(1e-7, 1e-4, 1e-7, rampup_epochs=20, sustain_epochs=0, decay=0.9)
    assert config.training == TrainingConfig(batch=8, epochs=100, patience=10)
    assert config.optimizer.name == "adam"


def test_groups_can_still_be_chosen_over_an_imported_experiment(run_import, old, composed, tmp_path):
    """Otherwise, a sweep over filters, networks or losses would repeat the same run."""
    run_import(old(), "--output", tmp_path / "conf")

    config = composed(tmp_path / "conf", "old", "filters=12", "model=resunet", "loss=cce")

    assert (config.model.filters, config.model.name, config.loss.name) == (12, "resunet", "cce")
    assert config.model.kernel == 5


@pytest.mark.parametrize(("model", "parameters"), [("simple_unet", 124_900), ("simple_resunet", 186_922)])
@pytest.mark.parametrize("more", [{"KERNEL": 5}, {"KERNEL": 7, "STRIDE": 1}])
def test_an_imported_simple_network_is_that_of_the_original(
    run_import, old, composed, tmp_path, model, parameters, more
):
    """It equals the option of that name, whose defaults are the original's, for each KERNEL that the file gives."""
    file = old(MODEL=model, FILTERS=6, N_DATA_BANDS=5, NCLASSES=4, TARGET_SIZE=[512, 512], **more)
    run_import(file, "--output", tmp_path / "conf")

    imported = composed(tmp_path / "conf", "old").model

    assert imported == ModelConfig(name=model, filters=6, kernel=2)
    assert imported == composed(tmp_path / "conf", "old", f"model={model}").model
    assert count_parameters(build_outline(imported, (512, 512, 5), 4)).total == parameters


def test_dropout_of_an_imported_simple_network_is_that_of_the_file(run_import, old, composed, tmp_path):
    """The option's own defaults do not replace it."""
    dropout = {"DROPOUT": 0.2, "DROPOUT_CHANGE_PER_LAYER": 0.05, "DROPOUT_TYPE": "spatial"}
    run_import(old(MODEL="simple_unet", USE_DROPOUT_ON_UPSAMPLING=True, **dropout), "--output", tmp_path / "conf")

    config = composed(tmp_path / "conf", "old").model

    assert (config.dropout, config.dropout_change) == (0.2, 0.05)
    assert (config.dropout_kind, config.dropout_on_up) == ("spatial", True)


def test_a_name_is_never_interpolated(run_import, old, composed, tmp_path):
    """Hydra's interpolations stay as written."""
    run_import(old(ROOT_STRING="a: ${oc.env:HOME} \\${x}"), "--output", tmp_path / "conf")

    assert composed(tmp_path / "conf", "old").name == "a: ${oc.env:HOME} \\${x}"


@pytest.mark.parametrize(("changes", "message"), BEYOND_THE_SCHEMA)
def test_a_value_that_the_schema_refuses_is_named_by_its_old_key(run_import, old, tmp_path, changes, message):
    """The message of the schema follows the key of the file, and nothing is written."""
    code, out, err = run_import(old(**changes), "--output", tmp_path / "conf")

    assert code == 1
    assert err.startswith(f"error: {message}")
    assert len(err.splitlines()) == 1
    assert out == ""
    assert not (tmp_path / "conf").exists()


@pytest.mark.process
def test_an_experiment_in_another_folder_trains_with_the_printed_command(run_import, old, tmp_path):
    """A shell runs it even if the folder has a space in its name; only the imagery is missing."""
    _, out, _ = run_import(old(), "--output", tmp_path / "my conf")
    target, command = tmp_path / "my conf" / "experiment" / "old.yaml", out.splitlines()[-1]

    assert f"written: {target}\n" in out
    lines = target.read_text().splitlines()
    assert lines[:2] == ["# @package _global_", f"# {command}"]
    assert (
        f"old.json of Segmentation Gym (sha256 {sha256((tmp_path / 'old.json').read_bytes()).hexdigest()[:12]})"
        in (lines[2])
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    started = {"cwd": ROOT, "env": {**os.environ, "PATH": path}, "capture_output": True, "text": True, "check": False}
    shown = subprocess.run(["bash", "-c", f"{command} --cfg job"], **started)
    refused = subprocess.run(["bash", "-c", command], **started)
    assert shown.returncode == 0, shown.stderr
    assert "name: unet\n  filters: 6\n  kernel: 5\n" in shown.stdout
    assert refused.stderr.startswith("error: data.images: path/to/images is not a folder")


@pytest.mark.parametrize("output", [[], ["--output", "conf"]])
def test_an_experiment_is_added_to_the_predefined_ones_by_default(run_import, old, tmp_path, monkeypatch, output):
    """``+experiment=NAME`` is then enough, whether or not that folder is given."""
    shutil.copytree(configuration_folder(), tmp_path / "conf")
    monkeypatch.setattr(importing, "configuration_folder", lambda: tmp_path / "conf")
    monkeypatch.chdir(tmp_path)

    code, out, err = run_import(old("3 bands.json"), *output)

    assert (code, err) == (0, "")
    assert (tmp_path / "conf" / "experiment" / "old_3_bands.yaml").exists()
    assert out.splitlines()[-1] == (
        "python -m gym.train +experiment=old_3_bands 'data.images=[path/to/images]' data.labels=path/to/labels"
    )


def test_an_experiment_is_replaced_only_with_overwrite(run_import, old, tmp_path):
    """Without it, the older file is unchanged."""
    options = ["--output", tmp_path / "conf", "--name", "one"]
    target = tmp_path / "conf" / "experiment" / "one.yaml"
    run_import(old(), *options)
    first = target.read_text()

    code, _, err = run_import(old(FILTERS=8), *options)
    kept = target.read_text()
    replaced, _, _ = run_import(old(FILTERS=8), *options, "--overwrite")

    assert (code, err) == (
        1,
        f"error: {target} already exists; add --overwrite, or choose another name with --name.\n",
    )
    assert kept == first
    assert replaced == 0
    assert 'override /filters: "8"' in target.read_text()
    assert [path.name for path in target.parent.iterdir()] == ["one.yaml"]


def test_a_predefined_name_is_refused_in_another_folder(run_import, old, tmp_path):
    """Hydra finds the predefined experiment first, so it would run instead."""
    code, _, err = run_import(old(), "--output", tmp_path / "conf", "--name", "ocean_beach", "--overwrite")

    assert code == 1
    assert "would be hidden by the program's own experiment of that name; choose another with --name." in err
    assert not (tmp_path / "conf").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: OLD.json; see python -m gym.import_config --help."),
        (["a.json", "b.json"], "unrecognized arguments: b.json; see python -m gym.import_config --help."),
        (["a.json"], "a.json: No such file or directory; correct the path, or choose another --output."),
        (["."], ".: Is a directory; correct the path, or choose another --output."),
        (
            ["a.json", "--name", "a-b"],
            "--name a-b must consist of letters, digits and underscores and start with",
        ),
    ],
)
def test_a_mistake_in_the_arguments_is_one_line(run_import, tmp_path, monkeypatch, arguments, message):
    """The exit code is 1, as for every mistake of a user."""
    monkeypatch.chdir(tmp_path)

    code, out, err = run_import(*arguments)

    assert code == 1
    assert err.startswith(f"error: {message}")
    assert len(err.splitlines()) == 1
    assert out == ""


def test_a_folder_that_cannot_be_created_is_refused(run_import, old, tmp_path):
    """A file is in its place."""
    (tmp_path / "conf").write_text("")

    code, _, err = run_import(old(), "--output", tmp_path / "conf")

    assert code == 1
    assert "Not a directory; correct the path, or choose another --output." in err


@pytest.mark.parametrize("folder", ["a\nb", os.fsdecode(b"a\xff")])
def test_a_folder_that_cannot_be_printed_is_refused(run_import, old, tmp_path, folder):
    """The experiment and the terminal have it in a command to paste."""
    code, out, err = run_import(old(), "--output", tmp_path / folder)

    assert (code, out) == (1, "")
    assert re.fullmatch(r"error: --output '\S+' must contain only printable characters; choose another folder\.\n", err)


@pytest.mark.parametrize("name", ["a\x07b.json", os.fsdecode(b"a\xff.json")])
def test_a_file_may_have_any_name(run_import, old, composed, tmp_path, name):
    """Characters that YAML cannot contain are shown as question marks."""
    code, _, err = run_import(old(name), "--output", tmp_path / "conf", "--name", "one")

    assert (code, err) == (0, "")
    assert f"# From {re.sub(r'[^ -~]', '?', name)} of Seg" in (tmp_path / "conf/experiment/one.yaml").read_text()
    assert composed(tmp_path / "conf", "one").data.images == ["conf"]


@pytest.mark.parametrize(
    ("value", "message"), [('"a\\ud800b"', "unpaired surrogate"), (100_000 * "[", "nested more than 8 deep")]
)
def test_a_value_that_yaml_cannot_contain_is_refused(run_import, tmp_path, value, message):
    """Examples are an unpaired surrogate and very deep lists."""
    (tmp_path / "old.json").write_text(f'{{"ROOT_STRING": {value}}}')

    code, out, err = run_import(tmp_path / "old.json", "--output", tmp_path / "conf")

    assert (code, out) == (1, "")
    assert err.startswith("error: old.json ")
    assert message in err
    assert len(err.splitlines()) == 1


@pytest.mark.process
def test_the_command_starts_without_heavy_imports(old, tmp_path):
    """It needs neither TensorFlow nor NumPy, so it answers immediately."""
    code = (
        "import sys; sys.argv = ['import_config', *sys.argv[1:]]; from gym.import_config import main; main(); "
        "heavy = {'tensorflow', 'keras', 'mlflow', 'matplotlib', 'rasterio', 'numpy'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    arguments = [str(old()), "--output", str(tmp_path / "conf")]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.process
def test_the_command_can_be_run_as_a_module(old, tmp_path):
    """A mistake is one line and exit code 1; otherwise, the command to run next is printed."""
    start = [sys.executable, "-m", "gym.import_config"]
    options = {"cwd": ROOT, "capture_output": True, "text": True, "check": False}
    refused = subprocess.run([*start, "nowhere.json"], **options)
    done = subprocess.run([*start, str(old()), "--output", str(tmp_path / "conf")], **options)

    assert (refused.returncode, len(refused.stderr.splitlines()), refused.stdout) == (1, 1, "")
    assert (done.returncode, done.stderr) == (0, "")
    assert shlex.split(done.stdout.splitlines()[-1])[:4] == ["python", "-m", "gym.train", "--config-dir"]
