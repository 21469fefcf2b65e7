"""What a sweep looks like: a table in a terminal, plain lines elsewhere, and a terminal that is given back."""

import io
import logging
import re
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from gym.core.errors import Terminated
from gym.sweeps import view
from gym.sweeps.ledger import EPOCH, FAILED, FINISHED, PRUNED, QUEUED, STARTED, Job, Ledger
from gym.sweeps.progress import Progress, begin_session
from gym.sweeps.view import LineDisplay, SweepView, draw, summary_lines

BEGIN = 1_771_000_000.0  # all times below are seconds after it
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


def queued(*names):
    """Runs in the queue, numbered from 0."""
    return [{"event": QUEUED, "job": number, "time": BEGIN, "name": name} for number, name in enumerate(names)]


def started(job, time, **what):
    return {"event": STARTED, "job": job, "time": BEGIN + time, "epochs": 15, **what}


def epoch(job, epoch, iou):
    return {"event": EPOCH, "job": job, "time": BEGIN, "epoch": epoch, "iou": iou}


def finished(job, time, **scores):
    return {"event": FINISHED, "job": job, "time": BEGIN + time, "scores": scores}


def failed(job, time, message):
    return {"event": FAILED, "job": job, "time": BEGIN + time, "message": message}


def pruned(job, time):
    return {"event": PRUNED, "job": job, "time": BEGIN + time}


STORY = [
    *queued("unet cce f2", "unet cce f4", "resunet cce f2", "resunet cce f4", "resunet cce f6"),
    started(0, 0),
    epoch(0, 12, 0.77),
    finished(0, 100, iou=0.78125, kld=0.125, stopping_epoch=12.0),
    started(1, 100),
    failed(1, 112, "the loss is not finite; lower optimizer.learning_rate"),
    started(2, 112),
    epoch(2, 3, 0.5),
    pruned(2, 152),
    started(3, 152),
    epoch(3, 4, 0.625),
]


def drawn(events, now, earlier=(), width=80, height=24):
    """The lines of a table, without colours; those of a terminal of a width and height."""
    console = Console(file=io.StringIO(), width=width, height=height)
    progress = Progress([*earlier, *events], begin_session(earlier, BEGIN), BEGIN + now)
    console.print(draw(progress, "sweep matrix", height))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


# --- the table


def test_a_table_tells_all_of_a_sweep():
    """Counts, how much has ended, time left (50 and 70 s), throughput (2 in 172 s), and a row for each run."""
    assert drawn(STORY, now=172) == [
        "sweep matrix  1 done  1 running  1 failed  1 pruned  1 queued",
        "━━━━━━━━━━━━━━            3/5   about 2 min left   42 runs per hour",
        "run  name            status   epoch  val IoU        time",
        "  0  unet cce f2     done     12/15    0.781  1 min 40 s",
        "  1  unet cce f4     failed    0/15        -        12 s  the loss is not finit…",
        "  2  resunet cce f2  pruned    3/15    0.500        40 s",
        "  3  resunet cce f4  running   4/15    0.625        20 s",
        "  4  resunet cce f6  queued",
    ]


def test_what_an_earlier_session_left_is_queued_as_interrupted():
    """With the epochs it has; neither a score nor a time runs on."""
    lines = drawn([], now=1000, earlier=STORY)

    assert lines[0] == "sweep matrix  1 done  1 failed  1 pruned  2 queued"
    assert lines[6] == "  3  resunet cce f4  interrupted   4/15"


def test_a_sweep_without_runs_can_be_drawn():
    """Before the first is queued."""
    assert drawn([], now=0)[:2] == ["sweep matrix  0 done", " " * 26 + "0/0"]


def test_a_slow_sweep_has_digits_in_its_throughput():
    """One in two hours is half a run per hour."""
    events = [*queued("unet cce f2"), started(0, 0), finished(0, 7200, iou=0.5)]

    assert drawn(events, now=7200)[1].endswith("1/1   0.5 runs per hour")


