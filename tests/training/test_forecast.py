"""A training says what it will take from timed steps of its own, which leave no trace."""

import logging
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gym.app import train
from gym.app.train import run_experiment
from gym.core.errors import ConfigError
from gym.runs.result import find_result
from gym.training import forecast
from gym.training.forecast import Forecast, peak_memory, time_steps, unchanged, warn_if_disk_is_small
from gym.training.loop import compile_model

TINY = ("+debug=tiny", "model=unet", "model.levels=1", "model.kernel=3", "training.epochs=2")


def test_a_forecast_is_one_line():
    """It gives times, memory and disk in readable units."""
    assert str(Forecast(15, 38, 0.1712, 4.0, 102.4, 2_140_000_000, 72_700_000)) == (
        "about 1 min 42 s for all epochs (15 epochs of 38 steps at 0.17 s, and validation), 2.1 GB of memory, "
        "73 MB on disk"
    )
    assert "(1 epoch of 1 step at 3 s, and" in str(Forecast(1, 1, 3.0, 1.0, 3.0, 1000, 1000))


@pytest.mark.trains
def test_a_run_says_what_it_takes_before_it_starts(configure, caplog, blank_pictures):
    """The forecast is logged before the first epoch, and changes nothing, to the last bit."""
    caplog.set_level(logging.INFO)
    forecasts = []
    original = train.forecast_training
    made_up = Forecast(1, 1, 1.0, 1.0, 1.0, 1000, 1000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "print_result", lambda *parts: None)
        patch.setattr(train, "forecast_training", lambda *parts: made_up)
        without = run_experiment(configure(*TINY))  # first, so that it traces its own graphs
        patch.setattr(train, "forecast_training", lambda *parts: forecasts.append(original(*parts)) or forecasts[-1])
        with_forecast = run_experiment(configure(*TINY))

    (taken,) = forecasts
    assert (taken.epochs, taken.steps) == (2, 3)
    assert 0 < taken.step < 60
    assert 0 < taken.start < 60
    assert taken.seconds >= 2 * 3 * taken.step
    assert 1e8 < taken.memory < 1e11
    parameters = with_forecast.scores["parameters"]
    assert taken.disk > 4 * 5 * parameters
    assert f"unet cce f2: {taken}" in caplog.messages
    assert with_forecast.weights_sha256 == without.weights_sha256
    same = {name: score for name, score in with_forecast.scores.items() if name != "seconds"}
    assert same == {name: score for name, score in without.scores.items() if name != "seconds"}


@pytest.mark.trains
def test_a_resumed_run_is_not_timed_again(configure, tmp_path, monkeypatch, blank_pictures):
    """Its pace shows after the next epoch, and timing would delay it."""

    def stop(epoch):
        raise KeyboardInterrupt

    config = configure(*TINY)
    spec = train.plan_run(config, tmp_path / "runs")
    with pytest.raises(KeyboardInterrupt):
        train.execute_run(config, spec, on_epoch=stop)
    monkeypatch.setattr(train, "forecast_training", lambda *parts: pytest.fail("timed again"))

    train.execute_run(config, spec)

    assert find_result(spec.folder).scores["stopping_epoch"] == 2


def test_a_plan_needs_a_sweep(configure):
    """A single run would be trained otherwise."""
    with pytest.raises(ConfigError, match=r"^sweep\.plan=true plans a sweep, but this trains one run; add -m, or leav"):
        run_experiment(configure("sweep.plan=true"))


def test_a_model_is_unchanged_after_steps(tiny_model):
    """Weights, batch statistics, moments of Adam and metrics are restored, also after an error."""
    images, labels = np.ones((2, 8, 8, 3), np.float32), np.zeros((2, 8, 8), np.uint8)
    tiny_model.train_on_batch(images, labels)
    before = [variable.numpy() for variable in (*tiny_model.variables, *tiny_model.optimizer.variables)]

    with unchanged(tiny_model):
        tiny_model.train_on_batch(images, labels)
        now = [variable.numpy() for variable in tiny_model.variables]
    with pytest.raises(ZeroDivisionError), unchanged(tiny_model):
        tiny_model.optimizer.iterations.assign(0 // 0)

    assert not all(map(np.array_equal, before, now))
    for old, new in zip(before, (*tiny_model.variables, *tiny_model.optimizer.variables), strict=True):
        np.testing.assert_array_equal(old, new.numpy())


@pytest.fixture
def tiny_model():
    """A compiled network of one convolution with batch normalisation."""
    import keras

    from gym.config.schema import OptimizerConfig

    images = keras.Input((8, 8, 3))
    maps = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, padding="same")(images))
    network = keras.Model(images, keras.layers.Conv2D(2, 1, activation="softmax", dtype="float32")(maps))
    return compile_model(network, OptimizerConfig(), "cce", [1.0, 1.0])


def test_the_median_of_timed_steps_is_robust(monkeypatch):
    """One slow step of several does not count; ten steps are enough."""
    clock = iter(np.cumsum([0, 0.01, 0, 0.01, 0, 0.2, 0, 0.01, 0, 0.01] + [0, 0.01] * 10))
    monkeypatch.setattr(forecast.time, "perf_counter", lambda: float(next(clock)))
    calls = []

    assert time_steps(lambda _: calls.append(1) or {}, None) == pytest.approx(0.01)
    assert len(calls) == 10


def test_half_a_second_of_steps_is_enough(monkeypatch):
    """Large networks take seconds for a step."""
    clock = iter(np.cumsum([0.0, 0.3] * 9))
    monkeypatch.setattr(forecast.time, "perf_counter", lambda: float(next(clock)))
    calls = []

    assert time_steps(lambda _: calls.append(1) or {}, None) == pytest.approx(0.3)
    assert len(calls) == 2


@pytest.mark.parametrize(("platform", "factor"), [("linux", 1024), ("darwin", 1)])
def test_peak_memory_is_in_bytes(monkeypatch, platform, factor):
    """Linux counts in KiB."""
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(forecast.resource, "getrusage", lambda _: SimpleNamespace(ru_maxrss=7))

    assert peak_memory() == 7 * factor


@pytest.mark.parametrize(("free", "warns"), [(99, True), (100, False)])
def test_a_small_disk_is_announced(monkeypatch, tmp_path, caplog, free, warns):
    """The folder of the run need not exist yet."""
    seen = []
    monkeypatch.setattr(forecast.shutil, "disk_usage", lambda place: seen.append(place) or SimpleNamespace(free=free))

    warn_if_disk_is_small(tmp_path / "runs" / "abc", 100)

    assert seen == [Path(tmp_path)]
    assert ("the run needs up to" in caplog.text) == warns
