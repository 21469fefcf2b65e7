"""The command line as a user meets it: help, completion, and one line for each mistake."""

import os
import re
import resource
import subprocess
import sys

import pytest

from gym.app import command_line
from gym.app.command_line import explain_missing_option, natural
from gym.config.overrides import quote_options, show_options
from gym.config.schema import Config
from gym.core.errors import TrainingError
from tests.conftest import ROOT

REFUSED = {
    "filters=0": "filters=0 is no option; filters must be one of 2, 4, 6, 8, 12, or any other width with",
    "loss=mse": "loss=mse is no option; loss must be one of cce, dice, hinge, kld.",
    "+foo=1": "foo: unknown key; see --help for the keys.",
    "foo=1": "foo: unknown key; see --help for the keys.",
    "modle=unet": "modle: unknown group; did you mean model?",
    "model.filtres=3": "model.filtres: unknown key; did you mean model.filters?",
    "model.filters=many": "model.filters=many: Value 'many' of type 'str' could not be converted to Integer",
    "model.filters=0": "model.filters=0 must be at least 1.",
    "training.epochs=1.5": "training.epochs=1.5: Value '1.5' of type 'float' could not be converted to Integer",
    "data.size=100": "data.size=100 must be a multiple of 16, at least 16; try 96.",
    "data.split.validation=0.3": "data.split.validation: unknown key; did you mean split.validation?",
    "split.validation=1.5": "split.validation=1.5 must be above 0 and below 1.",
    "split.folds=3": "split.folds=3 is used only with split.method=kfold, not with random; leave it out.",
    "split=x": "split=x is no option; split must be one of given, kfold, leave_one_site_out, paper, random.",
    "split=paper": "split.method=paper parts augmented copies; it needs augment.mode=offline: add augment=paper.",
    "data=folder": "data.images is missing; data=folder needs it",
    "data=coast_train": "data.archives is missing; data=doodler needs it, as in data.archives=[path/to/release.zip].",
    "data.indices=[NDXI]": "data.indices: 'NDXI' must be one of NDVI, NDWI, MNDWI, NDMI, NDTI, or name=expression",
    "data.indices=[x=(green)]": "data.indices=[x=(green)] is no override; give key=value; a value with spaces, commas",
    "+data=synthetic": "+data: the group is chosen already; give it without the +.",
    "+seed=3": "+seed: the key exists already; give it without the +.",
    "experiment=x": "experiment is not among the defaults; add it with +experiment=...",
    "loss cce": "loss cce is no override; give key=value",
    "model=null": "model=null is no option; model must be one of resunet, simple_resunet, simple_unet, unet.",
}