def test_a_low_terminal_shows_what_tells_most():
    """Those under way, the last that failed, the last that ended, the next in the queue; the others are counted."""
    events = queued(*"abcdefghijklmnopqrst")
    for job in range(8):
        events += [started(job, job), finished(job, job + 1, iou=0.5)]
    events += [started(8, 8), pruned(8, 9)]
    events += [started(9, 9), failed(9, 10, "first"), started(10, 10), failed(10, 11, "second"), started(11, 11)]

    def numbers(height):
        lines = drawn(events, now=20, height=height)
        assert len(lines) == height - 1
        assert lines[-1] == f"... and {20 - (height - 5)} more"
        return [int(line.split()[0]) for line in lines[3:-1]]

    assert numbers(7) == [11, 10]
    assert numbers(11) == [11, 10, 9, 8, 7, 6]
    assert numbers(20) == [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 12, 13, 14]
    assert [int(line.split()[0]) for line in drawn(events, now=20, height=25)[3:]] == list(range(20))


@settings(deadline=None)
@given(runs=st.integers(0, 60), height=st.integers(6, 50), width=st.integers(20, 120))
def test_no_table_is_higher_than_its_terminal(runs, height, width):
    """Or it could not be redrawn in place; however narrow, a run is one line."""
    names = [f"run {number} with a name of some words" for number in range(runs)]

    assert len(drawn([*queued(*names), *STORY[5:]], now=500, width=width, height=height)) < height


def test_names_are_shown_as_they_are():
    """Neither markup nor emoji codes nor what steers a terminal; the title too."""
    events = [*queued("[bold]a[/] :smile: \x1b[31m", "one\ntwo\udce9"), started(1, 0), failed(1, 1, "\x1b[2Jgone\n")]
    lines = drawn(events, now=2, width=110)

    assert lines[3].rstrip() == "  0  [bold]a[/] :smile: [31m  queued"
    assert lines[4].startswith("  1  one two")
    assert lines[4].endswith("[2Jgone")


# --- plain lines


class Story:
    """A line display, and what it said."""

    def __init__(self, earlier=()):
        self.console = Console(file=io.StringIO(), width=40)
        self.display, self.events = LineDisplay(self.console), list(earlier)
        self.session = begin_session(self.events, BEGIN)

    def goes_on(self, now, *events):
        """Take further events, and give the lines that are new."""
        self.events += events
        before = len(self.console.file.getvalue())
        self.display.show(self.events, self.session, BEGIN + now)
        return self.console.file.getvalue()[before:].splitlines()


def test_lines_tell_what_happens():
    """A line when a run starts, is done, fails or is pruned; long ones are not folded."""
    assert Story().goes_on(152, *STORY[:-2]) == [
        "run 0  unet cce f2  started",
        "run 0  unet cce f2  done  iou 0.781  kld 0.1250  stopping epoch 12  1 min 40 s  "
        "(1 of 5 done, about 7 min left)",
        "run 1  unet cce f4  started",
        "run 1  unet cce f4  failed after 12 s: the loss is not finite; lower optimizer.learning_rate  "
        "(1 of 5 done, 1 failed, about 5 min left)",
        "run 2  resunet cce f2  started",
        "run 2  resunet cce f2  pruned after epoch 3  iou 0.500  40 s  (1 of 5 done, 1 failed, about 2 min left)",
    ]


def test_each_event_is_told_once():
    """As soon as it is there, in whatever portions."""
    story = Story()

    assert story.goes_on(0, *STORY[:5]) == []
    assert story.goes_on(1, *STORY[5:6]) == ["run 0  unet cce f2  started"]
    assert story.goes_on(2) == []
    assert len(story.goes_on(3, *STORY[6:10])) == 3
    assert story.goes_on(4) == []


