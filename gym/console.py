"""The terminal, for text that may hold anything a user named."""

from rich.console import Console


def counted(number: int, noun: str) -> str:
    """How many there are of something, as in '1 scene' and '2 scenes'; the noun takes an s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def plain_console() -> Console:
    """A console that prints names as they are: no markup, no emoji codes, no colours of its own, no folded lines."""
    return Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
