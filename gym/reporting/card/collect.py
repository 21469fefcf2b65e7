"""The facts of a card, from what a run has at its end.

The scores of a run with their intervals, of what training counts at its end: those that `gym.evaluate` finds.

The images that a model does worst on, in one picture: a row an image, worst on top.

It is put together pixel by pixel, since matplotlib takes ten times as long.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.image import imsave

from gym.config.registries import SCORES, Place
from gym.config.schema import EvaluateConfig, SplitConfig
from gym.core.files import atomic_file
from gym.data.class_colours import colour_codes, render_errors
from gym.data.dataset import Dataset, PairRecord
from gym.data.ground import pixel_size
from gym.data.samples import ReadSample, find_near_duplicates, pair_positions, scene_names
from gym.data.split import Split
from gym.evaluation import confusion
from gym.evaluation.confusion import TrainingCounts
from gym.evaluation.counts import Counts
from gym.evaluation.run_model import Evaluation
from gym.evaluation.scores import class_scores, overall_scores, site_scores, to_json_scores
from gym.reporting.card.contents import CardFacts, ClassFacts, Confusion, DataFacts, SideFacts, SideScores, WorstImage
from gym.reporting.contact_sheet import rank_by_iou
from gym.reporting.dataset_page import describe_split
from gym.runs.result import RunResult

_MOST_CONFUSIONS, _LEAST_SHARE = 3, 0.01


def score_side(side: str, evaluation: Evaluation, scenes: Sequence[str]) -> SideScores:
    """Score a side.

    Args:
        side: Its name.
        evaluation: What a model did on it.
        scenes: The scene of each image.
    """
    counts, classes, seed = counts_of(evaluation), evaluation.classes, EvaluateConfig().seed
    known = [entry for entry in SCORES.at(Place.EVALUATION) if entry.is_counted_in_training]
    of_a_site = [entry for entry in known if Place.SITE in entry.places]
    by_class = class_scores(scenes, counts, classes, seed, known)
    by_site = site_scores(evaluation.sites, scenes, counts, classes, seed, of_a_site)
    return SideScores(
        side=side,
        images=len(scenes),
        scenes=len(set(scenes)),
        overall=to_json_scores(overall_scores(scenes, counts, seed, known)),
        classes={name: to_json_scores(scores) for name, scores in by_class.items()},
        sites={name: to_json_scores(scores) for name, scores in by_site.items()},
    )


def counts_of(evaluation: Evaluation) -> Counts:
    """What has been counted, of all that could be: the rest is empty, so that no score can be taken of it."""
    nothing = np.zeros((len(evaluation.matrices), 0))
    known = TrainingCounts(evaluation.matrices, evaluation.kld_sums)._asdict()
    return Counts._make(known.get(name, nothing) for name in Counts._fields)


def describe_worst(evaluation: Evaluation, indices: Sequence[int]) -> list[WorstImage]:
    """The scores of some images; each has a counted pixel."""
    return [
        WorstImage(
            evaluation.names[index],
            evaluation.sites[index],
            float(confusion.mean_iou(evaluation.matrices[index])),
            float(confusion.overall_accuracy(evaluation.matrices[index])),
        )
        for index in indices
    ]


def find_confusions(matrix: np.ndarray, classes: Sequence[str]) -> list[Confusion]:
    """Which class is taken for which, by the share of its pixels: the three largest of at least one in a hundred."""
    shares = confusion.ratio(matrix, np.broadcast_to(matrix.sum(axis=1, keepdims=True), matrix.shape))
    found = [
        Confusion(classes[truth], classes[predicted], float(shares[truth, predicted]))
        for truth, predicted in np.ndindex(shares.shape)
        if truth != predicted and shares[truth, predicted] >= _LEAST_SHARE
    ]
    return sorted(found, key=lambda one: -one.share)[:_MOST_CONFUSIONS]


WORST = "worst.png"

_MOST = 5
_LONGEST, _SHORTEST = 256, 128  # sides of an image as it is drawn, in pixels
_GAP = 4


def find_worst(evaluation: Evaluation) -> list[int]:
    """Positions of the images of the lowest mean IoU, the lowest first; none where no image has one."""
    return rank_by_iou(evaluation)[:_MOST]


def draw_worst(evaluation: Evaluation, indices: Sequence[int], bands: Sequence[str], read: ReadSample) -> np.ndarray:
    """Set images below each other, each as image, truth, prediction and errors in white.

    Of a large image every second, third, ... pixel is drawn; the pixels of a small one are drawn larger.

    Args:
        evaluation: What a model did.
        indices: Positions in it of the images; one at least.
        bands: Band names.
        read: Gives image and label of a sample.

    Returns:
        ``(rows, columns, 3)`` uint8.
    """
    longest = max(evaluation.predicted.shape[1:])
    step, enlarged = -(-longest // _LONGEST), max(1, _SHORTEST // longest)
    rows = []
    for index in indices:
        image, truth = (np.asarray(part)[::step, ::step] for part in read(evaluation.samples[index]))
        predicted = evaluation.predicted[index][::step, ::step]
        panels = render_errors(image, truth, predicted, bands, evaluation.classes)
        rows.append(join([panel.repeat(enlarged, 0).repeat(enlarged, 1) for panel in panels], axis=1))
    return np.round(255 * join(rows, axis=0)).astype(np.uint8)


def join(parts: Sequence[np.ndarray], axis: int) -> np.ndarray:
    """Set pictures beside or below each other, with white between."""
    margin = [(0, 0)] * 3
    margin[axis] = (0, _GAP)
    spaced = [np.pad(part, margin, constant_values=1.0) for part in parts[:-1]]
    return np.concatenate([*spaced, parts[-1]], axis=axis)


def write_worst(path: Path, picture: np.ndarray) -> None:
    """Write a picture as PNG, whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    with atomic_file(path) as beside:
        imsave(beside, picture)