def test_earlier_events_are_not_told_again():
    """A session that goes on says what is started again, and after which epoch."""
    story = Story(earlier=STORY)

    assert story.goes_on(0) == []
    assert story.goes_on(30, started(3, 30, epoch=4), started(1, 30)) == [
        "run 3  resunet cce f4  started again, goes on after epoch 4",
        "run 1  unet cce f4  started again",
    ]


def test_runs_of_another_command_are_not_told():
    """Where the ledger holds them too."""
    story = Story()
    story.session = begin_session([], BEGIN, only={1})

    assert [line.split("  ")[0] for line in story.goes_on(152, *STORY[:-2])] == ["run 1", "run 1"]


def test_what_is_under_way_is_told_once_a_minute():
    """Not before the first minute is over, not twice in one, and not where nothing is."""
    story = Story()
    story.goes_on(0, *queued(*"abcdef"), started(0, 0), epoch(0, 4, 0.625))

    assert story.goes_on(59) == []
    assert story.goes_on(60) == ["under way: run 0  a  epoch 4/15  iou 0.625  (0 of 6 done)"]
    assert story.goes_on(119.5) == []
    more = [started(job, 119) for job in range(1, 6)]
    assert story.goes_on(121, *more)[5:] == [
        "under way: run 0  a  epoch 4/15  iou 0.625, run 1  b  epoch 0/15  iou -, run 2  c  epoch 0/15  iou -, "
        "run 3  d  epoch 0/15  iou -, and 2 more  (0 of 6 done)"
    ]
    ends = [finished(job, 130, iou=0.5) for job in range(6)]
    assert len(story.goes_on(500, *ends)) == 6


def test_lines_hold_neither_colours_nor_control_codes():
    """Whatever names and messages hold, also where colours are asked for."""
    story = Story()
    story.console = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=40)
    story.display = LineDisplay(story.console)
    names = queued("[bold]a[/] :smile: \x1b[31m", "b\nc")
    lines = story.goes_on(2, *names, started(0, 0), failed(0, 1, "\x1b[2Jgone\r\nfor good"), started(1, 1))

    assert lines == [
        "run 0  [bold]a[/] :smile: [31m  started",
        "run 0  [bold]a[/] :smile: [31m  failed after 1 s: [2Jgone for good  (0 of 2 done, 1 failed)",
        "run 1  b c  started",
    ]


