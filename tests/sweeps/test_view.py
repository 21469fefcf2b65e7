"""The live view is a table in a terminal and plain lines elsewhere, and it restores the terminal."""

import io
import logging
import os
import pty
import re
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from gym.core.errors import Terminated
from gym.sweeps import view
from gym.sweeps.ledger import EPOCH, FAILED, FINISHED, PHASE, PRUNED, QUEUED, STARTED, Job, Ledger
from gym.sweeps.progress import Progress, Session
from gym.sweeps.view import LineDisplay, draw_sweep, show_sweep, summary_lines

BEGIN = 1_771_000_000.0  # all times below are seconds after it
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


def queued(*names):
    """Return the events of queued runs, numbered from 0."""
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
    """Return the lines of the table, without colours, in a terminal of the given size."""
    console = Console(file=io.StringIO(), width=width, height=height)
    progress = Progress([*earlier, *events], Session(earlier, BEGIN), BEGIN + now)
    console.print(draw_sweep(progress, "sweep matrix", height))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


# --- the table


def test_the_table_shows_counts_progress_and_runs():
    """Time left is 50 + 70 s; throughput is 2 runs in 172 s."""
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


def test_an_interrupted_run_counts_as_queued():
    """Its row shows the completed epochs, but neither score nor time."""
    lines = drawn([], now=1000, earlier=STORY)

    assert lines[0] == "sweep matrix  1 done  1 failed  1 pruned  2 queued"
    assert lines[6] == "  3  resunet cce f4  interrupted   4/15"


def test_an_empty_sweep_can_be_drawn():
    """The view starts before the first run is queued."""
    assert drawn([], now=0)[:2] == ["sweep matrix  0 done", " " * 26 + "0/0"]


def test_low_throughput_has_a_decimal():
    """One run in two hours is 0.5 runs per hour."""
    events = [*queued("unet cce f2"), started(0, 0), finished(0, 7200, iou=0.5)]

    assert drawn(events, now=7200)[1].endswith("1/1   0.5 runs per hour")


def test_a_short_terminal_shows_the_most_relevant_runs():
    """Running, then latest failed, then latest ended, then next queued runs; the others are counted."""
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
def test_the_table_fits_into_the_terminal(runs, height, width):
    """Each run takes one line, however narrow the terminal; otherwise it could not be redrawn in place."""
    names = [f"run {number} with a name of some words" for number in range(runs)]

    assert len(drawn([*queued(*names), *STORY[5:]], now=500, width=width, height=height)) < height


def test_names_are_shown_literally():
    """Markup, emoji codes and control characters in names and messages have no effect."""
    events = [*queued("[bold]a[/] :smile: \x1b[31m", "one\ntwo\udce9"), started(1, 0), failed(1, 1, "\x1b[2Jgone\n")]
    lines = drawn(events, now=2, width=110)

    assert lines[3].rstrip() == r"  0  [bold]a[/] :smile: \x1b[31m  queued"
    assert lines[4].startswith(r"  1  one\ntwo\udce9")
    assert lines[4].endswith(r"\x1b[2Jgone\n")


def test_the_phase_after_the_training_is_named():
    """Scoring, drawing and logging can take minutes."""
    events = [
        *queued("a"),
        started(0, 0),
        epoch(0, 15, 0.5),
        {"event": PHASE, "job": 0, "time": BEGIN, "phase": "scoring"},
    ]
    assert drawn(events, now=2, width=110)[3].split()[:4] == ["0", "a", "scoring", "15/15"]

    assert drawn([*events, started(0, 1)], now=2, width=110)[3].split()[2] == "running"


# --- plain lines


class Story:
    """Line display that records what it prints."""

    def __init__(self, earlier=()):
        self.console = Console(file=io.StringIO(), width=40)
        self.display, self.events = LineDisplay(self.console), list(earlier)
        self.session = Session(self.events, BEGIN)

    def add(self, now, *events):
        """Add events, and return the lines printed for them."""
        self.events += events
        before = len(self.console.file.getvalue())
        self.display.show(self.events, self.session, BEGIN + now)
        return self.console.file.getvalue()[before:].splitlines()


