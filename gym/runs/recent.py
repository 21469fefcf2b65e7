"""The latest finished runs in the outputs folder, found without MLflow, which takes seconds to import."""

from pathlib import Path

from gym.core.files import read_json

_FOLDERS = ("runs/*/result.json", "sweeps/*/runs/*/result.json")


def recent_run_names(outputs: Path, count: int = 5) -> list[str]:
    """Return the names of the latest runs with a readable result, the most recent first, each name once.

    Args:
        outputs: The outputs folder. It may not exist.
        count: Number of names. A result takes a few milliseconds to read.
    """
    dated = []
    for path in (path for pattern in _FOLDERS for path in outputs.glob(pattern)):
        try:
            dated.append((path.stat().st_mtime, path))
        except OSError:  # deleted in the meantime
            continue
    names: dict[str, None] = {}
    for _, path in sorted(dated, reverse=True)[: 4 * count]:
        try:
            names[str(read_json(path)["name"])] = None
        except (OSError, ValueError, TypeError, LookupError, RecursionError):  # damaged
            continue
    return list(names)[:count]
