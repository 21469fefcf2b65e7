"""Write an assessment as data files.

evaluation.json     every score as [value, low, high], null if undefined; settings; legacy scores. ``units`` are what
                    the intervals redraw: their ``kind`` (scene, site, date or a column of data.table), ``number``, and
                    a ``note`` if they are not the units of the run's split. Files without it have intervals over
                    scenes. ``selection`` is the result of `gym.runs.selection.Selection.to_json`, and is present only
                    if the run was addressed as the best of a sweep
scores.csv          the same scores as a table: group, of, score, value, low, high
images.csv          one row per image: name, scene, site, unit, counted pixels and scores
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gym.config.registries import SCORES
from gym.core.files import write_cells, write_json
from gym.evaluation import confusion
from gym.evaluation.assessment import Assessment
from gym.evaluation.bootstrap import Interval
from gym.evaluation.scores import image_scores, nan_to_none, to_json_scores

VERSION = 2  # of evaluation.json

ScoreIntervals = Mapping[str, Interval]


def describe_assessment(
    assessment: Assessment, run: Mapping[str, Any], data: Mapping[str, Any], differences: Mapping[str, ScoreIntervals]
) -> dict[str, Any]:
    """Build the content of evaluation.json.

    Args:
        assessment: The assessment.
        run: ``id`` and ``name`` of the model.
        data: ``source`` and ``fingerprint`` of the images.
        differences: For each other run, by name, the scores of this run minus its scores on the same images.
    """
    units = assessment.units
    return {
        "version": VERSION,
        "run": dict(run),
        "side": assessment.side,
        "warnings": list(assessment.warnings),
        "data": dict(data),
        "images": len(assessment.scenes),
        "scenes": len(set(assessment.scenes)),
        "units": {"kind": units.kind, "number": units.number, "note": units.note},
        "temperature": {
            "value": nan_to_none(assessment.temperature.value),
            "origin": assessment.temperature.origin,
            "at_limit": assessment.temperature.is_at_limit,
        },
        "boundary_width": assessment.width,
        "overall": to_json_scores(assessment.overall),
        "image_means": to_json_scores(assessment.images),
        "classes": {name: to_json_scores(scores) for name, scores in assessment.classes.items()},
        "sites": {name: to_json_scores(scores) for name, scores in assessment.sites.items()},
        "differences": {name: to_json_scores(scores) for name, scores in differences.items()},
        "legacy": {name: nan_to_none(value) for name, value in assessment.evaluation.legacy.items()},
        "baselines": _describe_baselines(assessment),
    }


def _describe_baselines(assessment: Assessment) -> dict[str, Any] | None:
    report = assessment.baselines
    if report is None:
        return None
    comparisons = [
        {
            "title": comparison.title,
            "scores": {name: to_json_scores(scores) for name, scores in comparison.scores.items()},
            "leads": to_json_scores(comparison.leads),
        }
        for comparison in report.comparisons
    ]
    return {"descriptions": report.descriptions, "contests": comparisons}


def write_document(folder: Path, document: Mapping[str, Any], assessment: Assessment) -> list[Path]:
    """Write the three files, each atomically, and return their paths.

    Raises:
        OSError: A file cannot be written.
    """
    files = [folder / name for name in ("evaluation.json", "scores.csv", "images.csv")]
    write_json(files[0], document)
    write_cells(files[1], [("group", "of", "score", "value", "low", "high"), *_score_rows(document)])
    columns = ("name", "scene", "site", "unit", "pixels", *image_scores(assessment.counts))
    columns += tuple(f"class_{SCORES.default}/{name}" for name in assessment.evaluation.classes)
    write_cells(files[2], [columns, *_image_rows(assessment)])
    return files


def _score_rows(document: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    groups = {group: {"": document[group]} for group in ("overall", "image_means")}
    groups |= {group: document[group] for group in ("classes", "sites", "differences")}
    for comparison in (document["baselines"] or {"contests": []})["contests"]:
        leads = {name: {f"{SCORES.default}_model_leads_by": lead} for name, lead in comparison["leads"].items()}
        groups[comparison["title"]] = {
            name: scores | leads.get(name, {}) for name, scores in comparison["scores"].items()
        }
    for group, members in groups.items():
        for name, scores in members.items():
            yield from ((group, name, score, *values) for score, values in scores.items())


def _image_rows(assessment: Assessment) -> Iterator[tuple[Any, ...]]:
    evaluation, counts = assessment.evaluation, assessment.counts
    scores, ious = image_scores(counts), confusion.class_iou(counts.matrix)
    for index, name in enumerate(evaluation.names):
        values = map(nan_to_none, (*(values[index] for values in scores.values()), *ious[index]))
        groups = assessment.scenes[index], evaluation.sites[index], assessment.units.names[index]
        yield name, *groups, int(counts.matrix[index].sum()), *values
