"""How far a sweep is, worked out by hand from events with fixed times."""

import pytest

from gym.sweeps.ledger import EPOCH, FAILED, FINISHED, PRUNED, QUEUED, STARTED
from gym.sweeps.progress import Progress, begin_session, most_at_once

BEGIN = 1_771_000_000.0  # all times below are seconds after it


def queued(*numbers, **what):
    """Runs in the queue."""
    return [{"event": QUEUED, "job": number, "time": BEGIN, "name": f"run {number}", **what} for number in numbers]


def started(number, time, **what):
    return {"event": STARTED, "job": number, "time": BEGIN + time, "epochs": 15, **what}


def ended(number, time, event=FINISHED):
    return {"event": event, "job": number, "time": BEGIN + time}


def epochs(number, *times, after=0):
    """Epochs of a run that ended at some times."""
    return [
        {"event": EPOCH, "job": number, "epoch": after + epoch, "time": BEGIN + time}
        for epoch, time in enumerate(times, start=1)
    ]


def progress(events, earlier=(), began=0.0, now=1000.0, **options):
    """How a session stands after its events."""
    return Progress([*earlier, *events], begin_session(earlier, BEGIN + began, **options), BEGIN + now)


def states(progress):
    return [progress.states[job.number] for job in progress.jobs]


def test_each_run_is_in_one_state():
    """By number, and counted."""
    events = [*queued(4, 3, 2, 1, 0), started(0, 1), ended(0, 2), started(1, 3), ended(1, 4, FAILED)]
    now = progress([*events, started(2, 5), ended(2, 6, PRUNED), started(3, 7)])

    assert states(now) == ["done", "failed", "pruned", "running", "queued"]
    assert now.counts == {"done": 1, "failed": 1, "pruned": 1, "running": 1, "queued": 1}
    assert (now.total, now.ended) == (5, 3)
    assert [job.number for job in now.of("running", "failed")] == [1, 3]


def test_what_an_earlier_session_left_under_way_is_interrupted():
    """Until this one takes it up."""
    earlier = [*queued(0, 1), started(0, 1), started(1, 2)]

    assert states(progress([], earlier)) == ["interrupted", "interrupted"]
    assert states(progress([started(1, 50, epoch=6)], earlier)) == ["interrupted", "running"]
    assert states(progress([started(1, 50), ended(1, 60)], earlier)) == ["interrupted", "done"]


def test_a_failed_run_stays_failed_until_it_is_tried_again():
    """Also if it failed in an earlier session."""
    earlier = [*queued(0), started(0, 1), ended(0, 2, FAILED)]

    assert states(progress([], earlier)) == ["failed"]
    assert states(progress([started(0, 50)], earlier)) == ["running"]


def test_only_the_runs_of_a_session_count():
    """Where the ledger holds others, of another command."""
    now = progress([*queued(0, 1, 2, 3), started(2, 1)], only={1, 2})

    assert [job.number for job in now.jobs] == [1, 2]
    assert (now.total, now.counts["queued"]) == (2, 1)


def test_runs_that_are_not_queued_yet_count_too():
    """A search queues one after the other, and knows how many there will be."""
    now = progress([*queued(0, 1), started(0, 0), ended(0, 60), started(1, 60)], runs=40, now=60.0)

    assert (now.total, now.ended, now.counts["queued"]) == (40, 1, 38)
    assert now.seconds_left() == 39 * 60


# --- throughput


def test_runs_per_hour_are_those_of_this_session():
    """Two in ten minutes are twelve an hour; what was done before does not count, nor what failed."""
    earlier = [*queued(0, 1, 2, 3, 4), started(0, 10), ended(0, 20)]
    events = [started(1, 100), ended(1, 300), started(2, 300), ended(2, 600), started(3, 600), ended(3, 650, FAILED)]

    assert progress(events, earlier, began=100.0, now=700.0).runs_per_hour() == 12.0
    assert progress([], earlier, began=100.0, now=700.0).runs_per_hour() == 0.0


def test_a_session_that_just_began_has_no_absurd_throughput():
    """Less than a second counts as one, also where a clock goes back."""
    events = [*queued(0), started(0, 0), ended(0, 0.1)]

    assert progress(events, now=0.1).runs_per_hour() == 3600.0
    assert progress(events, began=50.0, now=40.0).runs_per_hour() == 3600.0


# --- time left