def test_one_line_is_printed_per_event():
    """Starts, ends, failures and pruned runs are reported; long lines are not wrapped."""
    assert Story().add(152, *STORY[:-2]) == [
        "run 0  unet cce f2  started",
        "run 0  unet cce f2  done after 12 epochs and 1 min 40 s  IoU 0.781  KLD 0.1250  "
        "(1 of 5 done, about 7 min left)",
        "run 1  unet cce f4  started",
        "run 1  unet cce f4  failed after 12 s: the loss is not finite; lower optimizer.learning_rate  "
        "(1 of 5 done, 1 failed, about 5 min left)",
        "run 2  resunet cce f2  started",
        "run 2  resunet cce f2  pruned after 3 epochs and 40 s  IoU 0.500  (1 of 5 done, 1 failed, about 2 min left)",
    ]


def test_each_event_is_printed_once():
    """It is printed as soon as it appears, however events are batched."""
    story = Story()

    assert story.add(0, *STORY[:5]) == []
    assert story.add(1, *STORY[5:6]) == ["run 0  unet cce f2  started"]
    assert story.add(2) == []
    assert len(story.add(3, *STORY[6:10])) == 3
    assert story.add(4) == []


def test_events_of_earlier_sessions_are_not_printed():
    """A resumed run is reported with the epoch it resumes after."""
    story = Story(earlier=STORY)

    assert story.add(0) == []
    assert story.add(30, started(3, 30, epoch=4), started(1, 30)) == [
        "run 3  resunet cce f4  resumed after epoch 4",
        "run 1  unet cce f4  restarted",
    ]


def test_runs_of_other_commands_are_not_printed():
    """The ledger may contain more runs than this command asks for."""
    story = Story()
    story.session = Session([], BEGIN, numbers={1})

    assert [line.split("  ")[0] for line in story.add(152, *STORY[:-2])] == ["run 1", "run 1"]


def test_running_runs_are_printed_once_a_minute():
    """The first status line appears after a minute, and none if nothing is running."""
    story = Story()
    story.add(0, *queued(*"abcdef"), started(0, 0), epoch(0, 4, 0.625))

    assert story.add(59) == []
    assert story.add(60) == ["running: run 0  a  epoch 4/15  IoU 0.625  (0 of 6 done)"]
    assert story.add(119.5) == []
    more = [started(job, 119) for job in range(1, 6)]
    assert story.add(121, *more)[5:] == [
        "running: run 0  a  epoch 4/15  IoU 0.625, run 1  b  epoch 0/15  IoU -, run 2  c  epoch 0/15  IoU -, "
        "run 3  d  epoch 0/15  IoU -, and 2 more  (0 of 6 done)"
    ]
    ends = [finished(job, 130, iou=0.5) for job in range(6)]
    assert len(story.add(500, *ends)) == 6


def test_lines_contain_no_control_codes():
    """They stay plain even if names contain control codes or colours are forced."""
    story = Story()
    story.console = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=40)
    story.display = LineDisplay(story.console)
    names = queued("[bold]a[/] :smile: \x1b[31m", "b\nc")
    lines = story.add(2, *names, started(0, 0), failed(0, 1, "\x1b[2Jgone\r\nfor good"), started(1, 1))

    assert lines == [
        r"run 0  [bold]a[/] :smile: \x1b[31m  started",
        r"run 0  [bold]a[/] :smile: \x1b[31m  failed after 1 s: \x1b[2Jgone\r\nfor good  (0 of 2 done, 1 failed)",
        r"run 1  b\nc  started",
    ]


