"""Text for the terminal and for pages: numbers, durations and scores."""

import math

from rich.console import Console
from rich.table import Table


def plain_console() -> Console:
    """Return a console that prints text unchanged: no markup, emoji codes, highlighting or wrapping.

    Names given by users may contain anything, ``[bold]`` or ``:sun:`` included.
    """
    console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
    if console.width < 1:  # COLUMNS=0 would hide everything
        console.width = 80
    return console


def print_table(table: Table) -> None:
    """Print a table. On a narrow terminal its lines wrap, so that no name or number is cut off."""
    console = plain_console()
    console.width = max(console.width, table.__rich_measure__(console, console.options.update(width=1000)).maximum)
    console.print(table)


def pluralize(number: int, noun: str) -> str:
    """Return a number with its noun, as in "1 scene" and "2 scenes". The plural adds an s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


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
