"""Find the run whose model is wanted: by id or name, as the best run of a sweep, or by its registered name.

Import this module only where runs are looked up, because MLflow takes seconds to import.
"""

import functools
import logging
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import mlflow.artifacts
from mlflow.entities import Run
from mlflow.store.entities import PagedList

from gym.config.registries import SCORES
from gym.config.schema import BEST, REGISTERED, TrackingConfig
from gym.core.errors import RunError
from gym.core.redaction import redact
from gym.runs.artifact_location import find_artifacts
from gym.runs.mlflow_client import RetryingClient, connect, find_experiment
from gym.runs.mlflow_limits import RUN_NAME, fit_text
from gym.runs.mlflow_log import PARENT
from gym.runs.tracking_uri import tracking_uri

MODEL = "model"
DESCRIPTIONS = ("config.yaml", "split.json", "card.md", "card.html", "card.json")

_PAGE = 1000
_FINISHED = "attributes.status = 'FINISHED'"  # an MLflow filter
# Settings of the split that do not change the validation side.
_TRAINING_ONLY = ("split.training_share", "split.likeness")

log = logging.getLogger(__name__)


def find_model_run(config: TrackingConfig, outputs: Path, address: str) -> Run:
    """Find the run that ``run=...`` refers to.

    Args:
        config: The MLflow server and experiment.
        outputs: The folder of the database.
        address: A run id, a run name, ``best:SWEEP``, ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION``.

    Raises:
        RunError: There is no such run; the message names the closest match.
    """
    if address.startswith(BEST):
        return find_best_run(config, outputs, address.removeprefix(BEST))
    if address.startswith(REGISTERED):
        return find_registered_run(config, outputs, address.removeprefix(REGISTERED))
    return find_run(config, outputs, address)


def check_address(config: TrackingConfig, outputs: Path, address: str) -> None:
    """Look up what ``run=...`` refers to, without its warnings; arguments and errors are those of `find_model_run`."""
    log.disabled = True
    try:
        find_model_run(config, outputs, address)
    finally:
        log.disabled = False


def find_run(config: TrackingConfig, outputs: Path, address: str) -> Run:
    """Find a run by id or by name. If several finished runs share the name, the most recent one is used.

    Raises:
        RunError: There is no such run; the message names the closest match.
    """
    client = connect(config, outputs)
    with suppress(RunError):
        return client.get_run(address)
    experiment = find_experiment(client, config)
    named = search_runs(
        client, experiment, f"{_FINISHED} and {equality_filter('attributes.run_name', fit_text(address, RUN_NAME))}"
    )
    if named:
        latest = max(named, key=lambda run: run.info.end_time)
        if len(named) > 1:
            log.warning(
                "run=%s is the name of %d finished runs; using the latest, %s", address, len(named), latest.info.run_id
            )
        return latest
    finished = search_runs(client, experiment, _FINISHED)
    known = {name for run in finished for name in (run.info.run_name, run.info.run_id)}
    near = suggest_nearest(address, known, "there is no finished run yet: train one")
    raise RunError(f"run={address} was not found in {redact(tracking_uri(config, outputs))}; {near}.")


def find_best_run(config: TrackingConfig, outputs: Path, sweep: str) -> Run:
    """Find the finished run of a sweep with the highest validation IoU; in a tie, the earliest one.

    Arguments and errors are those of `find_candidates`.
    """
    candidates = find_candidates(config, outputs, sweep)
    _warn_about_different_scenes(sweep, candidates)
    return min(candidates, key=lambda run: (-_validation_iou(run), run.info.start_time, run.info.run_id))


def find_candidates(config: TrackingConfig, outputs: Path, sweep: str) -> list[Run]:
    """List the finished runs of a sweep that have a validation IoU, among which the best is chosen.

    Args:
        config: The MLflow server and experiment.
        outputs: The folder of the database.
        sweep: Name of the sweep, or name or id of its parent run. If several sweeps share the name, the most recent one
            is used.

    Raises:
        RunError: There is no such sweep, or none of its runs has finished with a score.
    """
    client = connect(config, outputs)
    experiment = find_experiment(client, config)
    runs = find_sweep_runs(client, experiment, sweep)
    if not runs:
        names = {run.data.tags["sweep"] for run in search_runs(client, experiment, "tags.sweep LIKE '%'")}
        uri = redact(tracking_uri(config, outputs))
        near = suggest_nearest(sweep, names, "there is no sweep yet: run one with -m")
        raise RunError(f"run={BEST}{sweep} was not found in {uri}; {near}.")
    finished = [run for run in runs if run.info.status == "FINISHED" and not math.isnan(_validation_iou(run))]
    if not finished:
        raise RunError(f"run={BEST}{sweep}: no run of this sweep has finished with a score; wait, or pass another run.")
    return finished


def _validation_iou(run: Run) -> float:
    return run.data.metrics.get(SCORES.default, math.nan)


def _warn_about_different_scenes(sweep: str, runs: Sequence[Run]) -> None:
    validated = {
        (
            run.data.tags.get("data_fingerprint"),
            *sorted((k, v) for k, v in run.data.params.items() if k.startswith("split.") and k not in _TRAINING_ONLY),
        )
        for run in runs
    }
    if len(validated) > 1:
        log.warning(
            "the runs of sweep %s were validated on different scenes; the highest IoU may reflect the easiest scenes",
            sweep,
        )


