"""Print the links that ``scripts/ui`` shows: ``python -m gym.runs.ui_links OUTPUTS PORT``.

This module imports no MLflow, so that the links appear at once.
"""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from gym.core.escape import escape_text
from gym.runs.artifact_location import DATABASE, correct_locations

# The experiments of this program, that of the latest run first.
_EXPERIMENTS = """
    SELECT experiment_id, name FROM experiments JOIN experiment_tags USING (experiment_id)
    LEFT JOIN (SELECT experiment_id, max(start_time) AS latest FROM runs GROUP BY experiment_id) USING (experiment_id)
    WHERE key = 'mlflow.sharedViewState.scores' AND lifecycle_stage = 'active' ORDER BY latest DESC
"""


def list_links(outputs: Path, port: int) -> list[str]:
    """Return a line for each view of each experiment in an outputs folder, and one for all experiments."""
    site = f"http://127.0.0.1:{port}/#/experiments"
    lines = []
    for number, name in _read_experiments(outputs / DATABASE):
        view = f"{site}/{number}/runs?workflowType=machine_learning&viewStateShareKey=scores"
        lines += [f"the runs of {escape_text(name)} by their scores: {view}"]
        lines += [f"the same as charts: {view}&compareRunsMode=CHART"]
    return [*lines, f"all experiments: {site}"]


def _read_experiments(database: Path) -> list[tuple[int, str]]:
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute(_EXPERIMENTS).fetchall()
    except sqlite3.Error:
        return []  # a new folder has no database yet


if __name__ == "__main__":
    outputs, port = sys.argv[1:]
    correct_locations(Path(outputs))  # a copied or moved folder has its own artifacts
    sys.stdout.write("\n".join([*list_links(Path(outputs), int(port)), ""]))