def test_nothing_tells_how_long_the_first_run_takes():
    """Nor does a run that failed."""
    assert progress([*queued(0, 1), started(0, 0)]).seconds_left() is None
    assert progress([*queued(0, 1), started(0, 0), ended(0, 3, FAILED)]).seconds_left() is None
    assert progress([*queued(0, 1), started(0, 0)]).time_left() == ""


def test_one_after_the_other_time_left_is_that_of_each():
    """Runs took 100 and 200 s: one under way for 30 s wants 120 more, two in the queue 150 each."""
    done = [started(0, 0), ended(0, 100), started(1, 100), ended(1, 300)]
    now = progress([*queued(0, 1, 2, 3, 4), *done, started(2, 300)], now=330.0)

    assert now.seconds_left() == 120 + 2 * 150


def test_runs_at_once_share_what_is_left():
    """Two under way for 30 s of 100, three in the queue: 2 x 70 + 3 x 100, by two."""
    done = [started(0, 0), started(1, 0), ended(0, 100), ended(1, 100)]
    events = [*queued(*range(7)), *done, started(2, 100), started(3, 100)]

    assert progress(events, now=130.0).seconds_left() == (2 * 70 + 3 * 100) / 2
    between = [*queued(*range(7)), *done, started(2, 100)]  # the second has just ended
    assert progress(between, now=130.0).seconds_left() == (70 + 4 * 100) / 2


def test_the_last_run_is_not_shared():
    """Though two were under way before, the last one takes its time."""
    events = [*queued(0, 1, 2), started(0, 0), started(1, 0), ended(0, 100), ended(1, 100), started(2, 100)]

    assert progress(events, now=110.0).seconds_left() == 90.0


def test_what_takes_longer_than_others_may_end_at_any_time():
    """Less than nothing is not left."""
    events = [*queued(0, 1), started(0, 0), ended(0, 100), started(1, 100)]

    assert progress(events, now=500.0).seconds_left() == 0.0


def test_earlier_sessions_tell_how_long_a_run_takes():
    """A session that goes on knows the time left at once; what is interrupted is still to be made."""
    earlier = [*queued(0, 1, 2), started(0, 0), ended(0, 100), started(1, 100)]

    assert progress([], earlier, began=5000.0, now=5000.0).seconds_left() == 200.0


def test_pruned_runs_count_with_their_time():
    """A search that prunes half of its runs is twice as fast."""
    events = [*queued(0, 1, 2), started(0, 0), ended(0, 100), started(1, 100), ended(1, 150, PRUNED)]

    assert progress(events, now=150.0).seconds_left() == 75.0


def test_a_run_under_way_goes_on_at_its_pace():
    """Of 15 epochs the first took 30 s, two more 10 s each, and the fourth is 4 s old: 12 x 10 - 4."""
    events = [*queued(0), started(0, 0), *epochs(0, 30, 40, 50)]

    assert progress(events, now=54.0).seconds_left() == 116.0
    assert progress([*queued(0), started(0, 0), *epochs(0, 30)], now=54.0).seconds_left() is None


def test_a_run_that_goes_on_has_the_pace_of_what_it_made_since():
    """Ten epochs were made before: 3 are left after 2 more, 10 s each."""
    events = [*queued(0), started(0, 900, epoch=10), *epochs(0, 930, 940, after=10)]

    assert progress(events, now=940.0).seconds_left() == 30.0


def test_runs_under_way_tell_about_those_that_wait():
    """A run of 30 + 14 x 10 = 170 s tells of one like it, of one with four times its work, one with a quarter."""
    under_way = [started(0, 0), *epochs(0, 30, 40)]
    others = [*queued(1, work=8.0), *queued(2, work=32.0), *queued(3, work=2.0)]

    left = progress([*queued(0, work=8.0), *others, *under_way], now=40.0).seconds_left()

    assert left == pytest.approx(130 + 170 + 340 + 85)


def test_runs_that_finished_early_tell_when_others_may():
    """After 6 of 15 epochs: of one under way, two epochs of 10 s are left after the fourth, but of a longer one all."""
    done = [started(0, 0), *epochs(0, 10, 20, 30, 40, 50, 60), ended(0, 70)]
    events = [*queued(0, 1), *done, started(1, 70), *epochs(1, 80, 90, 100, 110)]

    assert progress(events, now=110.0).seconds_left() == 20.0
    assert progress([*events, *epochs(1, 120, 130, after=4)], now=130.0).seconds_left() == 90.0


