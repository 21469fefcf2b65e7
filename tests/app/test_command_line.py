"""The commands are listed and suggested, start quickly, and exit with the right code."""

import importlib.util
import os
import runpy
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import gym
from gym.app import command_line
from gym.app.command_line import COMMANDS, exit_on_error
from gym.app.entry import dispatch
from gym.config.schema import Config
from gym.core.errors import ConfigError, Terminated, TrainingError
from tests.app.commands import Done, heavy_imports, run_here, run_lightly, run_process
from tests.conftest import ROOT


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_the_program_lists_its_commands(arguments):
    """Each command has a line with its summary."""
    code, out, err = run_here(*arguments)

    assert (code, err) == (0, "")
    assert out.startswith("usage: segsweep COMMAND [OVERRIDES]\n")
    for name, entry in COMMANDS.items():
        assert f"  {name:15}{entry.summary}\n" in out


def test_the_program_prints_its_version():
    """The version is that of the package."""
    assert run_here("--version") == run_here("train", "--version") == (0, f"segsweep {gym.__version__}\n", "")


@pytest.mark.parametrize(
    ("name", "message"),
    {
        "trian": "trian is not a command; did you mean train?",
        "fly": f"fly is not a command; choose one of {', '.join(COMMANDS)}.",
        "-m": f"-m is not a command; choose one of {', '.join(COMMANDS)}.",
    }.items(),
)
def test_an_unknown_command_is_refused_with_a_suggestion(name, message):
    """The closest command is suggested; if none is close, all are listed."""
    assert run_here(name) == (1, "", f"error: {message}\n")