def run(*arguments, module="gym.train", cwd=ROOT, **environment):
    """Run a verb in a process of its own; the finished process, and its seconds of computing.

    Not those of the clock: tests run beside it.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=300,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run_quickly(*arguments, module="gym.train"):
    """Run a verb that answers within a second of computing."""
    for _ in range(3):  # whatever runs beside it slows one of the two
        done, seconds = run(*arguments, module=module)
        if seconds < 1:
            return done
    pytest.fail(f"{module} {arguments} computed for {seconds:.2f} s")


@pytest.mark.parametrize(("override", "message"), REFUSED.items())
def test_a_mistake_gets_one_line_and_exit_code_1(override, message):
    """Value, rule and remedy, on standard error, in under a second: TensorFlow cannot have been imported."""
    done = run_quickly(override)

    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_help_shows_groups_options_and_keys_at_once():
    """Every group with its options, and every key with its default, in under a second."""
    done = run_quickly("--help")

    assert done.returncode == 0
    assert "model: resunet, simple_resunet, simple_unet, unet" in done.stdout
    assert "data: coast_train, doodler, folder, gym_npz, synthetic" in done.stdout
    assert "split: given, kfold, leave_one_site_out, paper, random" in done.stdout
    assert "python -m gym.train model=resunet loss=cce filters=6" in done.stdout
    assert "  patience: 10                      # Epochs without a better validation loss" in done.stdout


def test_the_composed_configuration_is_shown_without_heavy_imports():
    """``--cfg job`` needs neither TensorFlow nor MLflow."""
    code = (
        "import sys; sys.argv = ['train', '--cfg', 'job', 'filters=12']; from gym.train import main; main(); "
        "heavy = {'tensorflow', 'keras', 'mlflow', 'matplotlib', 'rasterio', 'numpy', 'rich'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "filters: 12" in done.stdout


@pytest.mark.parametrize(
    ("override", "message"),
    {
        "export=x": "export=x must be one of none, gym_npz.",
        "data=folder": "data.images is missing; data=folder needs it, as in data.images=[path/to/images].",
        "split=given": "split.sides is missing; split=given needs a CSV with the columns name and side.",
    }.items(),
)
def test_make_dataset_refuses_in_one_line(override, message):
    """As fast as training does: nothing heavy is imported for a slip."""
    done = run_quickly(override, module="gym.make_dataset")

    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {message}\n")


def test_the_help_of_make_dataset_shows_its_own_groups():
    """Imagery, split and augmentation, and no model."""
    done, _ = run("--help", module="gym.make_dataset")

    assert "data: coast_train, doodler, folder, gym_npz, synthetic" in done.stdout
    assert "python -m gym.make_dataset data=doodler" in done.stdout
    assert "export: none " in done.stdout
    assert "debug" not in done.stdout
    assert "epochs" not in done.stdout


def test_help_shows_the_values_that_the_command_gives():
    """So that it says what an option sets."""
    done, _ = run("training=paper", "filters=12", "--help")

    assert "  epochs: 100 " in done.stdout
    assert "  filters: 12 " in done.stdout


def test_help_beside_other_flags_is_hydras():
    """They take values."""
    done, _ = run("--config-dir", "conf", "--help")

    assert done.returncode == 0
    assert "patience: 10" in done.stdout


def test_help_refuses_what_training_refuses():
    """In the same line."""
    done, _ = run("loss=mse", "-h")

    assert (done.returncode, done.stderr) == (
        1,
        "error: loss=mse is no option; loss must be one of cce, dice, hinge, kld.\n",
    )


def test_the_help_of_predict_shows_what_must_be_given():
    """With YAML's mark of a missing value."""
    done, _ = run("--help", module="gym.predict")

    assert "input: ???  " in done.stdout


def test_the_help_of_report_says_what_it_takes():
    """A sweep or a run, with their meanings, without importing TensorFlow."""
    done, seconds = run("--help", module="gym.report")

    assert "python -m gym.report sweep=SWEEP" in done.stdout
    assert re.search("^sweep: '' +# Name of a sweep, or MLflow id or name of its parent run", done.stdout, re.MULTILINE)
    assert seconds < 3


def test_report_refuses_what_it_cannot_report_on():
    """In one line, as every verb."""
    done, _ = run(module="gym.report")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: give exactly one of sweep=NAME and run=NAME; neither is given.\n"


def test_predict_names_what_is_missing():
    """The first missing key, and how to give it."""
    done, _ = run("run=x", module="gym.predict")

    assert done.stderr == "error: input is missing; give it as input=...\n"


def test_predict_does_not_write_into_its_input(tmp_path):
    """Labels beside images of the same name would overwrite them."""
    done, _ = run("run=x", f"input={tmp_path}", f"output={tmp_path}/.", module="gym.predict")

    assert "must be another folder than the input." in done.stderr


def test_predict_takes_folders_only():
    """A number is no folder."""
    done, _ = run("run=x", "input=3", "output=x", module="gym.predict")

    assert "input=3 must be a folder, or folders as in input=[rgb,nir]." in done.stderr


@pytest.mark.parametrize(
    ("override", "message"),
    {
        "run=no.zip": f"run: no.zip is no file (looked in {ROOT}); mend the path.",
        "run=best:": "run=best: must name the sweep, as in run=best:my_sweep.",
    }.items(),
)
def test_predict_refuses_in_one_line_what_is_no_model(tmp_path, override, message):
    """Before anything heavy is imported."""
    done = run_quickly(override, f"input={tmp_path}", "output=x", module="gym.predict")

    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {message}\n")


NAME_RULE = "must begin with a letter or digit, and hold those, spaces and _-. only; try shore_models."
ALIAS_RULE = "must be of letters, digits, _ and -, and not latest, v1, v2, ..., which are MLflow's own; try champion."


