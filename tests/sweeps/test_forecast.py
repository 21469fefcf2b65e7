"""``sweep.plan=true`` prints what a sweep would take, and trains nothing."""

import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.sweeps import forecast
from gym.sweeps.forecast import PlannedTraining, forecast_sweep, interpolate_seconds, print_plan
from gym.sweeps.plan import PlannedRun
from gym.training.forecast import Forecast
from tests.app.commands import run_here

SMALL = (
    *("+debug=tiny", "model=simple_unet", "model.levels=1", "model.kernel=3", "training.threads=1", "sweep.name=mine"),
    "filters=2,4,6,8",
)


def trainings(*works):
    """Runs that are still to be trained, with these amounts of work."""
    return [
        PlannedTraining(PlannedRun(f"run{at}", f"f{at}", [], work=work), None, None, None)
        for at, work in enumerate(works)
    ]


@pytest.mark.parametrize(
    ("works", "timed"),
    [
        ((), []),
        ((5,), ["f0"]),
        ((5, 1), ["f0", "f1"]),
        ((5, 1, 9, 3, 7), ["f0", "f1", "f2"]),
        ((1, 1, 1), ["f0", "f1", "f2"]),
    ],
)
def test_the_smallest_the_largest_and_one_between_are_timed(monkeypatch, works, timed):
    """Timing all of them would take as long as some epochs."""
    monkeypatch.setattr(forecast, "_forecast_run", lambda training, threads: threads)

    assert forecast_sweep(trainings(*works), 3) == dict.fromkeys(sorted(timed), 3)


def test_the_table_has_a_row_per_run_and_a_total(capsys):
    """Others lie between the timed runs; two at a time take half as long, and twice the memory."""
    runs = trainings(1.0, 10.0, 100.0)
    timed = {
        "f0": Forecast(2, 3, 0.1, 1.0, 9.0, 1_000_000_000, 5_000_000),
        "f2": Forecast(2, 3, 0.4, 2.0, 28.0, 2_000_000_000, 9_000_000),
    }

    print_plan(runs, timed, done=4, workers=2)

    lines = capsys.readouterr().out.splitlines()
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]
    assert rows[0] == ["run0", "10 s", "1.0 GB", "5.0 MB"]
    assert rows[2] == ["run2", "30 s", "2.0 GB", "9.0 MB"]
    assert rows[1][1].startswith("~ ")
    assert 10 < int(rows[1][1].split()[1]) < 30
    assert lines[-1] == "~ is interpolated between runs whose steps were timed"
    assert lines[-2].startswith("3 runs to train, 4 finished: about ")
    assert lines[-2].endswith(" with 2 at a time on a machine like this one, up to 4.0 GB of memory and 27 MB on disk")


@given(st.lists(st.tuples(st.floats(1, 1e9), st.floats(0.1, 1e4)), min_size=1, max_size=5))
def test_timed_runs_are_interpolated(known):
    """Runs of equal work take equally long, and others as long as something between the fastest and the slowest."""
    predict = interpolate_seconds(known)
    seconds = [seconds for _, seconds in known]

    assert predict(0.0) <= max(seconds) * 1.001
    for work, own in known:
        equal = [other for other_work, other in known if other_work == work]
        assert min(seconds) * 0.999 <= predict(work) <= max(seconds) * 1.001
        if len(equal) == 1:
            assert predict(work) == pytest.approx(own, rel=1e-6)


def test_the_trials_of_a_search_lie_between_the_extremes(capsys):
    """Their time is a range."""
    runs = trainings(1.0, 100.0)
    timed = {
        "f0": Forecast(2, 3, 0.1, 1.0, 9.0, 1_000_000_000, 5_000_000),
        "f1": Forecast(2, 3, 0.4, 2.0, 28.0, 2_000_000_000, 9_000_000),
    }

    print_plan(runs, timed, done=0, workers=1, trials=6)

    assert capsys.readouterr().out.splitlines()[-1] == (
        "6 trials to train: about 1 min 00 s to 3 min 00 s on a machine like this one, up to 2.0 GB of memory and "
        "54 MB on disk"
    )


def test_a_finished_sweep_would_train_nothing(capsys):
    """The line says so."""
    print_plan([], {}, done=4, workers=1)

    assert (
        capsys.readouterr().out
        == "the command would train nothing: all of its runs (4) have finished or failed too often\n"
    )


def test_more_workers_than_runs_do_not_help(capsys):
    """Two runs take the memory of two; one that was interrupted has a part of its epochs left."""
    forecast = Forecast(2, 3, 0.1, 0.0, 10.0, 1_000_000_000, 5_000_000)

    print_plan(trainings(1.0, 1.0), dict.fromkeys(("f0", "f1"), forecast), done=0, workers=16, left={"f1": 0.2})

    lines = capsys.readouterr().out.splitlines()
    assert "│  2 s │" in lines[-3]
    assert lines[-1].startswith(
        "2 runs to train, 0 finished: about 10 s with 2 at a time on a machine like this one, up to 2.0"
    )


@pytest.mark.trains
@pytest.mark.parametrize("search", [(), ("hydra/sweeper=optuna", "search.trials=7")])
def test_a_plan_trains_and_records_nothing(tmp_path, search):
    """Neither a run nor a sweep is created; repeating it without ``sweep.plan`` would begin anew."""
    done = run_here("train", "-m", *SMALL, *search, "sweep.plan=true", f"outputs={tmp_path}")

    assert done.code == 0, done.err
    assert ("7 trials to train: about " if search else "4 runs to train, 0 finished: about ") in done.out
    assert [path.name for path in tmp_path.iterdir()] == ["stores"]


@pytest.mark.trains
def test_a_plan_leaves_out_finished_runs_and_keeps_the_data_type(tmp_path, monkeypatch, blank_pictures):
    """The ledger stays as it is."""
    arguments = ("train", "-m", *SMALL[:-1], f"outputs={tmp_path}")
    assert run_here(*arguments, "filters=2,4").code == 0
    ledger, record = tmp_path / "sweeps/mine/ledger.jsonl", tmp_path / "sweeps/mine/sweep.json"
    before = ledger.read_bytes(), json.loads(record.read_text())

    done = run_here(*arguments, "filters=2,4,6", "sweep.plan=true")

    assert "1 run to train, 2 finished: about " in done.out, done.err
    assert (ledger.read_bytes(), json.loads(record.read_text())) == before


@pytest.mark.parametrize("recorded", ["mixed_bfloat16", ""])
def test_auto_is_what_the_sweep_recorded_or_what_is_fast_here(monkeypatch, tmp_path, recorded):
    """A plan records nothing itself."""
    from gym.sweeps import precision

    monkeypatch.setattr(precision, "choose_precision", lambda threads: SimpleNamespace(precision="float32"))
    folder = SimpleNamespace(read_metadata=lambda: {"precision": recorded} if recorded else {})

    assert precision.known_precision(folder, 2) == (recorded or "float32")
