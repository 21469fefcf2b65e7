"""The terminal, for text that may hold anything a user named."""

import math
import re

from rich.console import Console


def counted(number: int, noun: str) -> str:
    """How many there are of something, as in '1 scene' and '2 scenes'; the noun takes an s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def plain_console() -> Console:
    """A console that prints names as they are: no markup, no emoji codes, no colours of its own, no folded lines."""
    return Console(highlight=False, soft_wrap=True, markup=False, emoji=False)


def clock(seconds: float) -> str:
    """Word a duration, as in '3 min 05 s'."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def worded(score: float, digits: int = 3) -> str:
    """A score as it is shown; a dash where there is none."""
    return "-" if math.isnan(score) else f"{score:.{digits}f}"


def worded_interval(value: float, low: float, high: float) -> str:
    """A score with the ends of its interval, where it has one: three digits, from 10 on one; a dash for no score."""
    digits = 3 if abs(value) < 10 else 1
    ends = "" if math.isnan(low) else f" ({worded(low, digits)} to {worded(high, digits)})"
    return worded(value, digits) + ends


def public_uri(uri: str) -> str:
    """A URI as it may be shown: without user and password, whatever signs are in them."""
    return re.sub(r"://(?!/).*@", "://***@", uri)
