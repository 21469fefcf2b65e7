"""Whether a command sweeps is known without composing twice, unless something may say so."""

import subprocess
import sys

import pytest

from gym.app.command_line import may_set_mode
from gym.config.overrides import configuration_folder
from tests.conftest import ROOT


@pytest.mark.parametrize("arguments", [[], ["model=unet"], ["-m", "filters=2,4"], ["--multirun", "seed=1,2"]])
def test_what_chooses_options_and_values_sets_no_mode(arguments):
    """Our groups are of the experiment, not of Hydra."""
    assert not may_set_mode("config", arguments)


@pytest.mark.parametrize(
    "argument",
    ["+experiment=seeds", "++hydra.mode=MULTIRUN", "hydra.mode=MULTIRUN", "--config-dir", "--experimental-rerun"],
)
def test_what_adds_files_or_names_hydra_may(argument):
    """They are composed to find out."""
    assert may_set_mode("config", ["model=unet", argument])


def test_a_configuration_that_always_sweeps_is_heeded(tmp_path, monkeypatch):
    """A laboratory may write the mode into its own copy."""
    (tmp_path / "config.yaml").write_text("hydra:\n  mode: MULTIRUN\n")
    monkeypatch.setattr("gym.app.command_line.configuration_folder", lambda: tmp_path)

    assert may_set_mode("config", [])


def test_only_what_is_added_sets_the_mode():
    """No option that is chosen without a plus does, or it would not be heard."""
    setting = {path.parent.name for path in configuration_folder().rglob("*.yaml") if "MULTIRUN" in path.read_text()}

    assert setting == {"experiment"}


@pytest.mark.parametrize(("override", "times"), {"filters=2": 1, "+experiment=seeds": 2}.items())
def test_hydra_composes_no_oftener_than_it_must(override, times):
    """Once, where no mode can be set; the runs of a sweep are not counted, since it ends before them."""
    code = (
        "import sys; from hydra._internal.hydra import Hydra; composing = Hydra.compose_config; calls = []\n"
        "def counted(*args, **options):\n    calls.append(1); return composing(*args, **options)\n"
        f"Hydra.compose_config = counted; sys.argv = ['train', {override!r}, 'model.filters=0']\n"
        "from gym.train import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(len(calls), 'calls')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert f"{times} calls" in done.stdout, done.stderr
