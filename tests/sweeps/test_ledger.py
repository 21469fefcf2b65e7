"""The ledger loses no event, no matter how many processes write or when they are killed."""

import json
import math
import multiprocessing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gym.core.errors import RunError
from gym.sweeps.ledger import EPOCH, FAILED, FINISHED, PRUNED, QUEUED, STARTED, Job, Ledger, replay_events

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


def append_events(ledger, *events):
    """Append ``(kind, details)`` events to run 0 at times 0, 1, 2 ..., and return the run."""
    for time, (event, what) in enumerate(events):
        ledger.append(event, 0, **{"time": float(time), **what})
    (job,) = ledger.jobs()
    return job


def test_a_new_ledger_is_empty(ledger):
    """Reading a ledger that was never written returns nothing and creates no folder."""
    assert ledger.read() == []
    assert ledger.jobs() == []
    assert not ledger.path.parent.exists()


def test_events_are_read_back_in_order(ledger):
    """Each event is stored as one line of JSON and read back unchanged, including its time."""
    for event in SWEEP:
        ledger.append(**event)

    assert ledger.read() == SWEEP
    assert [json.loads(line) for line in ledger.path.read_bytes().split(b"\n")[:-1]] == SWEEP


def test_an_event_gets_the_current_time(ledger, monkeypatch):
    """The time is in seconds since 1970."""
    monkeypatch.setattr("time.time", lambda: 1771000000.5)
    ledger.append(QUEUED, 0, **UNET)

    assert ledger.read() == [{"event": QUEUED, "job": 0, "time": 1771000000.5, **UNET}]


def test_the_state_of_a_run_is_replayed_from_its_events():
    """Runs are sorted by number, in whatever order they were queued."""
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
        epoch_times=[110.0, 120.0],
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
        epoch_times=[136.0],
    )

    assert replay_events(SWEEP) == [finished, under_way]
    assert replay_events([*SWEEP[1:2], *SWEEP[:1], *SWEEP[2:]]) == [finished, under_way]


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
def test_a_message_may_contain_any_characters(ledger, text):
    """Unicode line separators, control codes and invalid UTF-8 survive on a single line."""
    job = append_events(ledger, (QUEUED, UNET), (STARTED, {"epochs": 3}), (FAILED, {"message": text}))

    assert (job.status, job.message) == (FAILED, text)
    assert ledger.path.read_bytes().count(b"\n") == 3


def test_an_undefined_iou_is_read_back_as_nan(ledger):
    """NaN is not valid JSON, but Python reads and writes it."""
    job = append_events(ledger, (STARTED, {"epochs": 3}), (EPOCH, {"epoch": 1, "iou": float("nan")}))

    assert job.epoch == 1
    assert math.isnan(job.iou)


def test_an_event_that_is_not_json_is_not_written(ledger):
    """No partial line is left behind."""
    with pytest.raises(TypeError, match="not JSON serializable"):
        ledger.append(FINISHED, 0, scores={"iou": object()})

    assert not ledger.path.exists()


# --- incomplete lines


@settings(deadline=None)  # the disk may be slow
@given(cut=st.integers(0, len(TEXT)))
def test_an_incomplete_line_is_ignored(tmp_path_factory, cut):
    """Wherever a write was cut off, the lines before it and those appended later are read."""
    ledger = Ledger(tmp_path_factory.mktemp("cut") / "ledger.jsonl")
    ledger.path.write_bytes(TEXT[:cut])
    ends = [at for at, byte in enumerate(TEXT) if byte == ord("\n")]
    complete = sum(cut >= end for end in ends)  # a line that lacks only its line break is complete

    assert ledger.read() == SWEEP[:complete]
    ledger.append(EPOCH, 1, epoch=2, iou=0.5, time=140.0)
    after = {"event": EPOCH, "job": 1, "time": 140.0, "epoch": 2, "iou": 0.5}
    assert ledger.read() == Ledger(ledger.path).read() == [*SWEEP[:complete], after]


@settings(deadline=None)  # the disk may be slow
@given(cuts=st.lists(st.integers(0, len(TEXT)), max_size=5))
def test_incremental_reads_equal_a_full_read(tmp_path_factory, cuts):
    """The previous read may have ended anywhere in a line."""
    path = tmp_path_factory.mktemp("growing") / "ledger.jsonl"
    follower = Ledger(path)
    for cut in sorted(cuts):
        path.write_bytes(TEXT[:cut])
        assert follower.read() == Ledger(path).read()

    path.write_bytes(TEXT)
    assert follower.read() == SWEEP


