"""Find the run whose model is to be used: by id, by name, as the best of a sweep, or by its registered name.

MLflow takes seconds to import: this module is imported only by what looks up a run.
"""

import logging
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import mlflow.artifacts
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.store.entities import PagedList

from gym.config.registries import SCORES
from gym.config.schema import BEST, REGISTERED, TrackingConfig
from gym.core.errors import RunError, first_line
from gym.core.text import redact_uri
from gym.runs.mlflow_client import RetryingClient, open_tracking, tracking_uri
from gym.runs.mlflow_log import PARENT

MODEL = "model"
DESCRIPTIONS = ("config.yaml", "split.json", "card.md", "card.html", "card.json")

_PAGE = 1000
_FINISHED = "attributes.status = 'FINISHED'"  # a filter of MLflow's
_OTHER_SCENES = ("split.training_share", "split.likeness")  # what of the split leaves the validation side as it is

log = logging.getLogger(__name__)


def find_model_run(config: TrackingConfig, outputs: Path, wanted: str) -> Run:
    """Find a run by what ``run=...`` names.

    Args:
        config: Where runs are logged.
        outputs: Folder of the database.
        wanted: An MLflow run id, a run name, ``best:SWEEP``, ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION``.

    Raises:
        RunError: There is none; the message names the nearest.
    """
    if wanted.startswith(BEST):
        return find_best_run(config, outputs, wanted.removeprefix(BEST))
    if wanted.startswith(REGISTERED):
        return find_registered_run(config, outputs, wanted.removeprefix(REGISTERED))
    return find_run(config, outputs, wanted)


def find_run(config: TrackingConfig, outputs: Path, wanted: str) -> Run:
    """Find a run by id, or by name: of several of one name the one that FINISHED last.

    Raises:
        RunError: There is none; the message names the nearest.
    """
    client, experiment = open_tracking(config, outputs)
    with suppress(RunError):
        return client.get_run(wanted)
    named = search_runs(client, experiment, f"{_FINISHED} and {equals('attributes.run_name', wanted)}")
    if named:
        return max(named, key=lambda run: run.info.end_time)
    known = {
        known for run in search_runs(client, experiment, _FINISHED) for known in (run.info.run_name, run.info.run_id)
    }
    near = suggest_nearest(wanted, known, "finished run yet: train one")
    raise RunError(f"run={wanted} is no run in {redact_uri(tracking_uri(config, outputs))}; {near}.")


def find_best_run(config: TrackingConfig, outputs: Path, sweep: str) -> Run:
    """Find the run of a sweep that has the highest validation IoU of those that FINISHED; of equal ones the first.

    Args:
        config: Where runs are logged.
        outputs: Folder of the database.
        sweep: Name of the sweep, or name or id of its parent run; of several of one name the last is taken.

    Raises:
        RunError: There is no such sweep, or it has no such run yet.
    """
    client, experiment = open_tracking(config, outputs)
    children = find_sweep_runs(client, experiment, sweep)
    if not children:
        names = {run.data.tags["sweep"] for run in search_runs(client, experiment, "tags.sweep LIKE '%'")}
        place = redact_uri(tracking_uri(config, outputs))
        near = suggest_nearest(sweep, names, "sweep yet: run one with -m")
        raise RunError(f"run={BEST}{sweep} is no sweep in {place}; {near}.")
    finished = [run for run in children if run.info.status == "FINISHED" and not math.isnan(iou_of(run))]
    if not finished:
        raise RunError(f"run={BEST}{sweep} has no finished run with a score yet; wait for one, or give a run.")
    warn_of_other_scenes(sweep, finished)
    return min(finished, key=lambda run: (-iou_of(run), run.info.start_time, run.info.run_id))


def find_sweep_runs(client: RetryingClient, experiment: str, sweep: str) -> list[Run]:
    """The runs of a sweep, by its name or by name or id of its parent run; none where there is no such sweep."""
    named = search_runs(client, experiment, equals("tags.sweep", sweep))
    children = [run for run in named if PARENT in run.data.tags]
    if not children:
        parents = [run.info.run_id for run in search_runs(client, experiment, equals("attributes.run_name", sweep))]
        filters = [equals(f"tags.`{PARENT}`", parent) for parent in (sweep, *parents)]
        children = [run for wanted in filters for run in search_runs(client, experiment, wanted)]
    if not children:
        return []
    last = max(children, key=lambda run: run.info.start_time).data.tags[PARENT]
    return [run for run in children if run.data.tags[PARENT] == last]


