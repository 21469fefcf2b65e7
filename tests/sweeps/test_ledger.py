"""The record of a sweep: nothing written is lost, whoever writes and whenever they are killed."""

import json
import math
import multiprocessing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gym.sweeps.ledger import EPOCH, FAILED, FINISHED, PRUNED, QUEUED, STARTED, Job, Ledger, standing

UNET = {"fingerprint": "3f" * 32, "name": "unet cce f2", "overrides": ["model=unet", "filters=2"]}
RESUNET = {"fingerprint": "a0" * 32, "name": "resunet cce f2", "overrides": ["model=resunet", "filters=2"]}

SWEEP = [
    {"event": QUEUED, "job": 0, "time": 100.0, **UNET},
    {"event": QUEUED, "job": 1, "time": 100.5, **RESUNET},
    {"event": STARTED, "job": 0, "time": 101.0, "epochs": 15},
    {"event": EPOCH, "job": 0, "time": 110.0, "epoch": 1, "iou": 0.25},
    {"event": EPOCH, "job": 0, "time": 120.0, "epoch": 2, "iou": 0.5},
    {"event": FINISHED, "job": 0, "time": 125.0, "scores": {"iou": 0.5, "kld": 0.125}, "run_id": "f00d"},
    {"event": STARTED, "job": 1, "time": 126.0, "epochs": 15},
    {"event": EPOCH, "job": 1, "time": 136.0, "epoch": 1, "iou": 0.375},
]
TEXT = "".join(f"{json.dumps(event)}\n" for event in SWEEP).encode()


@pytest.fixture
def ledger(tmp_path):
    """A ledger whose folder does not exist yet."""
    return Ledger(tmp_path / "sweeps" / "matrix" / "ledger.jsonl")


def written(ledger, *events):
    """Append events, each as its word and what else is to be known, to the run of number 0; give that run."""
    for time, (event, what) in enumerate(events):
        ledger.append(event, 0, **{"time": float(time), **what})
    (job,) = ledger.jobs()
    return job


def test_there_is_nothing_before_the_first_event(ledger):
    """A sweep that was never started has no run, and asking makes no file."""
    assert ledger.read() == []
    assert ledger.jobs() == []
    assert not ledger.path.parent.exists()


def test_events_are_read_as_they_were_written(ledger):
    """In order, with the time of writing, and as one line of JSON each."""
    for event in SWEEP:
        ledger.append(**event)

    assert ledger.read() == SWEEP
    assert [json.loads(line) for line in ledger.path.read_bytes().split(b"\n")[:-1]] == SWEEP


def test_an_event_has_the_time_of_now(ledger, monkeypatch):
    """In seconds since 1970."""
    monkeypatch.setattr("time.time", lambda: 1771000000.5)
    ledger.append(QUEUED, 0, **UNET)

    assert ledger.read() == [{"event": QUEUED, "job": 0, "time": 1771000000.5, **UNET}]


def test_runs_stand_as_their_events_tell():
    """One finished, one under way; by number, whatever the order of the events."""
    finished = Job(
        number=0,
        **UNET,
        status=FINISHED,
        attempts=1,
        epoch=2,
        epochs=15,
        iou=0.5,
        started=101.0,
        ended=125.0,
        epochs_ended=[110.0, 120.0],
        scores={"iou": 0.5, "kld": 0.125},
        run_id="f00d",
    )
    under_way = Job(
        number=1,
        **RESUNET,
        status=STARTED,
        attempts=1,
        epoch=1,
        epochs=15,
        iou=0.375,
        started=126.0,
        ended=0.0,
        epochs_ended=[136.0],
    )

    assert standing(SWEEP) == [finished, under_way]
    assert standing([*SWEEP[1:2], *SWEEP[:1], *SWEEP[2:]]) == [finished, under_way]


@pytest.mark.parametrize(
    "text",
    [
        "a\nb",
        "a\r\nb",
        "a\u2028b\u2029c",
        "a\x85b\x0bc\x0cd\x1ce",
        "\x1b[31mred\x1b[0m",
        "naïve 海岸",
        "\udce9t\udce9.tif",
        "\0",
    ],
)
def test_a_message_may_hold_anything(ledger, text):
    """Also what some call the end of a line, and names of files that are no valid text."""
    job = written(ledger, (QUEUED, UNET), (STARTED, {"epochs": 3}), (FAILED, {"message": text}))

    assert (job.status, job.message) == (FAILED, text)
    assert ledger.path.read_bytes().count(b"\n") == 3


def test_what_is_no_number_stays_none(ledger):
    """An undefined IoU is NaN again when read."""
    job = written(ledger, (STARTED, {"epochs": 3}), (EPOCH, {"epoch": 1, "iou": float("nan")}))

    assert job.epoch == 1
    assert math.isnan(job.iou)


