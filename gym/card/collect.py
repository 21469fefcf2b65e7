"""The facts of a card, from what a run has at its end."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from gym.card.facts import CardFacts, ClassFacts, DataFacts, SideFacts
from gym.card.pictures import find_worst
from gym.card.scores import describe_worst, find_confusions, score_side
from gym.config import Config
from gym.data.sides import find_likenesses, positions_of, scenes_of
from gym.data.split import Split
from gym.data.store import PairRecord, Store
from gym.evaluation.ground import pixel_sides
from gym.reporting.dataset_report import word_split
from gym.reporting.evaluation import Evaluation
from gym.reporting.imagery import colour_codes
from gym.result import RunResult

_TOTALS = ("parameters", "trainable_parameters", "seconds", "best_epoch", "stopping_epoch", "training_steps", "loss")
_SORTABLE = r"\d{4}(-?\d\d){0,2}"
_MOST_MEASURED = 100  # scenes whose pixels are measured, of which each takes a millisecond


def collect_facts(
    config: Config,
    store: Store,
    split: Split,
    result: RunResult,
    evaluations: Mapping[str, Evaluation],
    hashes: Mapping[str, str],
    provenance: Mapping[str, str],
    date: str,
) -> CardFacts:
    """Collect the facts of a run.

    Args:
        config: Its configuration.
        store: Its data.
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
        split=word_split(config.split),
        data=describe_data(config, store, split),
        scores=[score_side(side, of, scenes_of(store, of.samples)) for side, of in evaluations.items()],
        worst=describe_worst(validation, find_worst(validation)),
        confusions=find_confusions(validation.matrix, validation.classes),
    )


def describe_data(config: Config, store: Store, split: Split) -> DataFacts:
    """What a run has learnt from and was judged on; copies of a pair are one image."""
    manifest = store.manifest
    sides = {
        side: sorted(set(positions_of(samples, len(store)))) for side, samples in split._asdict().items() if samples
    }
    pixels = {side: store.counts[positions].sum(axis=0).tolist() for side, positions in sides.items()}
    classes = zip(manifest.classes, colour_codes(manifest.classes), strict=True)
    used = [manifest.pairs[position] for position in sorted({position for of in sides.values() for position in of})]
    return DataFacts(
        source=manifest.source,
        fingerprint=manifest.fingerprint,
        bands=store.bands,
        dtype=np.dtype(manifest.dtype).name,
        pixel_sides=measure_pixels(used),
        dates=find_dates(used),
        left_out=len(manifest.left_out),
        alike=len(find_likenesses(store, split, config.split)),
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
    sides = np.array([pixel_sides(scenes[place]) for place in picked])
    known = sides[~np.isnan(sides)]
    return [float(known.min()), float(known.max())] if known.size else []


def find_dates(records: Sequence[PairRecord]) -> list[str]:
    """The first and the last date; empty where one is not known, or is written so that it cannot be sorted."""
    dates = sorted({record.groups.get("date", "") for record in records})
    return [dates[0], dates[-1]] if all(re.fullmatch(_SORTABLE, date) for date in dates) else []
