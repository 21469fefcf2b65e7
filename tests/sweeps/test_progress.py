"""Progress and time left of a sweep, checked against values computed by hand."""

import pytest

from gym.sweeps.ledger import EPOCH, FAILED, FINISHED, PRUNED, QUEUED, STARTED
from gym.sweeps.progress import Progress, Session, peak_concurrency

BEGIN = 1_771_000_000.0  # all times below are seconds after it


def queued(*numbers, **what):
    """Return the events of queued runs."""
    return [{"event": QUEUED, "job": number, "time": BEGIN, "name": f"run {number}", **what} for number in numbers]


def started(number, time, **what):
    return {"event": STARTED, "job": number, "time": BEGIN + time, "epochs": 15, **what}


def ended(number, time, event=FINISHED):
    return {"event": event, "job": number, "time": BEGIN + time}


def epochs(number, *times, after=0):
    """Return the epochs of a run that ended at the given times."""
    return [
        {"event": EPOCH, "job": number, "epoch": after + epoch, "time": BEGIN + time}
        for epoch, time in enumerate(times, start=1)
    ]


def progress(events, earlier=(), began=0.0, now=1000.0, **options):
    """Return the progress of a session after its events."""
    return Progress([*earlier, *events], Session(earlier, BEGIN + began, **options), BEGIN + now)


def states(progress):
    return [progress.states[job.number] for job in progress.jobs]


def test_each_run_has_exactly_one_state():
    """States are listed by run number and counted."""
    events = [*queued(4, 3, 2, 1, 0), started(0, 1), ended(0, 2), started(1, 3), ended(1, 4, FAILED)]
    now = progress([*events, started(2, 5), ended(2, 6, PRUNED), started(3, 7)])

    assert states(now) == ["done", "failed", "pruned", "running", "queued"]
    assert now.counts == {"done": 1, "failed": 1, "pruned": 1, "running": 1, "queued": 1}
    assert (now.total, now.ended) == (5, 3)
    assert [job.number for job in now.jobs_in("running", "failed")] == [1, 3]


def test_a_run_left_by_an_earlier_session_is_interrupted():
    """It is running again once this session resumes it."""
    earlier = [*queued(0, 1), started(0, 1), started(1, 2)]

    assert states(progress([], earlier)) == ["interrupted", "interrupted"]
    assert states(progress([started(1, 50, epoch=6)], earlier)) == ["interrupted", "running"]
    assert states(progress([started(1, 50), ended(1, 60)], earlier)) == ["interrupted", "done"]


def test_a_failed_run_stays_failed_until_it_is_retried():
    """It may have failed in an earlier session."""
    earlier = [*queued(0), started(0, 1), ended(0, 2, FAILED)]

    assert states(progress([], earlier)) == ["failed"]
    assert states(progress([started(0, 50)], earlier)) == ["running"]


def test_runs_of_other_commands_are_ignored():
    """The ledger may contain more runs than this command asks for."""
    now = progress([*queued(0, 1, 2, 3), started(2, 1)], numbers={1, 2})

    assert [job.number for job in now.jobs] == [1, 2]
    assert (now.total, now.counts["queued"]) == (2, 1)


def test_runs_that_are_not_queued_yet_are_counted():
    """A search knows its number of trials but queues them one by one."""
    now = progress([*queued(0, 1), started(0, 0), ended(0, 60), started(1, 60)], runs=40, now=60.0)

    assert (now.total, now.ended, now.counts["queued"]) == (40, 1, 38)
    assert now.seconds_left() == 39 * 60


# --- throughput


def test_throughput_covers_only_completed_runs_of_this_session():
    """Two runs in ten minutes are twelve per hour; failed and earlier runs do not count."""
    earlier = [*queued(0, 1, 2, 3, 4), started(0, 10), ended(0, 20)]
    events = [started(1, 100), ended(1, 300), started(2, 300), ended(2, 600), started(3, 600), ended(3, 650, FAILED)]

    assert progress(events, earlier, began=100.0, now=700.0).runs_per_hour() == 12.0
    assert progress([], earlier, began=100.0, now=700.0).runs_per_hour() == 0.0


def test_throughput_is_limited_just_after_the_start():
    """Less than a second counts as one second, even if the clock goes back."""
    events = [*queued(0), started(0, 0), ended(0, 0.1)]

    assert progress(events, now=0.1).runs_per_hour() == 3600.0
    assert progress(events, began=50.0, now=40.0).runs_per_hour() == 3600.0


# --- time left


