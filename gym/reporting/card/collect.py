"""Collect what a card says of a finished run: its data, its scores with intervals, and its failures."""

import re
from collections.abc import Sequence

import numpy as np

from gym.config.registries import SCORES, Place
from gym.config.schema import EvaluateConfig
from gym.data.class_colours import colour_codes
from gym.data.dataset import Dataset, PairRecord
from gym.data.ground import pixel_size
from gym.data.samples import find_near_duplicates, pair_positions
from gym.data.split import Split
from gym.data.units import Units
from gym.evaluation import confusion
from gym.evaluation.confusion import TrainingCounts
from gym.evaluation.counts import Counts
from gym.evaluation.run_model import Evaluation
from gym.evaluation.scores import class_scores, overall_scores, site_scores, to_json_scores
from gym.reporting.card.contents import ClassSummary, Confusion, DataSummary, SideScores, SideSummary, WorstImage
from gym.reporting.contact_sheet import pick_evenly

_MOST_CONFUSIONS, _SMALLEST_SHARE = 3, 0.01
_SORTABLE_DATE = r"\d{4}(-?\d\d){0,2}"
_MOST_MEASURED = 100  # scenes whose pixels are measured, a millisecond each


def summarize_data(dataset: Dataset, split: Split, likeness: int) -> DataSummary:
    """Summarise the data of a run; augmented copies of a pair count as one image.

    Args:
        dataset: The dataset of the run.
        split: The samples on each side.
        likeness: Bits in which the perceptual hashes of near-duplicates may differ.
    """
    manifest = dataset.manifest
    sides = {
        side: sorted(set(pair_positions(samples, len(dataset)))) for side, samples in split._asdict().items() if samples
    }
    pixels = {side: dataset.counts[positions].sum(axis=0).tolist() for side, positions in sides.items()}
    used = [manifest.pairs[position] for position in sorted(set().union(*sides.values()))]
    return DataSummary(
        source=manifest.source,
        fingerprint=manifest.fingerprint,
        bands=dataset.bands,
        dtype=np.dtype(manifest.dtype).name,
        pixel_sides=measure_pixels(used),
        dates=find_dates(used),
        left_out=len(manifest.left_out),
        alike=len(find_near_duplicates(dataset, split, likeness)),
        classes=[
            ClassSummary(name, colour, {side: counts[index] for side, counts in pixels.items()})
            for index, (name, colour) in enumerate(zip(manifest.classes, colour_codes(manifest.classes), strict=True))
        ],
        sides=[_summarize_side(side, [manifest.pairs[position] for position in of]) for side, of in sides.items()],
    )


def _summarize_side(name: str, records: Sequence[PairRecord]) -> SideSummary:
    sites = [record.site for record in records]
    return SideSummary(
        name=name,
        images=len(records),
        scenes=len({record.scene for record in records}),
        sites={site: sites.count(site) for site in sorted(set(sites))},
    )


def measure_pixels(records: Sequence[PairRecord]) -> list[float]:
    """Return the smallest and the largest side of a pixel in metres, over up to 100 scenes; empty if unknown."""
    scenes = list({record.scene: record for record in records}.values())
    sides = np.array([pixel_size(scene) for scene in pick_evenly(scenes, _MOST_MEASURED)])
    known = sides[~np.isnan(sides)]
    return [float(known.min()), float(known.max())] if known.size else []


def find_dates(records: Sequence[PairRecord]) -> list[str]:
    """Return the first and the last date; empty if a date is missing or has a format that does not sort as text."""
    dates = sorted({record.groups.get("date", "") for record in records})
    return [dates[0], dates[-1]] if all(re.fullmatch(_SORTABLE_DATE, date) for date in dates) else []


def score_side(side: str, evaluation: Evaluation, scenes: Sequence[str], units: Units) -> SideScores:
    """Score a side with the counts of training, which yields the same scores as ``gym.evaluate``.

    Args:
        side: Name of the side.
        evaluation: The evaluation of the side.
        scenes: The scene of each image.
        units: The units that intervals redraw.
    """
    counts, classes, seed = _as_counts(evaluation), evaluation.classes, EvaluateConfig().seed
    known = [entry for entry in SCORES.at(Place.EVALUATION) if entry.is_counted_in_training]
    of_a_site = [entry for entry in known if Place.SITE in entry.places]
    by_class = class_scores(units.names, counts, classes, seed, known)
    by_site = site_scores(evaluation.sites, units.names, counts, classes, seed, of_a_site)
    return SideScores(
        side=side,
        images=len(scenes),
        scenes=len(set(scenes)),
        unit_kind=units.kind,
        units=units.number,
        overall=to_json_scores(overall_scores(units.names, counts, seed, known)),
        classes={name: to_json_scores(scores) for name, scores in by_class.items()},
        sites={name: to_json_scores(scores) for name, scores in by_site.items()},
    )


def _as_counts(evaluation: Evaluation) -> Counts:
    """Return the counts of training; the other fields are empty arrays, from which no score can be computed."""
    nothing = np.zeros((len(evaluation.matrices), 0))
    known = TrainingCounts(evaluation.matrices, evaluation.kld_sums)._asdict()
    return Counts._make(known.get(name, nothing) for name in Counts._fields)


def describe_worst(evaluation: Evaluation, indices: Sequence[int]) -> list[WorstImage]:
    """Return names, sites and scores of images that have labelled pixels."""
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
    """Find up to three pairs of classes of which the first is taken for the second, at least in 1 % of its pixels."""
    shares = confusion.ratio(matrix, np.broadcast_to(matrix.sum(axis=1, keepdims=True), matrix.shape))
    found = [
        Confusion(classes[truth], classes[predicted], float(shares[truth, predicted]))
        for truth, predicted in np.ndindex(shares.shape)
        if truth != predicted and shares[truth, predicted] >= _SMALLEST_SHARE
    ]
    return sorted(found, key=lambda one: -one.share)[:_MOST_CONFUSIONS]
