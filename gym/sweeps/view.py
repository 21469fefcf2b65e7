"""What a sweep looks like while it goes on, told by its ledger alone: its runs may be here, in workers or on a cluster.

In a terminal a table that is redrawn in place; elsewhere plain lines, one when a run starts or ends and one a minute
for those under way.
"""

import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gym.core.text import format_duration, format_score, plain_console, pluralize
from gym.sweeps.ledger import ENDED, FAILED, FINISHED, PRUNED, QUEUED, STARTED, Event, Job, Ledger
from gym.sweeps.progress import DONE, INTERRUPTED, RUNNING, Progress, Session, begin_session

Show = Callable[[Sequence[Event], Session, float], None]  # at a time, in seconds since 1970

_POLL_SECONDS = 0.5
_NEWS_SECONDS = 60.0
_NAMED_AT_ONCE = 4
_LINES_AROUND = 5  # counts, bar, names of the columns, how many more, and the line of the cursor
_STYLES = {DONE: "green", RUNNING: "bold cyan", FAILED: "bold red", PRUNED: "yellow", QUEUED: "dim", INTERRUPTED: "dim"}


class SweepView:
    """Shows a sweep during a block; however that ends, the last state is shown and the terminal given back.

    Args:
        ledger: Of the sweep. While it cannot be read, what was read last stays.
        title: What the sweep is called.
        console: Where to show it; on standard output where None.
        only: Numbers of the runs that the block makes; all of the ledger where None.
        runs: How many it makes at least, where not all are queued yet.
    """

    def __init__(
        self,
        ledger: Ledger,
        title: str,
        console: Console | None = None,
        only: Collection[int] | None = None,
        runs: int = 0,
    ) -> None:
        self._ledger, self._title, self._console = ledger, title, console or plain_console()
        self._only, self._runs = only, runs
        self._session: Session | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sweep view", daemon=True)

    def __enter__(self) -> Self:
        with suppress(OSError):
            self._read()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        """Show the sweep until it is over.

        All drawing is done in this thread, where no signal can break in and leave the terminal half drawn.
        """
        with suppress(OSError), display(self._console, self._title) as show:
            self._look(show)
            while not self._over.wait(_POLL_SECONDS):
                self._look(show)
            self._look(show)

    def _look(self, show: Show) -> None:
        """Show what there is; neither a disk nor a terminal that fails for a moment is worth the sweep."""
        with suppress(OSError, UnicodeError):
            events, session = self._read()
            show(events, session, time.time())

    def _read(self) -> tuple[list[Event], Session]:
        events = self._ledger.read()
        self._session = self._session or begin_session(events, time.time(), self._only, self._runs)
        return events, self._session


@contextmanager
def display(console: Console, title: str) -> Iterator[Show]:
    """Hold a console for a block; gives what shows a sweep on it, in the way that suits the console."""
    if not console.is_terminal or console.is_dumb_terminal:
        yield LineDisplay(console).show
        return
    streams = sys.stdout, sys.stderr
    with Live(console=console, auto_refresh=False) as live, logging_above(streams):
        yield TableDisplay(live, title).show


class TableDisplay:
    """Redraws a sweep in place, when there are events and once a second.

    Args:
        live: What is redrawn.
        title: What the sweep is called.
    """

    def __init__(self, live: Live, title: str) -> None:
        self._live, self._title = live, title
        self._drawn: tuple[int, int] | None = None

    def show(self, events: Sequence[Event], session: Session, now: float) -> None:
        """Draw how the sweep stands, unless that is what is drawn."""
        state = len(events), int(now)
        if state != self._drawn:
            self._drawn = state
            picture = draw(Progress(events, session, now), self._title, self._live.console.height)
            self._live.update(picture, refresh=True)


@contextmanager
def logging_above(streams: Collection[TextIO]) -> Iterator[None]:
    """For a block, have what is logged to some streams go to standard output, which a live table keeps above itself."""
    held = [
        (handler, handler.stream)
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream in streams
    ]
    for handler, _ in held:
        handler.setStream(sys.stdout)
    try:
        yield
    finally:
        for handler, stream in held:
            handler.setStream(stream)