def test_a_run_under_way_tells_though_another_has_ended():
    """A small run took 100 s; the first of four large ones, of 36 times the work, takes 160 s by its pace."""
    small = [*queued(0, work=1.0), started(0, 0), ended(0, 100)]
    large = [*queued(1, 2, 3, 4, work=36.0), started(1, 100), *epochs(1, 120, 130)]

    left = progress([*small, *large], now=130.0).seconds_left()

    assert left == pytest.approx(130 + 3 * 160, rel=0.3)


@pytest.mark.parametrize("is_ended", [False, True])
def test_a_run_that_went_on_tells_of_a_whole_one(is_ended):
    """Five epochs of 15 took 30 + 4 x 10 s: a whole one takes three times as long."""
    times = [930, 940, 950, 960, 970] if is_ended else [930, 940]
    events = [*queued(0, 1), started(0, 900, epoch=10), *epochs(0, *times, after=10)]
    events += [ended(0, 970)] if is_ended else []

    assert progress(events, now=970.0 if is_ended else 940.0).seconds_left() == (210 if is_ended else 30 + 210)


def test_a_run_of_which_nothing_was_left_to_make_tells_nothing():
    """It was only scored anew."""
    events = [*queued(0, 1), started(0, 900, epoch=15), ended(0, 903)]

    assert progress(events, now=903.0).seconds_left() is None


def test_what_is_interrupted_has_less_left():
    """A run takes 100 s, and 12 of 15 epochs were made of the next: a fifth is left, also once it goes on."""
    done = [started(0, 0), ended(0, 100), started(1, 100), *epochs(1, *range(110, 122))]
    earlier = [*queued(0, 1), *done]

    assert progress([], earlier, began=500.0, now=500.0).seconds_left() == pytest.approx(20.0)
    assert progress([started(1, 500, epoch=12)], earlier, began=500.0, now=504.0).seconds_left() == pytest.approx(16.0)


@pytest.mark.parametrize(("skew", "left"), [(0.0, 116.0), (600.0, 120.0), (-3600.0, 110.0)])
def test_clocks_that_differ_mislead_by_an_epoch_at_most(skew, left):
    """Of a run on a machine whose clock is ahead, or behind."""
    events = [*queued(0), started(0, skew), *epochs(0, skew + 30, skew + 40, skew + 50)]

    assert progress(events, now=54.0).seconds_left() == left


def test_trials_to_come_take_what_those_known_do():
    """Whose work may be known or not; works of 1 and 10,000 took 10 and 1,000 s, so ten to come take 505 s each."""
    done = [started(0, 0), ended(0, 10), started(1, 10), ended(1, 1010)]
    known = progress([*queued(0, work=1.0), *queued(1, work=1e4), *done], runs=12, now=1010.0)
    unknown = progress([*queued(0, 1), *done], runs=12, now=1010.0)
    mixed = progress([*queued(0), *queued(1, work=1e4), *done], runs=12, now=1010.0)

    assert known.seconds_left() == pytest.approx(5050.0)
    assert unknown.seconds_left() == pytest.approx(5050.0)
    assert mixed.seconds_left() == pytest.approx(10 * (505.0 + 1000.0) / 2)


def test_what_ended_without_having_been_started_tells_nothing():
    """As a trial that was given the scores of another."""
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
def test_time_left_in_words(took, words):
    """As coarse as it is known: one more run of as many seconds."""
    events = [*queued(0, 1), started(0, 0), ended(0, took)]

    assert progress(events, now=took).time_left() == words


def test_nothing_is_left_at_the_end():
    """Failed runs have ended too."""
    assert progress([*queued(0, 1), started(0, 0), ended(0, 9), started(1, 9), ended(1, 9, FAILED)]).time_left() == ""


def test_the_most_at_once():
    """What ends makes room; a run that a killed worker left and another took up counts once."""
    events = [started(0, 0), started(1, 0), ended(0, 1), started(2, 2), ended(1, 3, FAILED), ended(2, 4, PRUNED)]
    epoch = {"event": EPOCH, "job": 9, "epoch": 1, "iou": 0.5}

    assert most_at_once([]) == 0
    assert most_at_once([*events, epoch, started(3, 5)]) == 2
    assert most_at_once([started(0, 0), started(0, 1), started(1, 2)]) == 2
