"""Whether runs can be compared scene by scene, and the units that they share."""

from collections.abc import Sequence
from dataclasses import replace

from gym.config.registries import SCORES
from gym.data.units import Units, find_coarsest, list_kinds, name_units
from gym.runs.result import RunResult

# The keys that decide the content of an image and its label, apart from its name.
_IMAGERY = (
    *("data.kind", "data.images", "data.labels", "data.archives", "data.seed", "data.sites"),
    *(
        "data.size",
        "data.framing",
        "data.overlap",
        "data.remap",
        "data.ignore_values",
        "data.aliases",
        "data.null_class",
    ),
)


def find_obstacle(results: Sequence[RunResult], estimate: str = "standard error") -> str:
    """Return why runs cannot be compared scene by scene; empty if they can.

    Args:
        results: The runs.
        estimate: What could not be estimated without their scenes.
    """
    if not results:
        return f"no run has a {SCORES.get(SCORES.default).title}"
    if not all(result.scenes for result in results):
        return f"the confusion matrices are missing, so the {estimate} cannot be estimated"
    if any(set(result.images) != set(results[0].images) for result in results):
        return "the runs have different validation images, as in leave-one-site-out, so their scores are not comparable"
    if differing := [key for key in _IMAGERY if len({repr(result.settings.get(key)) for result in results}) > 1]:
        return f"the runs differ in {', '.join(differing)}, so images with the same name are not the same image"
    if any(_scene_by_image(result) != _scene_by_image(results[0]) for result in results):
        return "some runs were made by an earlier version, which did not record which images share a scene"
    if any(result.classes != results[0].classes for result in results):
        return "the runs have different classes, so their scores are not comparable"
    if not (shared := share_units(results)):
        kinds = list_kinds(result.units for result in results)
        return f"the splits of the runs keep different units together ({kinds}), and neither contains the other"
    if (units := shared[0].units).number < 2:
        return f"there is only one validation {name_units(units.kind, 1)}, so the {estimate} cannot be estimated"
    return ""


def share_units(results: Sequence[RunResult]) -> list[RunResult]:
    """Return runs on the same images with the coarsest of their units, so that their bootstrap draws are equal.

    The list is empty if no run has units that contain whole units of all others.
    """
    images = results[0].images
    by_image = [dict(zip(result.images, result.units.names, strict=True)) for result in results]
    coarsest = find_coarsest(
        [
            Units(result.unit_kind, [unit_of[image] for image in images])
            for result, unit_of in zip(results, by_image, strict=True)
        ]
    )
    if coarsest is None:
        return []
    unit_of = dict(zip(images, coarsest.names, strict=True))
    return [
        replace(result, unit_kind=coarsest.kind, unit_names=[unit_of[image] for image in result.images])
        for result in results
    ]


def _scene_by_image(result: RunResult) -> dict[str, str]:
    return dict(zip(result.images, result.scenes, strict=True))
