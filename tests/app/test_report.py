"""Training curves are read from MLflow as far as they were logged."""

from types import SimpleNamespace

from gym.app.report import read_curve
from gym.reporting.training_curves import RunCurve, draw_sweep_curves
from gym.training.checkpoint import MLFLOW_NAMES, Epoch


def logged(params):
    """Return an MLflow record of a run."""
    return SimpleNamespace(
        info=SimpleNamespace(run_id="0", run_name="unet cce f4"), data=SimpleNamespace(params=params, tags={})
    )


def client_of(epochs):
    """Return a client that has logged some epochs, whose values are their numbers."""
    metrics = [SimpleNamespace(step=number, value=float(number)) for number in range(1, epochs + 1)]
    return SimpleNamespace(get_metric_history=lambda run_id, name: metrics if name in MLFLOW_NAMES.values() else [])


def test_a_curve_is_read_with_its_architecture_loss_and_filters():
    """Settings get their types, and progress is reported."""
    steps = []
    run = logged({"model.name": "resunet", "loss.name": "dice", "model.filters": "4"})

    curve = read_curve(client_of(2), run, True, steps.append)

    assert curve == RunCurve("resunet", "dice", 4, [Epoch(1, *[1.0] * 6), Epoch(2, *[2.0] * 6)], True)
    assert steps == ["reading unet cce f4"]


def test_a_run_interrupted_at_its_start_has_no_curve():
    """Its settings were not logged either, and it does not appear in figures."""
    empty = read_curve(client_of(0), logged({}), False, lambda words: None)

    assert empty.epochs == []
    assert draw_sweep_curves([empty]).axes == []