_TOTALS = ("parameters", "trainable_parameters", "seconds", "best_epoch", "stopping_epoch", "training_steps", "loss")
_SORTABLE = r"\d{4}(-?\d\d){0,2}"
_MOST_MEASURED = 100  # scenes whose pixels are measured, of which each takes a millisecond


def collect_facts(
    split_config: SplitConfig,
    dataset: Dataset,
    split: Split,
    result: RunResult,
    evaluations: Mapping[str, Evaluation],
    hashes: Mapping[str, str],
    provenance: Mapping[str, str],
    date: str,
) -> CardFacts:
    """Collect the facts of a run.

    Args:
        split_config: How its samples were chosen.
        dataset: Its data.
        split: Their sides.
        result: What it came to.
        evaluations: What it did on its sides; validation is among them.
        hashes: SHA-256 by what is hashed.
        provenance: Commit, versions and machine.
        date: When it was trained.
    """
    validation = evaluations["validation"]
    return CardFacts(
        name=result.name,
        run_id=result.run_id,
        fingerprint=result.fingerprint,
        date=date,
        settings=result.settings,
        totals={name: result.scores[name] for name in _TOTALS if name in result.scores},
        hashes=dict(hashes),
        provenance=dict(provenance),
        split=describe_split(split_config),
        data=describe_data(dataset, split, split_config.likeness),
        scores=[score_side(side, of, scene_names(dataset, of.samples)) for side, of in evaluations.items()],
        worst=describe_worst(validation, find_worst(validation)),
        confusions=find_confusions(validation.matrix, validation.classes),
    )


def describe_data(dataset: Dataset, split: Split, likeness: int) -> DataFacts:
    """What a run has learnt from and was judged on; copies of a pair are one image."""
    manifest = dataset.manifest
    sides = {
        side: sorted(set(pair_positions(samples, len(dataset)))) for side, samples in split._asdict().items() if samples
    }
    pixels = {side: dataset.counts[positions].sum(axis=0).tolist() for side, positions in sides.items()}
    classes = zip(manifest.classes, colour_codes(manifest.classes), strict=True)
    used = [manifest.pairs[position] for position in sorted({position for of in sides.values() for position in of})]
    return DataFacts(
        source=manifest.source,
        fingerprint=manifest.fingerprint,
        bands=dataset.bands,
        dtype=np.dtype(manifest.dtype).name,
        pixel_sides=measure_pixels(used),
        dates=find_dates(used),
        left_out=len(manifest.left_out),
        alike=len(find_near_duplicates(dataset, split, likeness)),
        classes=[
            ClassFacts(name, colour, {side: counts[index] for side, counts in pixels.items()})
            for index, (name, colour) in enumerate(classes)
        ],
        sides=[describe_side(side, [manifest.pairs[position] for position in of]) for side, of in sides.items()],
    )


def describe_side(name: str, records: Sequence[PairRecord]) -> SideFacts:
    """What is on a side."""
    sites = [record.site for record in records]
    return SideFacts(
        name=name,
        images=len(records),
        scenes=len({record.scene for record in records}),
        sites={site: sites.count(site) for site in sorted(set(sites))},
    )


def measure_pixels(records: Sequence[PairRecord]) -> list[float]:
    """Least and largest side of a pixel in metres, of one image of each of some scenes; empty where it is not known."""
    scenes = list({record.scene: record for record in records}.values())
    picked = np.unique(np.linspace(0, len(scenes) - 1, min(len(scenes), _MOST_MEASURED)).round().astype(int))
    sides = np.array([pixel_size(scenes[place]) for place in picked])
    known = sides[~np.isnan(sides)]
    return [float(known.min()), float(known.max())] if known.size else []


def find_dates(records: Sequence[PairRecord]) -> list[str]:
    """The first and the last date; empty where one is not known, or is written so that it cannot be sorted."""
    dates = sorted({record.groups.get("date", "") for record in records})
    return [dates[0], dates[-1]] if all(re.fullmatch(_SORTABLE, date) for date in dates) else []