@pytest.mark.parametrize(
    ("override", "message"),
    {
        "samples=-1": "samples=-1 must be at least 0.",
        "run=a.zip": "run=a.zip is a published model; give the run that it was made from.",
        "run=best:": "run=best: must name the sweep, as in run=best:my_sweep.",
        "output=model": "output=model must end in .zip, by which it is known; try model.zip.",
        "name=a/b": f"name=a/b {NAME_RULE}",
        "name=..a": f"name=..a {NAME_RULE}",
        "alias=Latest": f"alias=Latest {ALIAS_RULE}",
        "alias=v2": f"alias=v2 {ALIAS_RULE}",
        "alias=''": f"alias= {ALIAS_RULE}",
    }.items(),
)
def test_publish_refuses_in_one_line(override, message):
    """As fast as training does."""
    done = run_quickly(*(["run=x"] if "run=" not in override else []), override, module="gym.publish")

    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {message}\n")


def test_the_help_of_publish_shows_its_keys():
    """With their meanings, and what it is for."""
    done, _ = run("--help", module="gym.publish")

    assert "Publish the model of a run" in done.stdout
    assert "alias: champion  " in done.stdout
    assert "epochs" not in done.stdout


def test_a_full_traceback_on_request():
    """HYDRA_FULL_ERROR=1 shows everything, as Hydra's users know it."""
    done, _ = run("loss=mse", HYDRA_FULL_ERROR="1")

    assert "Traceback" in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("python -m gym.train loss=", {"loss=cce", "loss=dice", "loss=hinge", "loss=kld"}),
        ("python -m gym.train filters=6 model=un", {"model=unet"}),
        (
            "python -m gym.train split=",
            {"split=given", "split=kfold", "split=leave_one_site_out", "split=paper", "split=random"},
        ),
        ("./scripts/train model.upsa", {"model.upsampling="}),
        ("./scripts/train split.va", {"split.validation="}),
        ("python -m gym.report sw", {"sweep="}),
    ],
)
def test_tab_completes_groups_and_keys(line, expected):
    """As bash would ask, for ``python -m`` and for the script."""
    script = (
        "source scripts/completion.bash; COMP_LINE=$1; COMP_WORDS=($1); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); "
        "_gym_complete; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"  # noqa: PTH120
    done = subprocess.run(
        ["bash", "-c", script, "bash", line],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
        check=True,
    )

    assert set(done.stdout.split()) == expected


def test_openai_gym_beside_us_is_refused(monkeypatch, capsys):
    """Its files and ours have the same names; who installs or removes it breaks the program."""
    monkeypatch.setattr(command_line.metadata, "version", lambda name: "0.26.2")

    with pytest.raises(SystemExit, match="1"):
        command_line.refuse_name_clash()

    assert "the package gym 0.26.2 is installed here and shares our import name; run: " in capsys.readouterr().err


def test_numbers_of_a_group_become_text():
    """Hydra takes 6 for an integer; keys that are no groups are left alone."""
    assert quote_options("filters=6") == "filters='6'"
    assert quote_options("filters=2,4,12") == "filters='2','4','12'"
    assert quote_options("filters=-1") == "filters='-1'"
    assert quote_options("sweep=12e456789012") == "sweep='12e456789012'"
    assert quote_options("run=0123") == "run='0123'"
    assert quote_options("sweep.name=1e5,b") == "sweep.name='1e5',b"
    assert quote_options("loss=cce,dice") == "loss=cce,dice"
    assert quote_options("seed=6") == "seed=6"
    assert quote_options("--multirun") == "--multirun"
    assert show_options("filters='2','4','12'") == "filters=2,4,12"
    assert show_options("name='6'") == "name=6"
    assert show_options("name='a b'") == "name='a b'"
    assert show_options("data.bands='6'") == "data.bands='6'"


def test_options_are_listed_in_the_order_of_their_numbers():
    """2, 4, 12 and not 12, 2, 4."""
    assert sorted(["12", "x", "2", "4"], key=natural) == ["2", "4", "12", "x"]
    assert explain_missing_option("missing", []) == "missing is no configuration; see --help."


def test_an_error_of_ours_is_one_line(capsys):
    """Whatever floor it comes from."""
    with pytest.raises(SystemExit, match="1"):
        command_line.run_readably(lambda: (_ for _ in ()).throw(TrainingError("the loss is nan.")), Config)

    assert capsys.readouterr().err == "error: the loss is nan.\n"


def test_a_defect_keeps_its_traceback():
    """What is not a user's mistake is not dressed as one."""
    with pytest.raises(ZeroDivisionError):
        command_line.run_readably(lambda: 1 / 0, Config)