def find_sweep_runs(client: RetryingClient, experiment: str, sweep: str) -> list[Run]:
    """List the runs of a sweep by its name, or by name or id of its parent run; empty if there is no such sweep."""
    named = search_runs(client, experiment, equality_filter("tags.sweep", sweep))
    children = [run for run in named if PARENT in run.data.tags]
    if not children:
        parents = search_runs(client, experiment, equality_filter("attributes.run_name", fit_text(sweep, RUN_NAME)))
        ids = (sweep, *(run.info.run_id for run in parents))
        filters = [equality_filter(f"tags.`{PARENT}`", parent) for parent in ids]
        children = [run for condition in filters for run in search_runs(client, experiment, condition)]
    if not children:
        return []
    last = max(children, key=lambda run: run.info.start_time).data.tags[PARENT]
    return [run for run in children if run.data.tags[PARENT] == last]


def find_registered_run(config: TrackingConfig, outputs: Path, address: str) -> Run:
    """Find the run that a version of a registered model was made from.

    Args:
        config: The MLflow server.
        outputs: The folder of the database.
        address: ``NAME@ALIAS`` or ``NAME/VERSION``.

    Raises:
        RunError: There is no such model, alias or version, or the version was not made from a run.
    """
    client = connect(config, outputs)
    name, _, selector = address.partition("@" if "@" in address else "/")
    found = client.search_registered_models(equality_filter("name", name))
    if not found:
        known = fetch_all_pages(lambda token: client.search_registered_models(max_results=_PAGE, page_token=token))
        names = {model.name for model in known}
        near = suggest_nearest(name, names, "there is no registered model yet: publish a run")
        raise RunError(f"run={REGISTERED}{address} was not found; {near}.")
    versions = {str(one.version): one for one in client.search_model_versions(equality_filter("name", name))}
    aliases = {alias: versions.get(str(version)) for alias, version in found[0].aliases.items()}
    version = (aliases if "@" in address else versions).get(selector)
    if version is None:
        choices = ", ".join([*(f"@{alias}" for alias in sorted(aliases)), *(f"/{one}" for one in sorted(versions))])
        remedy = f"pass one of {choices}" if choices else "publish a run first"
        raise RunError(f"run={REGISTERED}{address} is not a version of {name}; {remedy}.")
    if not version.run_id:
        raise RunError(f"run={REGISTERED}{address} was not registered from a run; pass the run itself.")
    return client.get_run(version.run_id)


def fetch_model_files(config: TrackingConfig, outputs: Path, run: Run, scratch: Path) -> Path:
    """Locate the model of a run and the files that describe it, and download them if they are not on this machine.

    Args:
        config: The MLflow server.
        outputs: The folder of the database.
        run: The run.
        scratch: The folder for downloads.

    Returns:
        A read-only folder with ``model/`` and whichever of `DESCRIPTIONS` the run has.

    Raises:
        RunError: The run has no model, or it cannot be downloaded.
    """
    client = connect(config, outputs)
    if (folder := find_artifacts(outputs, run.info.run_id, run.info.artifact_uri)) is not None:
        if not (folder / MODEL).is_dir():
            raise RunError(_explain_missing_model(run))
        return folder
    present = {item.path for item in client.list_artifacts(run.info.run_id)}
    if MODEL not in present:
        raise RunError(_explain_missing_model(run))
    download = functools.partial(client.call, mlflow.artifacts.download_artifacts)
    for name in (name for name in (MODEL, *DESCRIPTIONS) if name in present):
        download(run_id=run.info.run_id, artifact_path=name, dst_path=str(scratch), tracking_uri=client.uri)
    return scratch


def _explain_missing_model(run: Run) -> str:
    info, tags = run.info, run.data.tags
    is_sweep = "sweep" in tags and PARENT not in tags
    remedy = f"it is a sweep, so pass run={BEST}{tags['sweep']}" if is_sweep else "pass a finished run"
    uri = redact(info.artifact_uri)
    return f"run={info.run_id} ({info.run_name}, {info.status}) has no model in {uri}; {remedy}."


def search_runs(client: RetryingClient, experiment: str, condition: str) -> list[Run]:
    """List all runs of an experiment that match an MLflow filter."""
    return fetch_all_pages(
        lambda token: client.search_runs([experiment], condition, max_results=_PAGE, page_token=token)
    )


def fetch_all_pages(search: Callable[[str | None], PagedList]) -> list[Any]:
    """Collect all pages of a search, which takes the token of the next page."""
    page = search(None)
    found: list[Any] = list(page)
    while page.token:
        page = search(page.token)
        found += page
    return found


def equality_filter(key: str, value: str) -> str:
    """Build an MLflow filter for an equal value.

    Raises:
        RunError: The value contains both kinds of quotes, which MLflow has no way to escape.
    """
    quote = '"' if "'" in value else "'"
    if quote in value:
        raise RunError(f"{value} contains both kinds of quotes, which MLflow cannot search for; pass an id.")
    return f"{key} = {quote}{value}{quote}"


def suggest_nearest(name: str, known: set[str], otherwise: str) -> str:
    """Name the closest match among known names; return ``otherwise`` if none are known."""
    near = get_close_matches(name, sorted(known), n=1, cutoff=0)
    return f"the closest match is {near[0]}" if near else otherwise
