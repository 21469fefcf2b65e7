"""Live view of a sweep, drawn from its ledger alone, because runs may be in this process, in workers or on a cluster.

A terminal shows a table that is updated in place. Elsewhere, one line is printed when a run starts or ends, and once a
minute for the runs in progress.
"""

import logging
import math
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from gym.config.registries import SCORES, Place
from gym.core.errors import RunError
from gym.core.escape import escape_text
from gym.core.text import format_duration, format_score, plain_console, pluralize
from gym.sweeps.ledger import ENDED, FAILED, FINISHED, PRUNED, QUEUED, STARTED, Event, Job, Ledger
from gym.sweeps.progress import DONE, INTERRUPTED, RUNNING, Progress, Session

Show = Callable[[Sequence[Event], Session, float], None]  # the float is a time in seconds since 1970

_POLL_SECONDS = 0.5
_STATUS_SECONDS = 60.0
_MAX_NAMED_RUNS = 4  # in a status line
_OTHER_LINES = 5  # counts, bar, column headings, number of hidden runs, and the line of the cursor
_STYLES = {DONE: "green", RUNNING: "bold cyan", FAILED: "bold red", PRUNED: "yellow", QUEUED: "dim", INTERRUPTED: "dim"}


@contextmanager
def show_sweep(
    ledger: Ledger, title: str, console: Console | None = None, numbers: Collection[int] | None = None, runs: int = 0
) -> Iterator[None]:
    """Show a sweep while the block runs, then its final state, and restore the terminal.

    Args:
        ledger: Ledger of the sweep. While it cannot be read, the last state stays on the screen.
        title: Title of the table.
        console: Where to draw; None means standard output.
        numbers: Numbers of the runs to show; None means all.
        runs: Least number of runs, if not all are queued yet.
    """
    session: Session | None = None
    stop = threading.Event()

    def update(show: Show) -> None:
        nonlocal session
        # A brief failure of the disk or the terminal must not end the sweep.
        with suppress(OSError, UnicodeError, RunError):
            events = ledger.read()
            session = session or Session(events, time.time(), numbers, runs)
            show(events, session, time.time())

    def watch() -> None:
        # Only this thread draws: a signal interrupts the main thread and could leave the terminal half drawn.
        with suppress(OSError, RunError), open_display(console or plain_console(), title) as show:
            update(show)
            while not stop.wait(_POLL_SECONDS):
                update(show)
            update(show)

    update(lambda *_: None)  # begins the session before the block starts any run
    thread = threading.Thread(target=watch, name="sweep view", daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        if session:
            session.is_over = True
        raise
    finally:
        stop.set()
        while thread.is_alive():
            with suppress(KeyboardInterrupt):  # a second Ctrl-C would leave the terminal half drawn
                thread.join()


@contextmanager
def open_display(console: Console, title: str) -> Iterator[Show]:
    """Provide a function that shows a sweep on a console: as a table in a terminal, elsewhere as lines."""
    if not console.is_terminal or console.is_dumb_terminal:
        yield LineDisplay(console).show
        return
    drawn: tuple[int, int, bool] | None = None

    def redraw(events: Sequence[Event], session: Session, now: float) -> None:
        nonlocal drawn
        state = len(events), int(now), session.is_over
        if state != drawn:  # drawing takes time from training in this process
            drawn = state
            table = draw_sweep(Progress(events, session, now), title, console.height)
            live.update(Group(table, ""), refresh=True)  # the terminal writes ^C into the last line

    streams = sys.stdout, sys.stderr
    with Live(console=console, auto_refresh=False) as live, redirect_logging(streams):
        yield redraw


@contextmanager
def redirect_logging(streams: Collection[TextIO]) -> Iterator[None]:
    """Redirect log handlers from ``streams`` to standard output, which Rich prints above the live table."""
    with ExitStack() as restored:
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream in streams:
                restored.callback(handler.setStream, handler.stream)
                handler.setStream(sys.stdout)
        yield


def draw_sweep(progress: Progress, title: str, height: int) -> Group:
    """Draw the counts, a bar with time left and throughput, and as many runs as fit into ``height`` lines."""
    shown = select_jobs(progress, max(1, height - _OTHER_LINES))
    parts: list[RenderableType] = [draw_counts(progress, title), draw_bar(progress), draw_table(progress, shown)]
    if len(shown) < len(progress.jobs):
        parts.append(Text(f"... and {len(progress.jobs) - len(shown)} more", style="dim"))
    return Group(*parts)


def draw_counts(progress: Progress, title: str) -> Text:
    """Draw the title and the number of runs in each state; interrupted runs count as queued."""
    counts = progress.counts + Counter({QUEUED: progress.counts[INTERRUPTED]})
    line = Text(escape_text(title), style="bold", no_wrap=True, overflow="ellipsis")
    for state in (DONE, RUNNING, FAILED, PRUNED, QUEUED):
        if counts[state] or state == DONE:
            line.append(f"  {counts[state]} {state}", style=_STYLES[state])
    return line


def draw_bar(progress: Progress) -> Table:
    """Draw a progress bar with time left and throughput; a narrow terminal gets a shorter bar."""
    rate = progress.runs_per_hour()
    parts = [
        f"{progress.ended}/{progress.total}",
        progress.format_time_left(),
        f"{rate:.{0 if rate >= 10 else 1}f} runs per hour" if rate else "",
    ]
    bar = ProgressBar(max(progress.total, 1), progress.ended, 24, complete_style="green", finished_style="green")
    line = Table.grid("", padding=(0, 2, 0, 0))
    line.add_row(bar, Text("   ".join(part for part in parts if part), no_wrap=True))
    return line


def draw_table(progress: Progress, jobs: Sequence[Job]) -> Table:
    """Draw one row per run; a narrow terminal truncates names and messages."""
    run, *numbers = (Column(title, justify="right", no_wrap=True) for title in ("run", "epoch", "val IoU", "time"))
    status = Column("status", no_wrap=True)
    table = Table(run, "name", status, *numbers, "", box=None, pad_edge=False, header_style="dim")
    for job in jobs:
        table.add_row(*table_row(job, progress))
    return table


def table_row(job: Job, progress: Progress) -> list[Text]:
    """Return the cells of one run."""
    state = progress.states[job.number]
    is_waiting = state in (QUEUED, INTERRUPTED)
    cells = [
        (str(job.number), ""),
        (escape_text(job.name), ""),
        (escape_text(job.phase) if state == RUNNING and job.phase else state, _STYLES[state]),
        (f"{job.epoch}/{job.epochs}" if job.epochs else "", ""),
        ("" if is_waiting else format_score(latest_iou(job)), ""),
        ("" if is_waiting else format_duration(job.elapsed(progress.now)), ""),
        (escape_text(job.message) if state == FAILED else "", _STYLES[state]),
    ]
    row_style = _STYLES[state] if is_waiting else ""
    return [Text(text, style=style or row_style, no_wrap=True, overflow="ellipsis") for text, style in cells]


def latest_iou(job: Job) -> float:
    """Return the final mean IoU of a run, or the one after its latest epoch."""
    return job.scores.get(SCORES.default, job.iou)


def select_jobs(progress: Progress, count: int) -> list[Job]:
    """Select at most ``count`` runs to show.

    If not all fit, running ones come first, then the latest failures, the latest other ends, and the next in the queue.
    """
    if len(progress.jobs) <= count:
        return progress.jobs
    ranks = {RUNNING: 0, FAILED: 1, DONE: 2, PRUNED: 2, INTERRUPTED: 3, QUEUED: 3}

    def rank(job: Job) -> tuple[int, float, int]:
        state = progress.states[job.number]
        return ranks[state], -job.ended if state in (FAILED, DONE, PRUNED) else 0.0, job.number

    return sorted(progress.jobs, key=rank)[:count]


class LineDisplay:
    """Prints one line per event of a run, and a status line once a minute.

    Args:
        console: Where to print.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown = 0
        self._last_status = 0.0

    def show(self, events: Sequence[Event], session: Session, now: float) -> None:
        """Print the new events and, at most once a minute, the runs in progress."""
        for index in range(max(self._shown, session.skip), len(events)):
            self._shown = index + 1
            if events[index]["event"] in (STARTED, *ENDED):
                self._print_event(events[index], Progress(events[: index + 1], session, now))
        if now - max(self._last_status, session.started) >= _STATUS_SECONDS:
            self._last_status = now
            self._print_status(Progress(events, session, now))

    def _print_event(self, event: Event, progress: Progress) -> None:
        for job in progress.jobs:
            if job.number == event["job"]:
                self._print(f"{run_label(job)}  {describe_event(job, progress)}")

    def _print_status(self, progress: Progress) -> None:
        running = progress.jobs_in(RUNNING)
        if running:
            named = [
                f"{run_label(job)}  epoch {job.epoch}/{job.epochs}  IoU {format_score(job.iou)}" for job in running
            ]
            if len(named) > _MAX_NAMED_RUNS:
                named[_MAX_NAMED_RUNS:] = [f"and {len(named) - _MAX_NAMED_RUNS} more"]
            self._print(f"running: {', '.join(named)}  ({describe_progress(progress)})")

    def _print(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)


def describe_event(job: Job, progress: Progress) -> str:
    """Describe the latest event of a run, with the progress of the sweep if the run has ended."""
    if job.status == STARTED:
        if job.epoch:
            return f"resumed after epoch {job.epoch}"
        return "restarted" if job.attempts > 1 else "started"
    elapsed, overall = format_duration(job.elapsed(progress.now)), describe_progress(progress)
    if job.status == FAILED:
        return f"failed after {elapsed}: {escape_text(job.message)}  ({overall})"
    iou = format_score(latest_iou(job))
    epochs = pluralize(round(job.scores.get("stopping_epoch", job.epoch)), "epoch")
    if job.status == PRUNED:
        return f"pruned after {epochs} and {elapsed}  IoU {iou}  ({overall})"
    others = [entry for entry in SCORES.at(Place.FIGURE4) if entry.name != SCORES.default]
    scores = [f"{entry.title} {format_score(job.scores.get(entry.name, math.nan), digits=4)}" for entry in others]
    return f"done after {epochs} and {elapsed}  {'  '.join([f'IoU {iou}', *scores])}  ({overall})"


def describe_progress(progress: Progress) -> str:
    """Describe how many runs are done and, if known, the time left."""
    failed = f"{progress.counts[FAILED]} failed" if progress.counts[FAILED] else ""
    parts = [f"{progress.counts[DONE]} of {progress.total} done", failed, progress.format_time_left()]
    return ", ".join(part for part in parts if part)


def run_label(job: Job) -> str:
    """Return the number and name of a run."""
    return f"run {job.number}  {escape_text(job.name)}"


def summary_lines(
    jobs: Sequence[Job], command_of: Callable[[list[str]], str], attempts: int | None = None
) -> list[str]:
    """Summarize a sweep that has stopped.

    Args:
        jobs: Its runs; none is running any more.
        command_of: Returns the command that trains a run by itself, from its overrides.
        attempts: Number of failures after which a run is not retried; None means no limit.

    Returns:
        The number of finished runs and their total run time, each failed run with its error and command, and what
        repeating the command would do.
    """
    finished = [job for job in jobs if job.status == FINISHED]
    lines = [f"{len(finished)} of {pluralize(len(jobs), 'run')} finished"]
    if finished:
        lines[0] += f"; total run time {format_duration(sum(job.elapsed(job.ended) for job in finished))}"
    for job in jobs:
        if job.status == FAILED:
            lines += [f"{run_label(job)}  failed: {escape_text(job.message)}", f"    {command_of(job.overrides)}"]
    return [*lines, describe_rerun(jobs, attempts)]


def describe_rerun(jobs: Sequence[Job], attempts: int | None) -> str:
    """Describe what the same command would do if it were repeated."""
    failed = [job for job in jobs if job.status == FAILED]
    exhausted = [job for job in failed if attempts is not None and job.failures >= attempts]
    counts = {
        "retry {}": (len(failed) - len(exhausted), "failed run"),
        "resume {}": (sum(job.status == STARTED for job in jobs), "interrupted run"),
        "start {}": (sum(job.status == QUEUED for job in jobs), "queued run"),
    }
    actions = [action.format(pluralize(count, noun)) for action, (count, noun) in counts.items() if count]
    sentences = []
    if actions:
        *first, last = actions
        sentences.append(f"Repeat the command to {' and '.join([', '.join(first), last] if first else [last])}.")
    if exhausted:
        runs = pluralize(len(exhausted), "run")
        sentences.append(f"{runs} reached the limit of sweep.attempts={attempts}; raise it to retry.")
    return " ".join(sentences) or "All runs have ended; repeating the command trains nothing."
