"""What a report is made from is read from MLflow as far as it is there."""

from types import SimpleNamespace

from gym.app.report import curve_of
from gym.reporting.training_curves import RunCurve, draw_sweep_curves
from gym.training.checkpoint import MLFLOW_NAMES, Epoch


def logged(params):
    """A run in MLflow."""
    return SimpleNamespace(
        info=SimpleNamespace(run_id="0", run_name="unet cce f4"), data=SimpleNamespace(params=params, tags={})
    )


def client_of(epochs):
    """A client that knows so many epochs, whose values are their numbers."""
    metrics = [SimpleNamespace(step=number, value=float(number)) for number in range(1, epochs + 1)]
    return SimpleNamespace(get_metric_history=lambda run_id, name: metrics if name in MLFLOW_NAMES.values() else [])


def test_a_curve_is_read_with_what_tells_it_from_others():
    """Architecture, loss and filters, by their types; and what is under way is told."""
    told = []
    run = logged({"model.name": "resunet", "loss.name": "dice", "model.filters": "4"})

    curve = curve_of(client_of(2), run, True, told.append)

    assert curve == RunCurve("resunet", "dice", 4, [Epoch(1, *[1.0] * 6), Epoch(2, *[2.0] * 6)], True)
    assert told == ["reading unet cce f4"]


def test_a_run_that_was_cut_off_at_its_start_has_no_curve():
    """Not even its settings were logged; the others are drawn."""
    empty = curve_of(client_of(0), logged({}), False, lambda words: None)

    assert empty.epochs == []
    assert draw_sweep_curves([empty]).axes == []
