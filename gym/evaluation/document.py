"""An evaluation as files to compute with.

evaluation.json     every score as [value, low, high], null where it is undefined; settings; legacy numbers
scores.csv          its scores as a table: group, of, score, value, low, high; the group of a baseline is its contest
images.csv          a row an image: name, scene, site, counted pixels and its scores
"""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gym.core.files import atomic_file, write_json
from gym.evaluation import confusion
from gym.evaluation.assessment import Assessment
from gym.evaluation.bootstrap import Interval
from gym.evaluation.scores import image_scores, nan_to_none, to_json_scores

VERSION = 2  # of evaluation.json

ScoreIntervals = Mapping[str, Interval]
WHOLE, BY_NAME = ("overall", "image_means"), ("classes", "sites", "differences")  # the groups of scores


def describe_assessment(
    assessment: Assessment, run: Mapping[str, Any], data: Mapping[str, Any], differences: Mapping[str, ScoreIntervals]
) -> dict[str, Any]:
    """What came of an evaluation, as JSON has it.

    Args:
        assessment: What came of it.
        run: ``id`` and ``name`` of the model.
        data: ``source`` and ``fingerprint`` of the images.
        differences: By the name of another run the scores of this one less those of that, on the same images.
    """
    return {
        "version": VERSION,
        "run": dict(run),
        "side": assessment.side,
        "warnings": list(assessment.warnings),
        "data": dict(data),
        "images": len(assessment.scenes),
        "scenes": len(set(assessment.scenes)),
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
        "baselines": describe_baselines(assessment),
    }


def describe_baselines(assessment: Assessment) -> dict[str, Any] | None:
    """The model beside its baselines, as JSON has it."""
    beside = assessment.baselines
    if beside is None:
        return None
    contests = [
        {
            "title": contest.title,
            "scores": {name: to_json_scores(scores) for name, scores in contest.scores.items()},
            "leads": to_json_scores(contest.leads),
        }
        for contest in beside.comparisons
    ]
    return {"descriptions": beside.descriptions, "contests": contests}


def write_document(folder: Path, document: Mapping[str, Any], assessment: Assessment) -> list[Path]:
    """Write the three files, each whole or not at all; gives them.

    Raises:
        OSError: They cannot be written.
    """
    files = [folder / name for name in ("evaluation.json", "scores.csv", "images.csv")]
    write_json(files[0], document)
    write_rows(files[1], ("group", "of", "score", "value", "low", "high"), score_rows(document))
    columns = ("name", "scene", "site", "pixels", *image_scores(assessment.counts))
    columns += tuple(f"class_iou/{name}" for name in assessment.evaluation.classes)
    write_rows(files[2], columns, image_rows(assessment))
    return files


def score_rows(document: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Every score of a document, one a row."""
    groups = {group: {"": document[group]} for group in WHOLE} | {group: document[group] for group in BY_NAME}
    for contest in (document["baselines"] or {"contests": []})["contests"]:
        leads = {name: {"iou_model_leads_by": lead} for name, lead in contest["leads"].items()}
        groups[contest["title"]] = {name: of | leads.get(name, {}) for name, of in contest["scores"].items()}
    for group, parts in groups.items():
        for name, scores in parts.items():
            yield from ((group, name, score, *values) for score, values in scores.items())


def image_rows(assessment: Assessment) -> Iterator[tuple[Any, ...]]:
    """The scores of each image."""
    evaluation, counts = assessment.evaluation, assessment.counts
    scores, ious = image_scores(counts), confusion.class_iou(counts.matrix)
    for index, name in enumerate(evaluation.names):
        values = [nan_to_none(value[index]) for value in scores.values()] + [
            nan_to_none(value) for value in ious[index]
        ]
        yield name, assessment.scenes[index], evaluation.sites[index], int(counts.matrix[index].sum()), *values


def write_rows(path: Path, columns: tuple[str, ...], rows: Iterator[tuple[Any, ...]]) -> None:
    """Write a CSV; undefined values are empty."""
    with atomic_file(path) as beside, beside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows([["" if value is None else value for value in row] for row in rows])