def test_time_left_is_unknown_before_any_measurement():
    """A failed run provides no measurement."""
    assert progress([*queued(0, 1), started(0, 0)]).seconds_left() is None
    assert progress([*queued(0, 1), started(0, 0), ended(0, 3, FAILED)]).seconds_left() is None
    assert progress([*queued(0, 1), started(0, 0)]).format_time_left() == ""


def test_sequential_runs_add_up():
    """After runs of 100 and 200 s, one running for 30 s needs 120 s more, and two queued ones 150 s each."""
    done = [started(0, 0), ended(0, 100), started(1, 100), ended(1, 300)]
    now = progress([*queued(0, 1, 2, 3, 4), *done, started(2, 300)], now=330.0)

    assert now.seconds_left() == 120 + 2 * 150


def test_parallel_runs_share_the_time_left():
    """Two running for 30 s of 100 s and three queued: (2 x 70 + 3 x 100) / 2."""
    done = [started(0, 0), started(1, 0), ended(0, 100), ended(1, 100)]
    events = [*queued(*range(7)), *done, started(2, 100), started(3, 100)]

    assert progress(events, now=130.0).seconds_left() == (2 * 70 + 3 * 100) / 2
    between = [*queued(*range(7)), *done, started(2, 100)]  # the second has just ended
    assert progress(between, now=130.0).seconds_left() == (70 + 4 * 100) / 2


def test_the_last_run_cannot_be_shared():
    """It takes its full time even though two runs were in progress before."""
    events = [*queued(0, 1, 2), started(0, 0), started(1, 0), ended(0, 100), ended(1, 100), started(2, 100)]

    assert progress(events, now=110.0).seconds_left() == 90.0


def test_time_left_is_never_negative():
    """A run that exceeds its prediction may end at any moment."""
    events = [*queued(0, 1), started(0, 0), ended(0, 100), started(1, 100)]

    assert progress(events, now=500.0).seconds_left() == 0.0


def test_earlier_sessions_provide_measurements():
    """A resumed session knows the time left immediately, including interrupted runs."""
    earlier = [*queued(0, 1, 2), started(0, 0), ended(0, 100), started(1, 100)]

    assert progress([], earlier, began=5000.0, now=5000.0).seconds_left() == 200.0


def test_pruned_runs_shorten_the_estimate():
    """They enter the mean with their short duration."""
    events = [*queued(0, 1, 2), started(0, 0), ended(0, 100), started(1, 100), ended(1, 150, PRUNED)]

    assert progress(events, now=150.0).seconds_left() == 75.0


def test_a_running_run_is_extrapolated_from_its_pace():
    """The first of 15 epochs took 30 s, two more took 10 s each, the fourth is 4 s old: 12 x 10 - 4."""
    events = [*queued(0), started(0, 0), *epochs(0, 30, 40, 50)]

    assert progress(events, now=54.0).seconds_left() == 116.0
    assert progress([*queued(0), started(0, 0), *epochs(0, 30)], now=54.0).seconds_left() is None


def test_a_resumed_run_is_extrapolated_from_its_new_epochs():
    """After 10 earlier and 2 new epochs of 10 s each, 3 are left."""
    events = [*queued(0), started(0, 900, epoch=10), *epochs(0, 930, 940, after=10)]

    assert progress(events, now=940.0).seconds_left() == 30.0


def test_running_runs_predict_waiting_ones():
    """A run of 30 + 14 x 10 = 170 s predicts runs of equal, fourfold and a quarter of its work."""
    under_way = [started(0, 0), *epochs(0, 30, 40)]
    others = [*queued(1, work=8.0), *queued(2, work=32.0), *queued(3, work=2.0)]

    left = progress([*queued(0, work=8.0), *others, *under_way], now=40.0).seconds_left()

    assert left == pytest.approx(130 + 170 + 340 + 85)


def test_early_stopping_of_finished_runs_shortens_the_estimate():
    """A run stopped after 6 of 15 epochs; it says nothing about a run that is past its sixth epoch."""
    done = [started(0, 0), *epochs(0, 10, 20, 30, 40, 50, 60), ended(0, 70)]
    events = [*queued(0, 1), *done, started(1, 70), *epochs(1, 80, 90, 100, 110)]

    assert progress(events, now=110.0).seconds_left() == 20.0
    assert progress([*events, *epochs(1, 120, 130, after=4)], now=130.0).seconds_left() == 90.0