def draw(progress: Progress, title: str, height: int) -> Group:
    """Draw a sweep: counts, a bar with time left and throughput, and as many runs as ``height`` lines hold."""
    shown = most_telling(progress, max(1, height - _LINES_AROUND))
    parts: list[RenderableType] = [counts_line(progress, title), bar_line(progress), table(progress, shown)]
    if len(shown) < len(progress.jobs):
        parts.append(Text(f"... and {len(progress.jobs) - len(shown)} more", style="dim"))
    return Group(*parts)


def counts_line(progress: Progress, title: str) -> Text:
    """The title, then how many runs are in each state; those interrupted are queued too."""
    counts = progress.counts + Counter({QUEUED: progress.counts[INTERRUPTED]})
    line = Text(one_line(title), style="bold", no_wrap=True, overflow="ellipsis")
    for state in (DONE, RUNNING, FAILED, PRUNED, QUEUED):
        if counts[state] or state == DONE:
            line.append(f"  {counts[state]} {state}", style=_STYLES[state])
    return line


def bar_line(progress: Progress) -> Table:
    """How much has ended, time left and throughput; a narrow terminal gets a shorter bar."""
    rate = progress.runs_per_hour()
    words = [
        f"{progress.ended}/{progress.total}",
        progress.time_left(),
        f"{rate:.{0 if rate >= 10 else 1}f} runs per hour" if rate else "",
    ]
    bar = ProgressBar(max(progress.total, 1), progress.ended, 24, complete_style="green", finished_style="green")
    line = Table.grid("", padding=(0, 2, 0, 0))
    line.add_row(bar, Text("   ".join(word for word in words if word), no_wrap=True))
    return line


def table(progress: Progress, jobs: Sequence[Job]) -> Table:
    """A row for each of some runs; where the terminal is narrow, names and messages are cut."""
    rows = Table(box=None, pad_edge=False, header_style="dim")
    rows.add_column("run", justify="right", no_wrap=True)
    rows.add_column("name")
    rows.add_column("status", no_wrap=True)
    for column in ("epoch", "val IoU", "time"):
        rows.add_column(column, justify="right", no_wrap=True)
    rows.add_column("")
    for job in jobs:
        rows.add_row(*cells(job, progress))
    return rows


def cells(job: Job, progress: Progress) -> list[Text]:
    """The row of one run."""
    state = progress.states[job.number]
    is_waiting = state in (QUEUED, INTERRUPTED)
    words = [
        str(job.number),
        one_line(job.name),
        state,
        f"{job.epoch}/{job.epochs}" if job.epochs else "",
        "" if is_waiting else format_score(iou(job)),
        "" if is_waiting else format_duration(job.elapsed(progress.now)),
        one_line(job.message) if state == FAILED else "",
    ]
    styles = ["", "", _STYLES[state], "", "", "", _STYLES[state]]
    whole = _STYLES[state] if is_waiting else ""
    return [
        Text(word, style=style or whole, no_wrap=True, overflow="ellipsis")
        for word, style in zip(words, styles, strict=True)
    ]


def iou(job: Job) -> float:
    """The final mean IoU of a run, or that after its last epoch."""
    return job.scores.get("iou", job.iou)


def most_telling(progress: Progress, room: int) -> list[Job]:
    """As many runs as there is room for: by number if all fit.

    Else those under way, the last that failed, the last that ended otherwise, and the first by number that wait.
    """
    if len(progress.jobs) <= room:
        return progress.jobs
    ranks = {RUNNING: 0, FAILED: 1, DONE: 2, PRUNED: 2, INTERRUPTED: 3, QUEUED: 3}

    def rank(job: Job) -> tuple[int, float, int]:
        state = progress.states[job.number]
        return ranks[state], -job.ended if state in (FAILED, DONE, PRUNED) else 0.0, job.number

    return sorted(progress.jobs, key=rank)[:room]