def test_what_cannot_be_written_leaves_no_trace(ledger):
    """Half an event would be worse than none."""
    with pytest.raises(TypeError, match="not JSON serializable"):
        ledger.append(FINISHED, 0, scores={"iou": object()})

    assert not ledger.path.exists()


# --- lines that were cut off


@settings(deadline=None)  # the disk may be slow
@given(cut=st.integers(0, len(TEXT)))
def test_a_line_that_was_cut_off_counts_as_not_written(tmp_path_factory, cut):
    """At any byte: the lines before it are read, and those appended after it too."""
    ledger = Ledger(tmp_path_factory.mktemp("cut") / "ledger.jsonl")
    ledger.path.write_bytes(TEXT[:cut])
    ends = [at for at, byte in enumerate(TEXT) if byte == ord("\n")]
    whole = sum(cut >= end for end in ends)  # one that lacks but the end of its line is whole

    assert ledger.read() == SWEEP[:whole]
    ledger.append(EPOCH, 1, epoch=2, iou=0.5, time=140.0)
    after = {"event": EPOCH, "job": 1, "time": 140.0, "epoch": 2, "iou": 0.5}
    assert ledger.read() == Ledger(ledger.path).read() == [*SWEEP[:whole], after]


@settings(deadline=None)  # the disk may be slow
@given(cuts=st.lists(st.integers(0, len(TEXT)), max_size=5))
def test_reading_as_it_grows_is_reading_it_at_once(tmp_path_factory, cuts):
    """Whatever part of a line was there when it was last read."""
    path = tmp_path_factory.mktemp("growing") / "ledger.jsonl"
    follower = Ledger(path)
    for cut in sorted(cuts):
        path.write_bytes(TEXT[:cut])
        assert follower.read() == Ledger(path).read()

    path.write_bytes(TEXT)
    assert follower.read() == SWEEP


def test_a_ledger_that_was_replaced_is_read_anew(ledger):
    """Also by one that is longer: no event of the old one stays."""
    for event in SWEEP[2:5]:
        ledger.append(**event)
    assert len(ledger.read()) == 3

    ledger.path.write_bytes(TEXT)
    assert ledger.read() == SWEEP
    ledger.path.unlink()
    assert ledger.read() == []


def test_what_is_read_can_be_changed_without_harm(ledger):
    """Each reading is a list of its own, and each run too."""
    ledger.append(**SWEEP[0])
    ledger.read().clear()
    ledger.jobs()[0].overrides.append("filters=4")

    assert ledger.read() == SWEEP[:1]
    assert ledger.jobs()[0].overrides == UNET["overrides"]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"7",
        b"[]",
        b'"event"',
        b"{}",
        b'{"event": "started"}',
        b'{"job": 0}',
        b'{"event": "started", "job": [0], "epochs": 3}',
        b'{"event": "started", "job": "0", "epochs": 3}',
        b'{"event": null, "job": 0}',
        b"\x00\x00\x00\x00",
        b"\xff\xfe{",
        b'{"event": "fin{"event": "started", "job": 0, "epochs": 3}',
    ],
)
def test_a_damaged_line_is_passed_over(ledger, line):
    """Zeros that a power cut leaves, half a character, or JSON that is no event."""
    ledger.path.parent.mkdir(parents=True)
    ledger.path.write_bytes(
        json.dumps(SWEEP[0]).encode() + b"\n" + line + b"\n" + json.dumps(SWEEP[1]).encode() + b"\n"
    )

    assert ledger.read() == SWEEP[:2]
    assert [job.number for job in ledger.jobs()] == [0, 1]


# --- what becomes of a run


def test_a_run_that_failed_can_be_started_again(ledger):
    """Its last attempt counts; how often it failed is kept."""
    beginning = [(QUEUED, UNET), (STARTED, {"epochs": 15}), (EPOCH, {"epoch": 3, "iou": 0.5})]
    failed = written(ledger, *beginning, (FAILED, {"message": "the disk is full", "run_id": "1"}))
    assert (failed.status, failed.message, failed.failures, failed.ended) == (FAILED, "the disk is full", 1, 3.0)

    again = written(ledger, (STARTED, {"epochs": 15, "time": 10.0}))
    assert (again.status, again.message, again.attempts, again.failures) == (STARTED, "", 2, 1)
    assert (again.started, again.ended, again.epoch, again.run_id) == (10.0, 0.0, 0, "1")
    assert math.isnan(again.iou)

    done = written(ledger, (FINISHED, {"scores": {"iou": 0.75}, "run_id": "2", "time": 30.0}))
    assert (done.status, done.attempts, done.failures, done.scores) == (FINISHED, 2, 1, {"iou": 0.75})
    assert (done.started, done.ended, done.run_id, done.name) == (10.0, 30.0, "2", "unet cce f2")