def test_a_command_is_run_by_its_name():
    """The command reads the remaining arguments, whether they are overrides or options."""
    code, out, _ = run_here("predict", "--help")
    assert code == 0
    assert "Segment every image in a folder" in out

    code, out, _ = run_here("import_config", "--help")
    assert code == 0
    assert "configuration of Segmentation Gym" in out

    refused = run_here("train", "loss=mse")
    assert refused == (1, "", "error: loss=mse is not an option; loss must be one of cce, dice, hinge, kld.\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_also_a_module(name):
    """``python -m gym.NAME`` runs the entry of that name, whose function exists."""
    main = importlib.import_module(f"gym.{name}").main
    module, _, function = COMMANDS[name].function.partition(":")
    source = Path(importlib.util.find_spec(module).origin).read_text(encoding="utf-8")  # importing it takes seconds

    assert main.args == (name,)
    assert f"\ndef {function}(" in source


def test_the_console_script_and_the_package_run_the_same_function():
    """``segsweep`` and ``python -m gym`` both start `dispatch`."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    module, _, function = scripts["segsweep"].partition(":")
    assert getattr(importlib.import_module(module), function) is dispatch

    done = run_here("--version", main=lambda: runpy.run_module("gym", run_name="__main__"))
    assert done == (0, f"segsweep {gym.__version__}\n", "")


def run_quickly(*arguments: str) -> Done:
    """Run ``python -m gym.train`` in a new process, and fail unless it needs less than one second of CPU time."""
    for _ in range(3):  # other processes can slow one attempt down
        done, seconds = run_process(*arguments)
        if seconds < 1:
            return Done(done.returncode, done.stdout, done.stderr)
    pytest.fail(f"gym.train {arguments} took {seconds:.2f} s of CPU time")


@pytest.mark.process
def test_a_mistake_is_refused_within_a_second():
    """A new process prints the same line on standard error as `run_here`, and exits with code 1."""
    done = run_quickly("model.filters=0")

    assert done == run_here("train", "model.filters=0")
    assert done == (1, "", "error: model.filters=0 must be at least 1.\n")


@pytest.mark.process
def test_help_appears_within_a_second():
    """A new process prints the same as `run_here`, without TensorFlow or Hydra's own help."""
    done = run_quickly("--help")

    assert done == run_here("train", "--help")
    assert "Train a segmentation model" in done.out


def test_run_lightly_detects_imports_of_large_libraries(tmp_path):
    """It detects imports inside functions, by other modules, and of modules that are already imported."""
    arguments = ("report", "sweep=unknown", f"outputs={tmp_path}")

    assert {"mlflow", "numpy"} <= heavy_imports(*arguments)
    with pytest.raises(AssertionError, match=r"imports .*'mlflow'"):
        run_lightly(*arguments)


@pytest.mark.process
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


def test_a_full_traceback_is_shown_on_request(monkeypatch):
    """HYDRA_FULL_ERROR=1 works as in any Hydra application."""
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    done = run_here("train", "loss=mse")

    assert "Traceback" in done.err
    assert (done.code, done.out) == (1, "")


AGAIN = " && python -m pip install --force-reinstall --no-deps "


@pytest.mark.parametrize(
    ("origin", "again"),
    [
        (None, ""),
        ("", f"{AGAIN}segsweep"),
        ('{"url": "file:///home/me/a%20b.whl", "archive_info": {}}', f"{AGAIN}file:///home/me/a%20b.whl"),
        ('{"url": "file:///home/me/gym", "dir_info": {"editable": true}}', f"{AGAIN}-e file:///home/me/gym"),
        ('{"url": "file:///home/me/gym", "dir_info": {}}', f"{AGAIN}file:///home/me/gym"),
        (
            '{"url": "https://host/x.git", "vcs_info": {"vcs": "git", "commit_id": "1a"}, "subdirectory": "sub"}',
            f"{AGAIN}'git+https://host/x.git@1a#subdirectory=sub'",
        ),
    ],
)
def test_the_openai_distribution_gym_is_refused(monkeypatch, origin, again):
    """Its files overwrite ours, so the remedy installs this program again from where it came."""

    class Installed:
        def read_text(self, name):
            return origin if name == "direct_url.json" else None

    def distribution(name):
        if origin is None:
            raise command_line.metadata.PackageNotFoundError(name)
        return Installed()

    monkeypatch.setattr(command_line.metadata, "version", lambda name: "0.26.2")
    monkeypatch.setattr(command_line.metadata, "distribution", distribution)

    with pytest.raises(ConfigError) as refusal:
        command_line.refuse_name_clash()

    assert str(refusal.value) == (
        "the package gym 0.26.2 is installed, and its import name is the same as that of segsweep; "
        f"run: python -m pip uninstall -y gym{again}"
    )


ONE_OF = (
    "Only one of --run, --multirun, --cfg, --info and --shell_completion can be specified; leave out all but one of"
)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--run", "--cfg", "job"), f"{ONE_OF} them."),
        (("-m", "--info", "all"), f"{ONE_OF} them."),
        (
            ("--resolve",),
            "--resolve is used only with --cfg; add --cfg job, or leave it out.",
        ),
    ],
)
def test_flags_that_exclude_each_other_are_refused_in_one_line(arguments, message):
    """Hydra itself ends in a traceback."""
    done = run_here("train", *arguments)

    assert (done.code, done.out, done.err) == (1, "", f"error: {message}\n")


def test_an_error_of_any_package_is_one_line(capsys):
    """A `GymError` is printed and ends the process with code 1."""
    with pytest.raises(SystemExit, match="1"), exit_on_error(Config):
        raise TrainingError("the loss is nan.")

    assert capsys.readouterr().err == "error: the loss is nan.\n"


@pytest.mark.parametrize(("exception", "number"), [(KeyboardInterrupt, signal.SIGINT), (Terminated, signal.SIGTERM)])
def test_a_signal_ends_the_process_with_the_exit_code_of_shells(exception, number):
    """The code is 128 plus the number of the signal."""
    with pytest.raises(SystemExit, match=f"^{128 + number}$"), exit_on_error(Config):
        raise exception


def test_a_bug_keeps_its_traceback():
    """Only a user's mistake becomes one line."""
    with pytest.raises(ZeroDivisionError), exit_on_error(Config):
        _ = 1 / 0


@pytest.mark.process
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
    """Bash completion works for ``python -m`` and for the script."""
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
