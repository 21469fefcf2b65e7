"""The reports that belong to one kind of sweep: shares of the labels, seeds, sites held out."""

from collections.abc import Sequence
from pathlib import Path

from gym.reporting.held_out import write_sites
from gym.reporting.learning_curve import write_learning_curve
from gym.reporting.spread import write_spread
from gym.result import RunResult

_REPORTS = (write_learning_curve, write_spread, write_sites)


def write_ready_reports(folder: Path, results: Sequence[RunResult]) -> list[str]:
    """Write each report for which the runs differ in the right key, beside what else is in the folder.

    Returns:
        What each report comes to, in lines for the terminal.

    Raises:
        OSError: Something cannot be written.
    """
    return [line for write in _REPORTS for line in write(folder, results).splitlines()]
