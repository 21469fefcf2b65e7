"""The terminal, for text that may hold anything a user named."""

from rich.console import Console


def plain_console() -> Console:
    """A console that prints names as they are: no markup, no emoji codes, no colours of its own, no folded lines."""
    return Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