def find_registered_run(config: TrackingConfig, outputs: Path, address: str) -> Run:
    """Find the run that a version of a registered model was made from.

    Args:
        config: Where models are registered.
        outputs: Folder of the database.
        address: ``NAME@ALIAS`` or ``NAME/VERSION``.

    Raises:
        RunError: There is no such model, alias or version, or it was not made from a run.
    """
    client, _ = open_tracking(config, outputs)
    name, _, which = address.partition("@" if "@" in address else "/")
    found = client.search_registered_models(equals("name", name))
    if not found:
        known = every_page(lambda token: client.search_registered_models(max_results=_PAGE, page_token=token))
        near = suggest_nearest(name, {model.name for model in known}, "registered model yet: publish a run")
        raise RunError(f"run={REGISTERED}{address} is no registered model; {near}.")
    versions = {str(one.version): one for one in client.search_model_versions(equals("name", name))}
    aliases = {alias: versions.get(str(version)) for alias, version in found[0].aliases.items()}
    version = (aliases if "@" in address else versions).get(which)
    if version is None:
        has = ", ".join([*(f"@{alias}" for alias in sorted(aliases)), *(f"/{one}" for one in sorted(versions))])
        raise RunError(f"run={REGISTERED}{address} is none of what {name} has: {has or 'nothing'}; give one of them.")
    if not version.run_id:
        raise RunError(f"run={REGISTERED}{address} was registered without a run; give the run itself.")
    return client.get_run(version.run_id)


def fetch_model_files(config: TrackingConfig, outputs: Path, run: Run, place: Path) -> Path:
    """Bring a run's model and what describes it to this machine, or find them here.

    Args:
        config: Where runs are logged.
        outputs: Folder of the database.
        run: The run.
        place: A folder to bring them to.

    Returns:
        The folder that holds ``model/``, and of `DESCRIPTIONS` what the run has; not to be written to.

    Raises:
        RunError: The run has no model, or it cannot be fetched.
    """
    client, _ = open_tracking(config, outputs)
    present = {item.path for item in client.list_artifacts(run.info.run_id)}
    if MODEL not in present:
        raise RunError(without_model(run))
    try:
        if urlparse(run.info.artifact_uri).scheme in ("", "file"):
            return Path(mlflow.artifacts.download_artifacts(artifact_uri=run.info.artifact_uri))  # copies nothing
        uri, wanted = tracking_uri(config, outputs), [name for name in (MODEL, *DESCRIPTIONS) if name in present]
        for name in wanted:
            mlflow.artifacts.download_artifacts(
                run_id=run.info.run_id, artifact_path=name, dst_path=str(place), tracking_uri=uri
            )
    except (MlflowException, OSError) as error:
        raise RunError(
            f"the model of run={run.info.run_id} cannot be fetched ({first_line(error)}); check tracking.uri."
        ) from error
    return place


def without_model(run: Run) -> str:
    """Say that a run has no model, and what to give in its place."""
    info, tags = run.info, run.data.tags
    of_sweep = "sweep" in tags and PARENT not in tags
    remedy = f"it is a sweep, give run={BEST}{tags['sweep']}" if of_sweep else "choose a finished run"
    where = redact_uri(info.artifact_uri)
    return f"run={info.run_id} ({info.run_name}, {info.status}) has no model in {where}; {remedy}."


def search_runs(client: RetryingClient, experiment: str, wanted: str) -> list[Run]:
    """All runs of an experiment that a filter lets through."""
    return every_page(lambda token: client.search_runs([experiment], wanted, max_results=_PAGE, page_token=token))


def every_page(search: Callable[[str | None], PagedList]) -> list[Any]:
    """All that a search of MLflow's finds, which gives it page by page, each by the token of the one before."""
    found: list[Any] = []
    token = None
    while True:
        page = search(token)
        found += page
        token = page.token
        if not token:
            return found


def equals(key: str, value: str) -> str:
    """A filter of MLflow's, which knows no way to write both kinds of quotes.

    Raises:
        RunError: The value has both.
    """
    quote = '"' if "'" in value else "'"
    if quote in value:
        raise RunError(f"{value} holds both kinds of quotes, which MLflow cannot look for; give an id.")
    return f"{key} = {quote}{value}{quote}"


def iou_of(run: Run) -> float:
    """The validation IoU of a run; NaN where it has none."""
    return run.data.metrics.get(SCORES.default, math.nan)


def suggest_nearest(wanted: str, known: set[str], lack: str) -> str:
    """Word the nearest of what is known; where nothing is, what is lacking and how to make it."""
    near = get_close_matches(wanted, sorted(known), n=1, cutoff=0)
    return f"the nearest is {near[0]}" if near else f"there is no {lack}"


def warn_of_other_scenes(sweep: str, runs: Sequence[Run]) -> None:
    """Warn where the scores of runs are not of the same scenes: the best of them is then the luckiest."""
    validated = {
        (
            run.data.tags.get("data_fingerprint"),
            *sorted((k, v) for k, v in run.data.params.items() if k.startswith("split.") and k not in _OTHER_SCENES),
        )
        for run in runs
    }
    if len(validated) > 1:
        log.warning("the runs of sweep %s validate on different scenes; the highest IoU may be of the easiest", sweep)