def test_a_run_that_was_cut_off_goes_on(ledger):
    """Started twice, the second time after 6 epochs that are already done."""
    events = [(QUEUED, UNET), (STARTED, {"epochs": 15})]
    events += [(EPOCH, {"epoch": epoch, "iou": 0.125}) for epoch in range(1, 8)]
    job = written(ledger, *events, (STARTED, {"epoch": 6, "epochs": 15, "time": 50.0}))

    assert (job.status, job.attempts, job.failures, job.epoch, job.epochs) == (STARTED, 2, 0, 6, 15)
    assert job.started == 50.0
    assert math.isnan(job.iou)

    job = written(ledger, (EPOCH, {"epoch": 7, "iou": 0.25}))
    assert (job.epoch, job.iou) == (7, 0.25)


def test_a_finished_run_that_is_made_anew_has_no_scores_until_it_ends(ledger):
    """Those of before belong to what is gone."""
    job = written(ledger, (STARTED, {"epochs": 3}), (FINISHED, {"scores": {"iou": 0.5}}), (STARTED, {"epochs": 3}))

    assert job.scores == {}
    assert job.ended == 0.0


def test_a_pruned_run_has_ended(ledger):
    """It did not fail."""
    job = written(ledger, (STARTED, {"epochs": 15}), (EPOCH, {"epoch": 2, "iou": 0.25}), (PRUNED, {}))

    assert (job.status, job.epoch, job.iou, job.ended, job.failures) == (PRUNED, 2, 0.25, 2.0, 0)


@pytest.mark.parametrize("event", ["paused", "epoch/extended", ""])
def test_words_of_a_newer_version_change_nothing(ledger, event):
    """A run stands as the events that are known tell."""
    before = written(ledger, (QUEUED, UNET), (STARTED, {"epochs": 15}), (EPOCH, {"epoch": 2, "iou": 0.25}))
    after = written(ledger, (event, {"message": "new", "scores": {"iou": 1.0}}))

    assert after == before


@pytest.mark.parametrize("event", [QUEUED, STARTED, EPOCH, FINISHED, FAILED, PRUNED])
def test_an_event_may_tell_less(ledger, event):
    """What it leaves out stays as it was: a version that says less is read too."""
    written(ledger, (QUEUED, UNET), (STARTED, {"epochs": 15}), (EPOCH, {"epoch": 2, "iou": 0.25}))
    job = written(ledger, (event, {}))

    assert (job.name, job.epochs) == ("unet cce f2", 15)
    assert job.status == (STARTED if event == EPOCH else event)


def test_how_long_a_run_took():
    """Until it ended, or until now; never less than nothing, since clocks of machines differ."""
    assert Job(0).took(now=50.0) == 0.0
    assert Job(0, started=20.0).took(now=50.0) == 30.0
    assert Job(0, started=20.0, ended=25.0).took(now=50.0) == 5.0
    assert Job(0, started=60.0).took(now=50.0) == 0.0


def test_the_pace_of_a_run():
    """Seconds an epoch after the first of this attempt, which waits for a graph; a new attempt begins anew."""
    events = [(QUEUED, 0), (STARTED, 100), (EPOCH, 130), (EPOCH, 140), (EPOCH, 154)]
    events = [{"event": event, "job": 0, "time": float(time), "work": 2.5} for event, time in events]
    paces = [standing(events[: 1 + count])[0].pace() for count in range(5)]

    assert paces == [None, None, None, 10.0, 12.0]
    assert standing([*events, {"event": STARTED, "job": 0, "time": 160.0}])[0].pace() is None
    assert standing(events)[0].work == 2.5


# --- many writers


def append_epochs(path: Path, job: int, count: int) -> None:
    """Append events of one run, of very different lengths."""
    ledger = Ledger(path)
    for epoch in range(count):
        ledger.append(EPOCH, job, epoch=epoch, iou=job / 8, note=f"{job}" * (1 + epoch * 700))


def test_many_processes_append_at_once(ledger):
    """No event is lost, none is mixed with another, and those of a process keep their order."""
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=append_epochs, args=(ledger.path, job, 50)) for job in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)

    assert [writer.exitcode for writer in writers] == [0] * 8
    assert ledger.path.read_bytes().count(b"\n") == 400
    events = ledger.read()
    for job in range(8):
        mine = [(event["epoch"], event["iou"], event["note"]) for event in events if event["job"] == job]
        assert mine == [(epoch, job / 8, f"{job}" * (1 + epoch * 700)) for epoch in range(50)]
