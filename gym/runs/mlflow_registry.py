"""MLflow's model registry: a published run becomes a version of a registered model, and an alias moves to it.

The versions of a registered model are interchangeable: of the same classes and bands, so that who uses
``models:/NAME@champion`` gets a better model one day, and never one of something else.
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
from gym.runs.mlflow_lookup import MODEL, equals
from gym.runs.model_files import ModelDescription


class RegisteredVersion(NamedTuple):
    """A version of a registered model, and the alias that was moved to it."""

    name: str
    number: str
    alias: str


def registry_name(config: TrackingConfig, name: str) -> str:
    """The name to register a model by: the one given, or that of the MLflow experiment, whose runs are of one kind."""
    return name or re.sub(r"[^\w .-]", "_", config.experiment)


def check_compatible(client: RetryingClient, name: str, description: ModelDescription) -> None:
    """Hold a model against the newest version of a registered one; a name that is free takes any.

    Raises:
        RunError: They have other classes or bands, or MLflow cannot be used.
    """
    versions, wanted = versions_of(client, name), tags_of(description)
    for key, names in kind_of(description).items() if versions else ():
        known = versions[-1].tags.get(key, wanted[key])
        if known not in (wanted[key], ", ".join(names)):  # as an earlier version of this program wrote it
            raise RunError(
                f"name={name} is a registered model of the {key} {known}, and this one has {wanted[key]}; "
                "give it another name=..."
            )


def register_model(
    client: RetryingClient, name: str, alias: str, run: Run, description: ModelDescription, digest: str
) -> RegisteredVersion:
    """Make the model of a run a version, unless it is one already, and move the alias to it.

    Args:
        client: Of the registry.
        name: Of the registered model; made where it is missing.
        alias: What moves.
        run: The run.
        description: Of its model.
        digest: The SHA-256 of the zip, a tag of the version.

    Raises:
        RunError: MLflow cannot be used.
    """
    known = [str(version.version) for version in versions_of(client, name) if version.run_id == run.info.run_id]
    number = known[-1] if known else add_version(client, name, run)
    for key, value in {**tags_of(description), "zip_sha256": digest}.items():
        client.set_model_version_tag(name, number, key, value)
    client.set_registered_model_alias(name, alias, number)
    return RegisteredVersion(name, number, alias)


def versions_of(client: RetryingClient, name: str) -> list[ModelVersion]:
    """The versions of a registered model, the newest last; none where there is no such model."""
    found: list[ModelVersion] = list(client.search_model_versions(equals("name", name)))
    return sorted(found, key=lambda version: int(version.version))


def add_version(client: RetryingClient, name: str, run: Run) -> str:
    """Make the model of a run a version; gives its number."""
    if not client.search_registered_models(equals("name", name)):
        client.create_registered_model(name)
    score = run.data.metrics.get(SCORES.default)
    described = run.info.run_name + ("" if score is None else f": validation IoU {score:.3f}")
    source = f"{run.info.artifact_uri}/{MODEL}"
    return str(client.create_model_version(name, source, run.info.run_id, description=described).version)


def kind_of(description: ModelDescription) -> dict[str, list[str]]:
    """What the versions of a registered model have in common."""
    return {"classes": description.classes, "bands": list(description.preparation.source_bands)}


def tags_of(description: ModelDescription) -> dict[str, str]:
    """The same as tags, in JSON: a name may hold any sign."""
    return {key: json.dumps(names, ensure_ascii=False) for key, names in kind_of(description).items()}
