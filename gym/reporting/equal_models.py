"""Marks for runs that ended with the same weights, to the last bit.

With hard labels, cce and kld are one loss, so that a matrix over both holds each of its networks twice. Equal scores of
such runs are no coincidence, and no evidence of anything.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from string import ascii_lowercase

from gym.runs.result import RunResult

EQUAL = "same letter: equal weights"  # for legends
_MOST_NAMED = 3


def mark_equal(keys: Sequence[Hashable]) -> list[str]:
    """Return a mark for each key: equal keys share a letter, in the order of the first ones; others have none.

    After ``z`` come ``aa``, ``ab`` and so on. A key that is empty or None is equal to no other.
    """
    uses = Counter(keys)
    repeated = [key for key in dict.fromkeys(keys) if key and uses[key] > 1]
    marks = {key: _letters(number) for number, key in enumerate(repeated)}
    return [marks.get(key, "") for key in keys]


def _letters(number: int) -> str:
    letters = ""
    while number >= 0:
        number, place = divmod(number, len(ascii_lowercase))
        letters, number = ascii_lowercase[place] + letters, number - 1
    return letters


def mark_runs(results: Sequence[RunResult]) -> list[str]:
    """Return the mark of each run; runs whose weights are equal to the bit share one."""
    return mark_equal([result.weights_sha256 for result in results])


def describe_equal_models(results: Sequence[RunResult], labels: Sequence[str]) -> str:
    """Say in a sentence which runs have equal weights; empty if none have.

    Args:
        results: The runs.
        labels: What to call each.
    """
    groups: dict[str, list[str]] = {}
    for mark, label in zip(mark_runs(results), labels, strict=True):
        if mark:
            groups.setdefault(mark, []).append(label)
    if not groups:
        return ""
    named = "; ".join(f"{mark}: {' and '.join(labels)}" for mark, labels in list(groups.items())[:_MOST_NAMED])
    more = f"; and {len(groups) - _MOST_NAMED} more" if len(groups) > _MOST_NAMED else ""
    models = len({result.weights_sha256 for result in results})
    return (
        f"The {len(results)} runs are {models} different models: runs with the same letter have equal weights, to the "
        f"last bit ({named}{more})."
    )
