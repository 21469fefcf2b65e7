"""Servers and runs are looked up before TensorFlow is imported and data are prepared."""

import pytest

from gym.core.errors import RunError
from gym.runs.tracking_uri import NoAnswerError
from tests.app.commands import heavy_imports, run_here

DEAD = "tracking.uri=http://127.0.0.1:9"  # the discard port, on which nothing listens


@pytest.mark.parametrize(
    "command",
    [
        ("train",),
        ("train", "-m", "model=unet,resunet"),
        ("train", "-m", "hydra/sweeper=optuna", "model.dropout=interval(0,0.4)"),
        ("evaluate", "run=x"),
        ("evaluate", "run=[x,best:y]"),
        ("predict", "run=models:/x@champion", "input=docs", "output=b"),
        ("publish", "run=x"),
        ("report", "run=x"),
        ("report", "sweep=x"),
    ],
)
def test_a_dead_server_is_found_before_anything_else(command, tmp_path):
    """By every command; no dataset is built."""
    done = run_here(*command, DEAD, f"outputs={tmp_path / 'outputs'}")

    assert done.code == 1
    assert done.err == (
        "error: MLflow at http://127.0.0.1:9 does not answer (Connection refused); start the server, or correct "
        "tracking.uri.\n"
    )
    assert not (tmp_path / "outputs").exists()


@pytest.mark.process
@pytest.mark.parametrize(
    "command",
    [
        ("evaluate", "run=nosuch"),
        ("evaluate", "run=best:nosuch"),
        ("predict", "run=models:/nosuch@champion", "input=a", "output=b"),
        ("publish", "run=nosuch"),
        ("report", "run=nosuch"),
        ("report", "sweep=nosuch"),
        ("train", "tracking.uri=mlruns"),
    ],
)
def test_what_does_not_exist_is_found_without_tensorflow(command, golden_run):
    """A typing error costs no import of TensorFlow."""
    assert not {"keras", "tensorflow"} & heavy_imports(*command, f"outputs={golden_run.outputs}")


def test_the_api_looks_up_a_run_first(tmp_path):
    """`gym.load` refuses what does not exist as the commands do."""
    import gym

    with pytest.raises(NoAnswerError, match="does not answer"):
        gym.load("x", outputs=tmp_path, tracking_uri="http://127.0.0.1:9")
    with pytest.raises(RunError, match=r"has no mlflow\.db"):
        gym.load("x", outputs=tmp_path)


def test_a_missing_environment_variable_is_named(monkeypatch, tmp_path):
    """With the command that sets it."""
    monkeypatch.delenv("TRACKING_PLACE", raising=False)
    done = run_here("train", "tracking.uri=${oc.env:TRACKING_PLACE}", f"outputs={tmp_path}")

    assert (done.code, done.err) == (
        1,
        "error: tracking.uri reads the environment variable TRACKING_PLACE, which is not set; run: export "
        "TRACKING_PLACE=VALUE\n",
    )


@pytest.mark.parametrize("key", ["outputs", "data.images.0", "name"])
def test_any_key_may_read_an_environment_variable(key, monkeypatch, tmp_path):
    """The message names the key."""
    monkeypatch.delenv("PLACE", raising=False)
    value = "[${oc.env:PLACE}]" if key == "data.images.0" else "${oc.env:PLACE}"
    done = run_here("train", f"{key.removesuffix('.0')}={value}")

    assert done.code == 1
    assert "reads the environment variable PLACE, which is not set; run: export PLACE=VALUE" in done.err