# --- the view


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Poll often, and ignore terminal settings of the environment."""
    monkeypatch.setattr(view, "_POLL_SECONDS", 0.01)
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def ledger(tmp_path):
    """A sweep of two queued runs."""
    ledger = Ledger(tmp_path / "ledger.jsonl")
    for number, name in enumerate(("unet cce f2", "resunet cce f2")):
        ledger.append(QUEUED, number, name=name, fingerprint=name, overrides=[])
    return ledger


def terminal(**options):
    """Return a terminal of 80 columns that records its output."""
    return Console(file=io.StringIO(), force_terminal=True, width=80, height=24, **options)


def no_terminal():
    """Return a file of 80 columns."""
    return Console(file=io.StringIO(), width=80)


def wait_for(text, console):
    """Wait until a console has shown some text."""
    until = time.monotonic() + 10
    while text not in console.file.getvalue():
        assert time.monotonic() < until, console.file.getvalue()
        time.sleep(0.005)


def last_table(console):
    """Return the lines of the last table on a terminal, without control codes."""
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
def test_the_final_state_is_shown_however_the_block_ends(ledger, make_console, error):
    """The terminal is restored, the thread has ended, and the exception propagates."""
    console, stdout, before = make_console(), sys.stdout, threading.active_count()

    def block():
        with show_sweep(ledger, "sweep matrix", console):
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
        assert last_table(console)[0] == "sweep matrix  1 done  1 failed"
        assert last_table(console)[3].split()[:5] == ["0", "unet", "cce", "f2", "done"]
        assert last_table(console)[4].endswith("the disk is full")
        assert console.file.getvalue().count(HIDE_CURSOR) == console.file.getvalue().count(SHOW_CURSOR) == 1
        assert console.file.getvalue().endswith(SHOW_CURSOR)
    else:
        lines = console.file.getvalue().splitlines()
        assert [line.split("  ")[2].split()[0] for line in lines] == ["started", "started", "done", "failed"]
        assert "\x1b" not in console.file.getvalue()


@pytest.mark.parametrize("make_console", [terminal, no_terminal])
def test_the_view_follows_a_ledger_written_elsewhere(ledger, make_console):
    """It needs nothing but the file."""
    console = make_console()
    with show_sweep(ledger, "sweep matrix", console):
        shown = "running" if console.is_terminal else "run 1  resunet cce f2  started"
        assert shown not in console.file.getvalue()
        Ledger(ledger.path).append(STARTED, 1, epochs=3)
        wait_for(shown, console)


def test_the_table_is_redrawn_only_when_it_changes(ledger):
    """Drawing takes time from training in the same process."""
    console, began = terminal(), int(time.time())
    with show_sweep(ledger, "sweep matrix", console):
        time.sleep(0.5)  # some fifty looks

    seconds = int(time.time()) - began + 1
    assert 1 <= console.file.getvalue().count("sweep matrix") <= seconds + 1  # each, and the last once more at the end


@pytest.mark.parametrize("make_console", [terminal, no_terminal])
def test_read_errors_do_not_stop_the_sweep(ledger, make_console):
    """The last state stays on the screen, whenever the error occurs."""

    class Flickering(Ledger):
        reads, broken = 0, True

        def read(self):
            self.reads += 1
            if self.broken:
                raise OSError(116, "Stale file handle")
            return super().read()

    flickering, console = Flickering(ledger.path), make_console()
    with show_sweep(flickering, "sweep matrix", console):
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
def test_a_closed_terminal_does_not_stop_the_sweep(ledger, is_terminal):
    """Only the view ends."""

    class Gone(io.StringIO):
        def write(self, text):
            raise OSError(5, "Input/output error")

    stdout = sys.stdout
    with show_sweep(ledger, "sweep matrix", Console(file=Gone(), force_terminal=is_terminal, width=80, height=24)):
        end_both(ledger)

    assert sys.stdout is stdout


def test_each_line_is_flushed(ledger):
    """A log file can be followed."""

    class Counting(io.StringIO):
        flushes = 0

        def flush(self):
            self.flushes += 1

    file = Counting()
    with show_sweep(ledger, "sweep matrix", Console(file=file, width=80)):
        end_both(ledger)

    assert file.flushes >= len(file.getvalue().splitlines()) == 4


def test_a_dumb_terminal_gets_lines(ledger, monkeypatch):
    """Terminals inside editors cannot move the cursor."""
    monkeypatch.setenv("TERM", "dumb")
    console = terminal()
    with show_sweep(ledger, "sweep matrix", console):
        end_both(ledger)

    assert console.file.getvalue().splitlines()[0] == "run 0  unet cce f2  started"
    assert "\x1b" not in console.file.getvalue()


def test_output_during_the_sweep_appears_above_the_table(ledger, monkeypatch):
    """Log handlers write to their own stream again afterwards."""
    handler = logging.StreamHandler(sys.stdout)
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    console, stream = terminal(), handler.stream
    with show_sweep(ledger, "sweep matrix", console):
        wait_for("2 queued", console)
        sys.stdout.write("printed meanwhile\n")
        logging.getLogger("a.run").warning("logged meanwhile")
        end_both(ledger)

    shown = console.file.getvalue()
    assert 0 < shown.index("printed meanwhile") < shown.index("logged meanwhile") < shown.rindex("sweep matrix")
    assert handler.stream is stream


def test_the_view_writes_to_standard_output_by_default(ledger, capsys):
    """Standard output is not a terminal in a test."""
    with show_sweep(ledger, "sweep matrix"):
        end_both(ledger)

    assert capsys.readouterr().out.startswith("run 0  unet cce f2  started\n")


def test_the_view_takes_run_numbers_and_a_total(ledger):
    """Other runs are hidden, and runs that are not queued yet are counted."""
    console = no_terminal()
    with show_sweep(ledger, "sweep matrix", console, numbers={0}, runs=40):
        end_both(ledger)

    assert [line.split("  ")[0] for line in console.file.getvalue().splitlines()] == ["run 0", "run 0"]
    assert "(1 of 40 done" in console.file.getvalue()


@pytest.mark.process
def test_the_view_imports_no_heavy_package():
    """It is imported before any work starts."""
    heavy = "{'keras', 'tensorflow', 'mlflow', 'matplotlib', 'numpy', 'optuna'}"
    code = f"import gym.sweeps.view, sys; print(sorted({heavy} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# --- the end


def command_of(overrides):
    return f"python -m gym.train {' '.join(overrides)}"


def ran(number, status, **what):
    """Return a run that took 100 s."""
    name = f"filters={number}"
    return Job(number, name, overrides=[name], status=status, started=BEGIN, ended=BEGIN + 100, **what)


def test_summary_of_a_finished_sweep():
    """It states the number of finished runs and their total run time."""
    assert summary_lines([ran(0, FINISHED), ran(1, FINISHED)], command_of) == [
        "2 of 2 runs finished; total run time 3 min 20 s",
        "All runs have ended; repeating the command trains nothing.",
    ]


def test_the_summary_lists_failures_with_their_commands():
    """It also says what repeating the command would do."""
    jobs = [
        ran(0, FINISHED),
        ran(1, FAILED, message="the loss is\nnot finite", failures=1),
        Job(2, "filters=2", status=STARTED, started=BEGIN),
        Job(3, "filters=3"),
        ran(4, FAILED, message="the disk is full", failures=3),
        Job(5, "filters=5"),
    ]

    assert summary_lines(jobs, command_of, attempts=3) == [
        "1 of 6 runs finished; total run time 1 min 40 s",
        r"run 1  filters=1  failed: the loss is\nnot finite",
        "    python -m gym.train filters=1",
        "run 4  filters=4  failed: the disk is full",
        "    python -m gym.train filters=4",
        "Repeat the command to retry 1 failed run, resume 1 interrupted run and start 2 queued runs. "
        "1 run reached the limit of sweep.attempts=3; raise it to retry.",
    ]
    assert summary_lines(jobs, command_of)[-1] == (
        "Repeat the command to retry 2 failed runs, resume 1 interrupted run and start 2 queued runs."
    )


def test_the_summary_has_no_run_time_if_nothing_finished():
    """There is nothing to add up."""
    assert summary_lines([Job(0, "filters=0")], command_of) == [
        "0 of 1 run finished",
        "Repeat the command to start 1 queued run.",
    ]


@pytest.mark.parametrize("error", [KeyboardInterrupt, Terminated])
def test_a_stopped_sweep_shows_no_run_in_progress(ledger, error):
    """The last table stays on the screen."""
    console = terminal()

    def block():
        with show_sweep(ledger, "sweep matrix", console):
            ledger.append(STARTED, 0, epochs=3)
            wait_for("running", console)
            raise error

    with pytest.raises(error):
        block()

    table = last_table(console)
    assert table[0] == "sweep matrix  0 done  2 queued"
    assert table[3].split() == ["0", "unet", "cce", "f2", "interrupted", "0/3"]


STOPPED = """
import fcntl, sys, termios, time
from pathlib import Path
from gym.sweeps.ledger import QUEUED, STARTED, Ledger
from gym.sweeps.view import show_sweep

fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # Ctrl-C reaches this process
ledger = Ledger(Path(sys.argv[1]) / "ledger.jsonl")
for number in range(3):
    ledger.append(QUEUED, number, name=60 * "x", fingerprint=str(number), overrides=[])
with show_sweep(ledger, "sweep matrix"):
    ledger.append(STARTED, 1, epochs=9)
    time.sleep(60)
"""


@pytest.mark.process
@pytest.mark.parametrize("width", [30, 40, 80])
@pytest.mark.parametrize("presses", [1, 3])
def test_ctrl_c_leaves_one_table_on_a_real_terminal(tmp_path, width, presses):
    """The ^C that the terminal shows must not push the table up, and the cursor comes back."""
    screen, terminal_end = pty.openpty()
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), terminal_end)
    code = [sys.executable, "-c", STOPPED, str(tmp_path)]
    environment = {**os.environ, "COLUMNS": str(width), "LINES": "20"}
    process = subprocess.Popen(code, **streams, env=environment, start_new_session=True)
    os.close(terminal_end)
    raw = b""
    while b"1 run" not in raw:
        raw += os.read(screen, 4096)
    for _ in range(presses):
        os.write(screen, b"\x03")
        time.sleep(0.05)
    with suppress(OSError):  # the terminal closes when the process ends
        while part := os.read(screen, 4096):
            raw += part
    os.close(screen)
    process.wait()

    text = raw.decode().partition("Traceback")[0]
    lines = display(text, width)
    assert sum("sweep matrix" in line for line in lines) == 1
    assert sum("\N{BOX DRAWINGS HEAVY HORIZONTAL}" in line for line in lines) == 1
    assert not any("running" in line or "^C" in line for line in lines)
    assert text.count(HIDE_CURSOR) == text.count(SHOW_CURSOR) == 1


def display(text, width):
    """Return the lines that a terminal of this width shows, for the few control codes that Rich uses."""
    lines, row, column = [""], 0, 0
    for code, count, letter in re.findall(r"(\x1b\[[?]?([\d;]*)[A-Za-z])|(.)", text, re.DOTALL):
        if code.endswith("A"):
            row = max(row - int(count or 1), 0)
        elif code.endswith("K"):
            lines[row] = ""
        elif letter == "\r":
            column = 0
        elif letter:
            if letter == "\n" or column == width:
                row, column = row + 1, column * (letter == "\n")
                lines += [""] * (row == len(lines))
            if letter != "\n":
                lines[row] = f"{lines[row].ljust(column)[:column]}{letter}{lines[row][column + 1 :]}"
                column += 1
    return lines
