"""Register published runs in MLflow's model registry: each becomes a version of a model, and an alias moves to it.

All versions of a registered model have the same classes and bands. A user of ``models:/NAME@champion`` may receive a
better model over time, but never one for other data.
"""

import json
import re
from typing import NamedTuple

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion

from gym.config.registries import SCORES
from gym.config.schema import TrackingConfig
from gym.core.errors import RunError
from gym.runs.mlflow_client import RetryingClient
from gym.runs.mlflow_lookup import MODEL, equality_filter
from gym.runs.model_files import ModelDescription


class RegisteredVersion(NamedTuple):
    """A version of a registered model, and the alias that points to it."""

    name: str
    number: str
    alias: str


def registry_name(config: TrackingConfig, name: str) -> str:
    """Return the given name, by default that of the MLflow experiment without the characters that MLflow rejects."""
    return name or re.sub(r"[^\w .-]", "_", config.experiment)


def check_compatible(client: RetryingClient, name: str, description: ModelDescription) -> None:
    """Check that a model has the classes and bands of the newest version registered under a name, if there is one.

    Raises:
        RunError: They differ, or MLflow cannot be used.
    """
    versions, tags = _find_versions(client, name), _interface_tags(description)
    for key, names in _interface(description).items() if versions else ():
        known = versions[-1].tags.get(key, tags[key])
        if known not in (tags[key], ", ".join(names)):  # earlier versions of this program joined the names by commas
            raise RunError(
                f"name={name} is a registered model with the {key} {known}, but this model has {tags[key]}; "
                "choose another name=..."
            )


def register_model(
    client: RetryingClient,
    name: str,
    alias: str,
    run: Run,
    description: ModelDescription,
    digest: str,
    remark: str = "",
) -> RegisteredVersion:
    """Register the model of a run as a version, unless it is one already, and move the alias to it.

    Args:
        client: Client of the MLflow server.
        name: Name of the registered model, which is created if missing.
        alias: The alias.
        run: The run.
        description: Description of its model.
        digest: SHA-256 of the model archive, stored as a tag.
        remark: What to add to the score in the description of a new version.

    Raises:
        RunError: MLflow cannot be used.
    """
    known = [str(version.version) for version in _find_versions(client, name) if version.run_id == run.info.run_id]
    number = known[-1] if known else _add_version(client, name, run, remark)
    for key, value in {**_interface_tags(description), "zip_sha256": digest}.items():
        client.set_model_version_tag(name, number, key, value)
    client.set_registered_model_alias(name, alias, number)
    return RegisteredVersion(name, number, alias)


def _find_versions(client: RetryingClient, name: str) -> list[ModelVersion]:
    """List the versions of a registered model, the newest last; empty if there is no such model."""
    found: list[ModelVersion] = list(client.search_model_versions(equality_filter("name", name)))
    return sorted(found, key=lambda version: int(version.version))


def _add_version(client: RetryingClient, name: str, run: Run, remark: str) -> str:
    if not client.search_registered_models(equality_filter("name", name)):
        client.create_registered_model(name)
    score = run.data.metrics.get(SCORES.default)
    text = run.info.run_name + ("" if score is None else f": validation IoU {score:.3f}")
    text += f", {remark}" if remark else ""
    source = f"{run.info.artifact_uri}/{MODEL}"
    return str(client.create_model_version(name, source, run.info.run_id, description=text).version)


def _interface(description: ModelDescription) -> dict[str, list[str]]:
    return {"classes": description.classes, "bands": list(description.preparation.source_bands)}


def _interface_tags(description: ModelDescription) -> dict[str, str]:
    # In JSON, because a name may contain any separator.
    return {key: json.dumps(names, ensure_ascii=False) for key, names in _interface(description).items()}