def test_a_replaced_file_is_read_from_the_start(ledger):
    """No event of the old file remains, even if the new one is longer."""
    for event in SWEEP[2:5]:
        ledger.append(**event)
    assert len(ledger.read()) == 3

    ledger.path.write_bytes(TEXT)
    assert ledger.read() == SWEEP
    ledger.path.unlink()
    assert ledger.read() == []


def test_callers_cannot_change_the_cached_events(ledger):
    """Each read returns new lists."""
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
def test_a_damaged_line_is_skipped(ledger, line):
    """Examples are zeros left by a power failure, broken UTF-8, and JSON that is not an event."""
    ledger.path.parent.mkdir(parents=True)
    ledger.path.write_bytes(
        json.dumps(SWEEP[0]).encode() + b"\n" + line + b"\n" + json.dumps(SWEEP[1]).encode() + b"\n"
    )

    assert ledger.read() == SWEEP[:2]
    assert [job.number for job in ledger.jobs()] == [0, 1]


# --- state of a run


def test_a_failed_run_can_be_started_again(ledger):
    """The new attempt replaces the old state, but failures keep being counted."""
    beginning = [(QUEUED, UNET), (STARTED, {"epochs": 15}), (EPOCH, {"epoch": 3, "iou": 0.5})]
    failed = append_events(ledger, *beginning, (FAILED, {"message": "the disk is full", "run_id": "1"}))
    assert (failed.status, failed.message, failed.failures, failed.ended) == (FAILED, "the disk is full", 1, 3.0)

    again = append_events(ledger, (STARTED, {"epochs": 15, "time": 10.0}))
    assert (again.status, again.message, again.attempts, again.failures) == (STARTED, "", 2, 1)
    assert (again.started, again.ended, again.epoch, again.run_id) == (10.0, 0.0, 0, "1")
    assert math.isnan(again.iou)

    done = append_events(ledger, (FINISHED, {"scores": {"iou": 0.75}, "run_id": "2", "time": 30.0}))
    assert (done.status, done.attempts, done.failures, done.scores) == (FINISHED, 2, 1, {"iou": 0.75})
    assert (done.started, done.ended, done.run_id, done.name) == (10.0, 30.0, "2", "unet cce f2")


def test_an_interrupted_run_resumes_after_its_last_epoch(ledger):
    """The second attempt starts with the six epochs completed by the first."""
    events = [(QUEUED, UNET), (STARTED, {"epochs": 15})]
    events += [(EPOCH, {"epoch": epoch, "iou": 0.125}) for epoch in range(1, 8)]
    job = append_events(ledger, *events, (STARTED, {"epoch": 6, "epochs": 15, "time": 50.0}))

    assert (job.status, job.attempts, job.failures, job.epoch, job.epochs) == (STARTED, 2, 0, 6, 15)
    assert job.started == 50.0
    assert math.isnan(job.iou)

    job = append_events(ledger, (EPOCH, {"epoch": 7, "iou": 0.25}))
    assert (job.epoch, job.iou) == (7, 0.25)


def test_a_repeated_run_has_no_scores_until_it_ends(ledger):
    """The scores of the earlier attempt are dropped at the start."""
    job = append_events(
        ledger, (STARTED, {"epochs": 3}), (FINISHED, {"scores": {"iou": 0.5}}), (STARTED, {"epochs": 3})
    )

    assert job.scores == {}
    assert job.ended == 0.0


def test_pruning_is_not_a_failure(ledger):
    """A pruned run has ended and keeps its last epoch and IoU."""
    job = append_events(ledger, (STARTED, {"epochs": 15}), (EPOCH, {"epoch": 2, "iou": 0.25}), (PRUNED, {}))

    assert (job.status, job.epoch, job.iou, job.ended, job.failures) == (PRUNED, 2, 0.25, 2.0, 0)


@pytest.mark.parametrize("event", ["paused", "epoch/extended", ""])
def test_unknown_events_are_ignored(ledger, event):
    """A ledger written by a newer version can still be read."""
    before = append_events(ledger, (QUEUED, UNET), (STARTED, {"epochs": 15}), (EPOCH, {"epoch": 2, "iou": 0.25}))
    after = append_events(ledger, (event, {"message": "new", "scores": {"iou": 1.0}}))

    assert after == before


@pytest.mark.parametrize("event", [QUEUED, STARTED, EPOCH, FINISHED, FAILED, PRUNED])
def test_missing_details_keep_their_values(ledger, event):
    """An older version may have written events with fewer keys."""
    append_events(ledger, (QUEUED, UNET), (STARTED, {"epochs": 15}), (EPOCH, {"epoch": 2, "iou": 0.25}))
    job = append_events(ledger, (event, {}))

    assert (job.name, job.epochs) == ("unet cce f2", 15)
    assert job.status == (STARTED if event == EPOCH else event)