class LineDisplay:
    """Says in plain lines what happens in a sweep.

    Args:
        console: Where to say it.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told = 0
        self._last_news = 0.0

    def show(self, events: Sequence[Event], session: Session, now: float) -> None:
        """Say what happened since the last time, and at most once a minute what is under way."""
        for index in range(max(self._told, session.earlier), len(events)):
            self._told = index + 1
            if events[index]["event"] in (STARTED, *ENDED):
                self._say_event(events[index], Progress(events[: index + 1], session, now))
        if now - max(self._last_news, session.began) >= _NEWS_SECONDS:
            self._last_news = now
            self._say_news(Progress(events, session, now))

    def _say_event(self, event: Event, progress: Progress) -> None:
        for job in progress.jobs:
            if job.number == event["job"]:
                self._say(f"{called(job)}  {what_happened(job, progress)}")

    def _say_news(self, progress: Progress) -> None:
        running = progress.of(RUNNING)
        if running:
            named = [f"{called(job)}  epoch {job.epoch}/{job.epochs}  iou {format_score(job.iou)}" for job in running]
            if len(named) > _NAMED_AT_ONCE:
                named[_NAMED_AT_ONCE:] = [f"and {len(named) - _NAMED_AT_ONCE} more"]
            self._say(f"under way: {', '.join(named)}  ({so_far(progress)})")

    def _say(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)


def what_happened(job: Job, progress: Progress) -> str:
    """What the last event of a run was, in words; with the sweep so far where it is an end."""
    if job.status == STARTED:
        again = "started again" if job.attempts > 1 else "started"
        return f"{again}, goes on after epoch {job.epoch}" if job.epoch else again
    took, so = format_duration(job.elapsed(progress.now)), so_far(progress)
    if job.status == FAILED:
        return f"failed after {took}: {one_line(job.message)}  ({so})"
    if job.status == PRUNED:
        return f"pruned after epoch {job.epoch}  iou {format_score(iou(job))}  {took}  ({so})"
    kld = format_score(job.scores.get("kld", float("nan")), digits=4)
    stopping = job.scores.get("stopping_epoch", job.epoch)
    return f"done  iou {format_score(iou(job))}  kld {kld}  stopping epoch {stopping:.0f}  {took}  ({so})"


def so_far(progress: Progress) -> str:
    """How much of a sweep is done, and the time left where it is known."""
    failed = f"{progress.counts[FAILED]} failed" if progress.counts[FAILED] else ""
    parts = [f"{progress.counts[DONE]} of {progress.total} done", failed, progress.time_left()]
    return ", ".join(part for part in parts if part)


def called(job: Job) -> str:
    """Number and name of a run."""
    return f"run {job.number}  {one_line(job.name)}"


def one_line(text: str) -> str:
    """A text without what would break a line or steer a terminal."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def summary_lines(jobs: Sequence[Job], command_of: Callable[[Job], str], attempts: int | None = None) -> list[str]:
    """What is said at the end of a sweep.

    Args:
        jobs: The runs as they stand; none is under way any more.
        command_of: Gives the command that makes one run by itself.
        attempts: How often a run may fail before it is left alone; None for ever.

    Returns:
        How many finished and what they took, each failure with its message and command, and what comes next.
    """
    finished = [job for job in jobs if job.status == FINISHED]
    lines = [f"{len(finished)} of {pluralize(len(jobs), 'run')} finished"]
    if finished:
        lines[0] += f"; together they took {format_duration(sum(job.elapsed(job.ended) for job in finished))}"
    for job in jobs:
        if job.status == FAILED:
            lines += [f"{called(job)}  failed: {one_line(job.message)}", f"    {command_of(job)}"]
    return [*lines, next_time(jobs, attempts)]


def next_time(jobs: Sequence[Job], attempts: int | None) -> str:
    """What the same command does when it is run again, in a sentence."""
    failed = [job for job in jobs if job.status == FAILED]
    left_alone = [job for job in failed if attempts is not None and job.failures >= attempts]
    numbers = {
        "tries {} again": (len(failed) - len(left_alone), "failed run"),
        "goes on with {}": (sum(job.status == STARTED for job in jobs), "interrupted run"),
        "starts {}": (sum(job.status == QUEUED for job in jobs), "queued run"),
        f"leaves {{}} alone, after {pluralize(attempts or 0, 'failure')} each": (len(left_alone), "run"),
    }
    deeds = [deed.format(pluralize(number, noun)) for deed, (number, noun) in numbers.items() if number]
    return f"The same command, run again, {'; '.join(deeds) or 'finds nothing left to do'}."