def test_a_running_run_refines_the_prediction_of_a_finished_one():
    """A small run took 100 s; by its pace, one of 36 times the work takes 160 s."""
    small = [*queued(0, work=1.0), started(0, 0), ended(0, 100)]
    large = [*queued(1, 2, 3, 4, work=36.0), started(1, 100), *epochs(1, 120, 130)]

    left = progress([*small, *large], now=130.0).seconds_left()

    assert left == pytest.approx(130 + 3 * 160, rel=0.3)


@pytest.mark.parametrize("is_ended", [False, True])
def test_a_resumed_run_is_scaled_to_all_epochs(is_ended):
    """Five epochs of 15 took 30 + 4 x 10 s, so all of them take three times as long."""
    times = [930, 940, 950, 960, 970] if is_ended else [930, 940]
    events = [*queued(0, 1), started(0, 900, epoch=10), *epochs(0, *times, after=10)]
    events += [ended(0, 970)] if is_ended else []

    assert progress(events, now=970.0 if is_ended else 940.0).seconds_left() == (210 if is_ended else 30 + 210)


def test_a_resumed_run_without_new_epochs_is_not_a_measurement():
    """It was only evaluated again."""
    events = [*queued(0, 1), started(0, 900, epoch=15), ended(0, 903)]

    assert progress(events, now=903.0).seconds_left() is None


def test_epochs_of_an_interrupted_run_are_not_counted_again():
    """With 12 of 15 epochs done, a fifth of 100 s is left, before and after it resumes."""
    done = [started(0, 0), ended(0, 100), started(1, 100), *epochs(1, *range(110, 122))]
    earlier = [*queued(0, 1), *done]

    assert progress([], earlier, began=500.0, now=500.0).seconds_left() == pytest.approx(20.0)
    assert progress([started(1, 500, epoch=12)], earlier, began=500.0, now=504.0).seconds_left() == pytest.approx(16.0)


@pytest.mark.parametrize(("skew", "left"), [(0.0, 116.0), (600.0, 120.0), (-3600.0, 110.0)])
def test_differing_clocks_shift_the_estimate_by_at_most_one_epoch(skew, left):
    """The clock of a worker's machine may be ahead or behind."""
    events = [*queued(0), started(0, skew), *epochs(0, skew + 30, skew + 40, skew + 50)]

    assert progress(events, now=54.0).seconds_left() == left


def test_unqueued_trials_are_predicted_to_take_the_mean():
    """Work of 1 and 10,000 took 10 and 1,000 s, so ten more trials take 505 s each."""
    done = [started(0, 0), ended(0, 10), started(1, 10), ended(1, 1010)]
    known = progress([*queued(0, work=1.0), *queued(1, work=1e4), *done], runs=12, now=1010.0)
    unknown = progress([*queued(0, 1), *done], runs=12, now=1010.0)
    mixed = progress([*queued(0), *queued(1, work=1e4), *done], runs=12, now=1010.0)

    assert known.seconds_left() == pytest.approx(5050.0)
    assert unknown.seconds_left() == pytest.approx(5050.0)
    assert mixed.seconds_left() == pytest.approx(10 * (505.0 + 1000.0) / 2)


def test_a_run_that_never_started_is_not_a_measurement():
    """A trial may have copied the scores of an equal one."""
    events = [*queued(0, 1, 2), started(0, 0), ended(0, 100), ended(1, 100)]

    assert progress(events, now=100.0).seconds_left() == 100.0


@pytest.mark.parametrize(
    ("took", "words"),
    [
        (20, "less than a minute left"),
        (31, "about 1 min left"),
        (715, "about 12 min left"),
        (3590, "about 1 h 00 min left"),
        (11100, "about 3 h 05 min left"),
    ],
)
def test_time_left_is_rounded(took, words):
    """The precision matches that of the estimate."""
    events = [*queued(0, 1), started(0, 0), ended(0, took)]

    assert progress(events, now=took).format_time_left() == words


def test_time_left_is_empty_at_the_end():
    """Failed runs have ended, too."""
    assert (
        progress([*queued(0, 1), started(0, 0), ended(0, 9), started(1, 9), ended(1, 9, FAILED)]).format_time_left()
        == ""
    )


def test_peak_concurrency_counts_each_run_once():
    """An ended run makes room; a run resumed after its worker was killed counts once."""
    events = [started(0, 0), started(1, 0), ended(0, 1), started(2, 2), ended(1, 3, FAILED), ended(2, 4, PRUNED)]
    epoch = {"event": EPOCH, "job": 9, "epoch": 1, "iou": 0.5}

    assert peak_concurrency([]) == 0
    assert peak_concurrency([*events, epoch, started(3, 5)]) == 2
    assert peak_concurrency([started(0, 0), started(0, 1), started(1, 2)]) == 2