def test_elapsed_time_of_an_attempt():
    """It ends with the attempt or now, and is never negative even if clocks differ."""
    assert Job(0).elapsed(now=50.0) == 0.0
    assert Job(0, started=20.0).elapsed(now=50.0) == 30.0
    assert Job(0, started=20.0, ended=25.0).elapsed(now=50.0) == 5.0
    assert Job(0, started=60.0).elapsed(now=50.0) == 0.0


def test_seconds_per_epoch_exclude_the_first_epoch():
    """The first epoch includes graph tracing; a new attempt starts the measurement again."""
    events = [(QUEUED, 0), (STARTED, 100), (EPOCH, 130), (EPOCH, 140), (EPOCH, 154)]
    events = [{"event": event, "job": 0, "time": float(time), "work": 2.5} for event, time in events]
    paces = [replay_events(events[: 1 + count])[0].seconds_per_epoch for count in range(5)]

    assert paces == [None, None, None, 10.0, 12.0]
    assert replay_events([*events, {"event": STARTED, "job": 0, "time": 160.0}])[0].seconds_per_epoch is None
    assert replay_events(events)[0].work == 2.5


# --- many writers


def append_epochs(path: Path, job: int, count: int) -> None:
    """Append epochs of one run, in lines of very different lengths."""
    ledger = Ledger(path)
    for epoch in range(count):
        ledger.append(EPOCH, job, epoch=epoch, iou=job / 8, note=f"{job}" * (1 + epoch * 700))


@pytest.mark.process
def test_many_processes_can_append_at_the_same_time(ledger):
    """No event is lost or garbled, and the events of each process keep their order."""
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
        own = [(event["epoch"], event["iou"], event["note"]) for event in events if event["job"] == job]
        assert own == [(epoch, job / 8, f"{job}" * (1 + epoch * 700)) for epoch in range(50)]


DAMAGED = [
    b'{"event": "finished", "job": 0, "scores": [1]}',
    b'{"event": "finished", "job": true}',
    b'{"event": "epoch", "job": 0, "iou": "high"}',
    b'{"event": "epoch", "job": 0, "epoch": -1}',
    b'{"event": "queued", "job": 0, "fingerprint": "../.."}',
    b'{"event": "queued", "job": 0, "overrides": "model=unet"}',
    b'{"event": "started", "job": 0, "time": 1e300}',
    b'{"event": "started", "job": ' + 400 * b"9" + b"}",
    b'{"job": 0}',
    b"[]",
    b"",
    b"\x00\x00",
    b"\xff",
    5000 * b"[",
]


@pytest.mark.parametrize("line", DAMAGED)
def test_a_damaged_line_costs_only_itself(ledger, line, caplog):
    """The others are replayed, and one warning gives the number of the line."""
    ledger.append(QUEUED, 0, name="a", fingerprint="3f")
    with ledger.path.open("ab") as stream:
        stream.write(line + b"\n")
    ledger.append(FINISHED, 0, scores={"iou": 0.5}, run_id="f00d")

    (job,) = ledger.jobs()
    ledger.warn_about_damage()

    assert (job.name, job.status, job.scores) == ("a", FINISHED, {"iou": 0.5})
    (warning,) = caplog.messages
    assert warning == (
        f"1 damaged line in {ledger.path} (the first is line 2) is ignored; what was recorded there is lost, and is "
        "done again."
    )


def test_a_whole_ledger_needs_no_warning(ledger, caplog):
    """Nor does an incomplete last line, which another process may be writing."""
    ledger.append(QUEUED, 0, name="a", fingerprint="3f")
    with ledger.path.open("ab") as stream:
        stream.write(b'{"event": "fin')

    ledger.warn_about_damage()

    assert not caplog.messages


def test_a_folder_in_place_of_the_ledger_is_refused(ledger):
    """The error is one line."""
    ledger.path.mkdir(parents=True)

    with pytest.raises(RunError, match=r"ledger\.jsonl cannot be read \(Is a directory\); restore it, or use another"):
        ledger.jobs()


def test_seconds_per_epoch_exclude_the_epoch_that_a_resumed_run_repeats():
    """A resumed run records its last epoch again before it builds the graph."""
    job = Job(0)
    job.apply({"event": STARTED, "job": 0, "time": 100.0, "epoch": 5, "epochs": 9})
    for epoch, time in [(5, 101.0), (6, 140.0)]:
        job.apply({"event": EPOCH, "job": 0, "time": time, "epoch": epoch, "iou": 0.5})
    assert job.seconds_per_epoch is None

    job.apply({"event": EPOCH, "job": 0, "time": 143.0, "epoch": 7, "iou": 0.5})
    assert job.seconds_per_epoch == 3.0
