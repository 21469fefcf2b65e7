"""Text for the terminal and for pages: numbers, durations and scores."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console, RenderHook
from rich.table import Table
from rich.text import Text

from gym.core.escape import escape_text


class PlainConsole(Console):
    """A console that prints each string as one line: escaped, and without markup, emoji codes or wrapping."""

    def __init__(self) -> None:
        super().__init__(highlight=False, soft_wrap=True, markup=False, emoji=False)
        if self.width < 1:  # COLUMNS=0 would hide everything
            self.width = 80

    def render_str(self, text: str, **options: Any) -> Text:
        """Turn a string, or a cell of a table, into Rich's text."""
        return super().render_str(escape_text(text), **options)

    def push_render_hook(self, hook: RenderHook) -> None:
        """Begin a live display, whose lines the terminal must not wrap, because Rich counts them to redraw them."""
        self.soft_wrap = False
        super().push_render_hook(hook)

    def pop_render_hook(self) -> None:
        """End a live display."""
        super().pop_render_hook()
        self.soft_wrap = True

    def print_lines(self, lines: Iterable[str]) -> None:
        """Print several lines."""
        for line in lines:
            self.print(line)


def plain_console() -> PlainConsole:
    """Return a console for text that contains names given by users."""
    return PlainConsole()


def print_table(table: Table) -> None:
    """Print a table. On a narrow terminal its lines wrap, so that no name or number is cut off."""
    console = plain_console()
    console.width = max(console.width, table.__rich_measure__(console, console.options.update(width=1000)).maximum)
    console.print(table)


def pluralize(number: int, noun: str) -> str:
    """Return a number with its noun, as in "1 scene" and "2 scenes". The plural adds an s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def group_reasons(reasons: Mapping[str, str]) -> list[str]:
    """Return one line for each reason, the most frequent first, with the name or the number of those that it concerns.

    Args:
        reasons: Why each was left out, by name. Reasons that differ only in the name or its path are equal.
    """
    groups: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        groups.setdefault(re.sub(rf"(^|/){re.escape(name)}(?!\w)", "", reason), []).append(name)
    lines = []
    for names in sorted(groups.values(), key=len, reverse=True):
        first, reason = names[0], reasons[names[0]].removeprefix(names[0]).removeprefix(":").strip()
        lines.append(f"{first}: {reason}" if len(names) == 1 else f"{len(names)} such as {first}: {reason}")
    return lines


def format_duration(seconds: float) -> str:
    """Format a duration as "59 s", "3 min 05 s" or "2 h 01 min"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def format_size(size: float) -> str:
    """Format a number of bytes, as in 70 MB or 2.1 GB."""
    units = ("kB", "MB", "GB", "TB")
    power = min(max(int(math.log(max(size, 1), 1000)), 1), len(units))
    value = size / 1000**power
    return f"{value:.{1 if value < 10 else 0}f} {units[power - 1]}"


def format_score(score: float, digits: int = 3) -> str:
    """Format a score with a fixed number of decimals; NaN becomes a dash."""
    return "-" if math.isnan(score) else f"{score:.{digits}f}"


def format_interval(value: float, low: float, high: float) -> str:
    """Format a score with its confidence interval, as in "0.813 (0.750 to 0.900)".

    Scores of 10 and above have one decimal, others three. If the interval is NaN, only the score is shown; an undefined
    score is a dash.
    """
    digits = 3 if abs(value) < 10 else 1
    interval = "" if math.isnan(low) else f" ({format_score(low, digits)} to {format_score(high, digits)})"
    return format_score(value, digits) + interval
