"""Resolve ``training.precision=auto`` for a run, before its fingerprint is final."""

import logging
from dataclasses import replace

from gym.config.schema import AUTO, TrainingConfig
from gym.runs.run_folder import find_precision, read_attempt
from gym.runs.spec import RunSpec
from gym.training.precision import MEASURED, Choice, choose_precision

log = logging.getLogger(__name__)


def resolve_precision(training: TrainingConfig, spec: RunSpec) -> tuple[TrainingConfig, RunSpec, dict[str, str]]:
    """Replace ``auto`` by the data type of the interrupted attempt, or else by the one that is fastest here.

    A run therefore ends in the data type in which it began, even on another machine.

    Args:
        training: How the run is trained.
        spec: The run as planned from it.

    Returns:
        Both with the data type in place, and MLflow tags that say what was measured.
    """
    if training.resume:
        _warn_of_earlier_attempt(spec)
    if training.precision != AUTO:
        return training, spec, {}
    before = find_precision(spec.folder, spec.fingerprint) if training.resume else ""
    choice = Choice(before, "this run began in it") if before else choose_precision(training.threads)
    log.info("training.precision=auto: %s (%s)", *choice)
    resolved, tags = replace(training, precision=choice.precision), {} if before else {MEASURED: choice.reason}
    if before and read_attempt(spec.folder):  # an earlier version named the folder after the fingerprint with auto
        return resolved, spec, tags
    return resolved, spec.resolve_precision(choice.precision), tags


def _warn_of_earlier_attempt(spec: RunSpec) -> None:
    earlier = spec.folder.with_name(spec.unversioned[:16])
    if earlier != spec.folder and not spec.plugins and read_attempt(earlier):
        log.warning(
            "version 0.1.0 was interrupted in this run, whose loss it computed from clipped probabilities; the run "
            "starts again, unless you add loss.clip=true to resume it"
        )