# --- the view


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Look often, and take no terminal for another."""
    monkeypatch.setattr(view, "_POLL_SECONDS", 0.01)
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def ledger(tmp_path):
    """A sweep of two runs, both queued."""
    ledger = Ledger(tmp_path / "ledger.jsonl")
    for number, name in enumerate(("unet cce f2", "resunet cce f2")):
        ledger.append(QUEUED, number, name=name, fingerprint=name, overrides=[])
    return ledger


def terminal(**options):
    """A terminal of 80 columns that keeps what is written to it."""
    return Console(file=io.StringIO(), force_terminal=True, width=80, height=24, **options)


def no_terminal():
    """A file of 80 columns."""
    return Console(file=io.StringIO(), width=80)


def wait_for(words, console):
    """Wait until words stand on a console."""
    until = time.monotonic() + 10
    while words not in console.file.getvalue():
        assert time.monotonic() < until, console.file.getvalue()
        time.sleep(0.005)


def last_picture(console):
    """The lines of the last table on a terminal, without codes."""
    last = console.file.getvalue().rpartition("sweep matrix")
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", last[1] + last[2]).splitlines()]


def end_both(ledger):
    """Start both runs, finish one and fail the other."""
    for number in range(2):
        ledger.append(STARTED, number, epochs=3)
    ledger.append(FINISHED, 0, scores={"iou": 0.75, "kld": 0.5, "stopping_epoch": 3.0})
    ledger.append(FAILED, 1, message="the disk is full")


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt, Terminated, SystemExit])
@pytest.mark.parametrize("make_console", [terminal, no_terminal])
def test_however_a_block_ends_the_last_state_is_shown(ledger, make_console, error):
    """The terminal is given back, the thread has ended, and what ended the block goes on."""
    console, stdout, before = make_console(), sys.stdout, threading.active_count()

    def block():
        with SweepView(ledger, "sweep matrix", console):
            assert threading.active_count() == before + 1
            end_both(ledger)
            if error:
                raise error

    if error:
        with pytest.raises(error):
            block()
    else:
        block()

    assert threading.active_count() == before
    assert sys.stdout is stdout
    if make_console is terminal:
        assert last_picture(console)[0] == "sweep matrix  1 done  1 failed"
        assert last_picture(console)[3].split()[:5] == ["0", "unet", "cce", "f2", "done"]
        assert last_picture(console)[4].endswith("the disk is full")
        assert console.file.getvalue().count(HIDE_CURSOR) == console.file.getvalue().count(SHOW_CURSOR) == 1
        assert console.file.getvalue().endswith(SHOW_CURSOR)
    else:
        lines = console.file.getvalue().splitlines()
        assert [line.split("  ")[2].split()[0] for line in lines] == ["started", "started", "done", "failed"]
        assert "\x1b" not in console.file.getvalue()


@pytest.mark.parametrize("make_console", [terminal, no_terminal])
def test_a_view_follows_a_ledger_that_others_write(ledger, make_console):
    """While the block lasts, and from the file alone."""
    console = make_console()
    with SweepView(ledger, "sweep matrix", console):
        Ledger(ledger.path).append(STARTED, 1, epochs=3)
        wait_for("running" if console.is_terminal else "run 1  resunet cce f2  started", console)


def test_a_table_is_redrawn_only_when_it_changes(ledger):
    """Not with every look: drawing takes time from what trains in this process."""
    console, began = terminal(), int(time.time())
    with SweepView(ledger, "sweep matrix", console):
        time.sleep(0.5)  # some fifty looks

    seconds = int(time.time()) - began + 1
    assert 1 <= console.file.getvalue().count("sweep matrix") <= seconds + 1  # each, and the last once more at the end


@pytest.mark.parametrize("make_console", [terminal, no_terminal])
def test_a_ledger_that_cannot_be_read_costs_nothing(ledger, make_console):
    """At the beginning, in between or at the end: what was read last stays, and the sweep goes on."""

    class Flickering(Ledger):
        reads, broken = 0, True

        def read(self):
            self.reads += 1
            if self.broken:
                raise OSError(116, "Stale file handle")
            return super().read()

    flickering, console = Flickering(ledger.path), make_console()
    with SweepView(flickering, "sweep matrix", console):
        reads = flickering.reads
        while flickering.reads < reads + 3:
            time.sleep(0.005)
        flickering.broken = False
        wait_for("2 queued", console) if console.is_terminal else time.sleep(0.1)
        end_both(ledger)
        wait_for("1 failed", console)
        flickering.broken = True

    assert "1 done" in console.file.getvalue() or "1 of 2 done" in console.file.getvalue()


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_terminal_that_is_gone_costs_nothing(ledger, is_terminal):
    """A closed window ends the view, not the sweep."""

    class Gone(io.StringIO):
        def write(self, text):
            raise OSError(5, "Input/output error")

    stdout = sys.stdout
    with SweepView(ledger, "sweep matrix", Console(file=Gone(), force_terminal=is_terminal, width=80, height=24)):
        end_both(ledger)

    assert sys.stdout is stdout


def test_each_line_is_flushed(ledger):
    """So that a log can be followed."""

    class Counting(io.StringIO):
        flushes = 0

        def flush(self):
            self.flushes += 1

    file = Counting()
    with SweepView(ledger, "sweep matrix", Console(file=file, width=80)):
        end_both(ledger)

    assert file.flushes >= len(file.getvalue().splitlines()) == 4


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(ledger, monkeypatch):
    """As inside editors."""
    monkeypatch.setenv("TERM", "dumb")
    console = terminal()
    with SweepView(ledger, "sweep matrix", console):
        end_both(ledger)

    assert console.file.getvalue().splitlines()[0] == "run 0  unet cce f2  started"
    assert "\x1b" not in console.file.getvalue()


def test_what_is_printed_or_logged_meanwhile_stands_above_the_table(ledger, monkeypatch):
    """Not in it; and a handler writes where it did once the block is over."""
    handler = logging.StreamHandler(sys.stdout)
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    console, stream = terminal(), handler.stream
    with SweepView(ledger, "sweep matrix", console):
        wait_for("2 queued", console)
        sys.stdout.write("printed meanwhile\n")
        logging.getLogger("a.run").warning("logged meanwhile")
        end_both(ledger)

    shown = console.file.getvalue()
    assert 0 < shown.index("printed meanwhile") < shown.index("logged meanwhile") < shown.rindex("sweep matrix")
    assert handler.stream is stream


def test_standard_output_is_the_console_by_default(ledger, capsys):
    """Under a test it is no terminal."""
    with SweepView(ledger, "sweep matrix"):
        end_both(ledger)

    assert capsys.readouterr().out.startswith("run 0  unet cce f2  started\n")


def test_only_some_runs_and_more_to_come(ledger):
    """What a sweep knows of its runs is heeded."""
    console = no_terminal()
    with SweepView(ledger, "sweep matrix", console, only={0}, runs=40):
        end_both(ledger)

    assert [line.split("  ")[0] for line in console.file.getvalue().splitlines()] == ["run 0", "run 0"]
    assert "(1 of 40 done" in console.file.getvalue()


def test_the_view_is_light():
    """It is imported before any work starts."""
    heavy = "{'keras', 'tensorflow', 'mlflow', 'matplotlib', 'numpy', 'optuna'}"
    code = f"import gym.sweeps.view, sys; print(sorted({heavy} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# --- the end


def command_of(job):
    return f"python -m gym.train {job.name}"


def ran(number, status, **what):
    """A run that took 100 s."""
    return Job(number, f"filters={number}", status=status, started=BEGIN, ended=BEGIN + 100, **what)


def test_a_summary_of_a_sweep_that_is_done():
    """How many finished, and what they took."""
    assert summary_lines([ran(0, FINISHED), ran(1, FINISHED)], command_of) == [
        "2 of 2 runs finished; together they took 3 min 20 s",
        "The same command, run again, finds nothing left to do.",
    ]


def test_a_summary_names_each_failure_with_its_command():
    """And says what the same command would do when it is run again."""
    jobs = [
        ran(0, FINISHED),
        ran(1, FAILED, message="the loss is\nnot finite", failures=1),
        Job(2, "filters=2", status=STARTED, started=BEGIN),
        Job(3, "filters=3"),
        ran(4, FAILED, message="the disk is full", failures=3),
        Job(5, "filters=5"),
    ]

    assert summary_lines(jobs, command_of, attempts=3) == [
        "1 of 6 runs finished; together they took 1 min 40 s",
        "run 1  filters=1  failed: the loss is not finite",
        "    python -m gym.train filters=1",
        "run 4  filters=4  failed: the disk is full",
        "    python -m gym.train filters=4",
        "The same command, run again, tries 1 failed run again; goes on with 1 interrupted run; starts 2 queued runs; "
        "leaves 1 run alone, after 3 failures each.",
    ]
    assert summary_lines(jobs, command_of)[-1] == (
        "The same command, run again, tries 2 failed runs again; goes on with 1 interrupted run; starts 2 queued runs."
    )


def test_a_summary_where_nothing_finished():
    """Says no time."""
    assert summary_lines([Job(0, "filters=0")], command_of) == [
        "0 of 1 run finished",
        "The same command, run again, starts 1 queued run.",
    ]
