"""Mistakes in the configuration of a command are refused in one line."""

import pytest

from tests.app.commands import run_lightly
from tests.conftest import ROOT

NAME_RULE = "must start with a letter or digit, followed by letters, digits, spaces, _, - and . only; try shore_models."
ALIAS_RULE = (
    "must consist of letters, digits, _ and -, and must not be latest, v1, v2, ..., which MLflow reserves; "
    "try champion."
)


@pytest.fixture
def refusal():
    """The line that refuses a command, before any large library is imported."""

    def refuse(*arguments: str) -> str:
        code, out, err = run_lightly(*arguments)
        assert (code, out) == (1, "")
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        return err.removeprefix("error: ").rstrip()

    return refuse


@pytest.mark.parametrize(
    ("override", "message"),
    {
        "export=x": "export=x must be one of none, gym_npz.",
        "data=folder": "data.images is missing; data.kind=folder needs it, as in data.images=[path/to/images].",
        "split=given": "split.sides is missing; split=given needs a CSV file with the columns name and side.",
    }.items(),
)
def test_make_dataset_refuses_a_mistake(refusal, override, message):
    """The rules are those of training."""
    assert refusal("make_dataset", override) == message


def test_report_needs_a_sweep_or_a_run(refusal):
    """Without either there is nothing to report on."""
    assert refusal("report") == "set exactly one of sweep=NAME and run=NAME; neither is set."


def test_predict_names_a_missing_key(refusal):
    """The first missing key is named, with how to set it."""
    assert refusal("predict", "run=x") == "input is missing; set input=..."


def test_predict_does_not_write_into_its_input(refusal, tmp_path):
    """Labels would overwrite images of the same name."""
    line = refusal("predict", "run=x", f"input={tmp_path}", f"output={tmp_path}/.")

    assert "must not be the input folder; choose another folder." in line


def test_the_input_of_predict_must_be_folders(refusal):
    """A number is not a folder."""
    line = refusal("predict", "run=x", "input=3", "output=x")

    assert line == "input=3 must be a folder, or a list of folders as in input=[rgb,nir]."


@pytest.mark.parametrize(
    ("override", "message"),
    {
        "run=no.zip": f"run: no.zip is not a file (current folder: {ROOT}); correct the path.",
        "run=best:": "run=best: must name a sweep, as in run=best:my_sweep.",
    }.items(),
)
def test_predict_refuses_what_is_not_a_model(refusal, monkeypatch, tmp_path, override, message):
    """A model archive must exist, and a sweep must have a name."""
    monkeypatch.chdir(ROOT)

    assert refusal("predict", override, f"input={tmp_path}", "output=x") == message


@pytest.mark.parametrize(
    ("override", "message"),
    {
        "samples=-1": "samples=-1 must be at least 0.",
        "run=a.zip": "run=a.zip is a model archive; name the run that it was published from.",
        "run=best:": "run=best: must name a sweep, as in run=best:my_sweep.",
        "output=model": "output=model must end in .zip; try model.zip.",
        "name=a/b": f"name=a/b {NAME_RULE}",
        "name=..a": f"name=..a {NAME_RULE}",
        "alias=Latest": f"alias=Latest {ALIAS_RULE}",
        "alias=v2": f"alias=v2 {ALIAS_RULE}",
        "alias=''": f"alias= {ALIAS_RULE}",
    }.items(),
)
def test_publish_refuses_a_mistake(refusal, override, message):
    """MLflow would accept some of these names and fail to find the model later."""
    assert refusal("publish", *(["run=x"] if "run=" not in override else []), override) == message
