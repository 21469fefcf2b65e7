"""The parent run of a sweep in MLflow: its children hang on it, and the comparison of all is logged there."""

import logging
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gym.config.schema import Config
from gym.core.startup import quiet_imports
from gym.core.text import pluralize
from gym.runs.mlflow_log import DESCRIPTION, RunLog, open_mlflow_run
from gym.runs.result import find_result
from gym.sweeps.ledger import FINISHED, Job, drop_duplicates
from gym.sweeps.sweep_folder import SweepFolder

log = logging.getLogger(__name__)


class Parent:
    """The parent run, while the sweep is under way."""

    def __init__(self, run: RunLog, folder: SweepFolder) -> None:
        self._run, self._folder = run, folder

    def log_comparison(self, jobs: Sequence[Job]) -> list[str]:
        """Log what the finished runs came to beside one another; gives what was found, in sentences."""
        done = [job for job in jobs if job.status == FINISHED]
        self._run.log_metrics({"runs": len(jobs), "runs_finished": len(done)})
        if not done:
            return []
        with quiet_imports():  # what draws takes seconds to import
            from gym.reporting.comparison import write_comparison
            from gym.reporting.sweep_page import write_ready_reports

        found = [find_result(self._folder.run_folder(job.fingerprint)) for job in drop_duplicates(done)]
        results = [result for result in found if result]
        if lost := len(found) - len(results):
            log.warning("%s left out: no readable result in %s", pluralize(lost, "run"), self._folder.runs)
        if not results:
            return []
        with tempfile.TemporaryDirectory() as place:
            recommendation = write_comparison(Path(place), results, self._folder.name)
            findings = [recommendation.sentence, *write_ready_reports(Path(place), results)]
            self.log_folder(Path(place))
        self._run.log_tags({DESCRIPTION: "\n\n".join(findings)})
        return findings

    def log_folder(self, folder: Path) -> None:
        """Log all files of a folder."""
        self._run.log_folder(folder)


@contextmanager
def parent_run(config: Config, folder: SweepFolder) -> Iterator[Parent]:
    """Open the parent run of a sweep, the same one however often the sweep is gone on with.

    Raises:
        RunError: MLflow cannot be used.
    """
    known = folder.read_metadata()
    if "attempt" not in known:
        known["attempt"] = uuid.uuid4().hex
        folder.write_metadata(known)
    tags = {"sweep": folder.name}
    with open_mlflow_run(config.tracking, Path(config.outputs), f"sweep {folder.name}", tags, known["attempt"]) as run:
        folder.write_metadata(known | {"run_id": run.run_id})
        yield Parent(run, folder)
