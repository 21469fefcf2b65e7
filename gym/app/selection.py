"""How a run was chosen that is addressed as the best of a sweep, from the results of the runs it was chosen among.

MLflow takes seconds to import, and a run that is addressed otherwise may not need it.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from gym.config.registries import SCORES
from gym.config.schema import BEST, TrackingConfig
from gym.core.errors import RunError
from gym.reporting.card.contents import CONTENTS
from gym.runs.result import RunResult, find_result
from gym.runs.selection import Selection, assess_selection
from gym.sweeps.sweep_folder import SweepFolder


def find_selection(tracking: TrackingConfig, outputs: Path, address: str) -> Selection | None:
    """Find how a run was chosen.

    Args:
        tracking: Where runs are logged.
        outputs: Folder of the sweeps and the MLflow database.
        address: The value of ``run=...``.

    Returns:
        The selection, without an estimate of its optimism where the results of the sweep are not in ``outputs``. None
        if the address does not name the best of a sweep, or the sweep has fewer than two different models.

    Raises:
        RunError: There is no such sweep, or none of its runs has finished with a score.
    """
    if not address.startswith(BEST):
        return None
    from gym.runs.mlflow_lookup import find_candidates

    candidates = find_candidates(tracking, outputs, address.removeprefix(BEST))
    results = (find_run_result(outputs, run) for run in candidates)
    return assess_selection([result for result in results if result])


def find_run_result(outputs: Path, run: Any) -> RunResult | None:
    """Read the result of a finished run from its folder, or from MLflow if the folder is missing or of another run.

    Args:
        outputs: Folder of the runs and sweeps.
        run: The run in MLflow.

    Returns:
        The result, without images and confusion matrices if it is read from MLflow; None if the run has none.
    """
    from gym.runs.mlflow_read import read_logged_result

    fingerprint, sweep = (run.data.tags.get(tag, "") for tag in ("fingerprint", "sweep"))
    folders = [outputs / "runs" / fingerprint[:16]]
    if sweep:
        folders.append(SweepFolder(outputs, sweep).run_folder(fingerprint))
    for result in map(find_result, folders):
        if result and result.run_id == run.info.run_id:
            return result
    return read_logged_result(run) if run.info.status == "FINISHED" and SCORES.default in run.data.metrics else None


def describe_for_card(selection: Selection) -> str:
    """Describe a selection for the card of the chosen run."""
    return selection.describe(f"The validation {SCORES.get(SCORES.default).title}")


def record_in_card(tracking: TrackingConfig, outputs: Path, address: str) -> Selection | None:
    """Add to the card of a run how it was chosen, if its address names the best of a sweep.

    Arguments, result and errors are those of `find_selection`.
    """
    selection = find_selection(tracking, outputs, address)
    if selection is None:
        return None
    from gym.reporting.card.write import update_card
    from gym.runs.mlflow_log import open_run_log
    from gym.runs.mlflow_lookup import find_model_run

    sentence, run = describe_for_card(selection), find_model_run(tracking, outputs, address)
    with FileLock(outputs / ".card.lock"):  # as for evaluations
        update_card(
            open_run_log(tracking, outputs, run.info.run_id), lambda contents: replace(contents, selection=sentence)
        )
    return selection


def read_card(folder: Path, selection: Selection | None) -> str:
    """Read a card as Markdown, and add how its run was chosen.

    Args:
        folder: Holds the files of the card.
        selection: How the run was chosen; None leaves the card as it is.

    Returns:
        The card; empty if there is none. A card whose contents cannot be read is unchanged.
    """
    path = folder / "card.md"
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    if selection is None or not text:
        return text
    from gym.reporting.card import write

    try:
        return write.render_markdown(
            replace(write.read_card(folder / CONTENTS), selection=describe_for_card(selection))
        )
    except RunError:
        return text
