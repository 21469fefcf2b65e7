"""The contents of a model card, which are kept in ``card.json`` so that an evaluation can add to the card.

A score is stored as ``[value, low, high]``, with the bounds of its 95 % interval over units; null is undefined.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from gym.core.errors import RunError, first_line
from gym.core.files import read_json, write_json
from gym.core.typed_json import build
from gym.data.units import SCENE

CONTENTS = "card.json"
VERSION = 1

JsonScores = dict[str, list[float | None]]


@dataclass(frozen=True)
class ClassSummary:
    """A class, its colour in all pictures as ``#rrggbb``, and its pixels on each side."""

    name: str
    colour: str
    pixels: dict[str, int]


@dataclass(frozen=True)
class SideSummary:
    """A side of the split: its images and scenes, and the images of each site."""

    name: str
    images: int
    scenes: int
    sites: dict[str, int]


@dataclass(frozen=True)
class DataSummary:
    """The data of a run.

    Attributes:
        source: Where the data come from, in words.
        fingerprint: Fingerprint of the dataset.
        bands: Band names in order, spectral indices last.
        dtype: Type of the values that the network receives.
        pixel_sides: Smallest and largest side of a pixel on the ground, in metres; empty if unknown.
        dates: First and last date, as written in the names or the table; empty if unknown.
        left_out: Number of files or scenes that could not be used.
        alike: Number of near-duplicates on different sides.
        classes: The classes in the order of their label values.
        sides: The sides that have images.
    """

    source: str
    fingerprint: str
    bands: list[str]
    dtype: str
    pixel_sides: list[float]
    dates: list[str]
    left_out: int
    alike: int
    classes: list[ClassSummary]
    sides: list[SideSummary]


@dataclass(frozen=True)
class SideScores:
    """The scores of a side: overall, by class, and by site, with those of each class there as ``iou/CLASS``.

    The intervals redraw a number of ``units`` of one kind, as in `gym.data.units.Units`.
    """

    side: str
    images: int
    scenes: int
    unit_kind: str
    units: int
    overall: JsonScores
    classes: dict[str, JsonScores]
    sites: dict[str, JsonScores]


@dataclass(frozen=True)
class WorstImage:
    """An image with low mean IoU, and its share of correct pixels."""

    name: str
    site: str
    iou: float
    overall_accuracy: float


@dataclass(frozen=True)
class Confusion:
    """The share of the validation pixels of one class that are predicted as another."""

    truth: str
    predicted: str
    share: float


@dataclass(frozen=True)
class CardContents:
    """Everything that the card of a run shows.

    Attributes:
        name: Name of the run.
        run_id: Id of the MLflow run.
        fingerprint: Fingerprint of the run.
        date: Date of the training, as in 2022-05-23.
        settings: The configuration by dotted keys.
        totals: ``parameters``, ``seconds``, ``best_epoch`` and others.
        hashes: SHA-256 of weights and files, by name.
        provenance: Code commit, package versions, precision.
        split: How the split was made, in words.
        data: The data.
        scores: The scores at the end of training, by side.
        worst: The validation images in the picture of failures, in its order.
        confusions: The largest confusions, the largest first.
        evaluations: The results of ``gym.evaluate`` by their folder among the run's artifacts, as returned by
            `gym.evaluation.document.describe_assessment`.
        selection: How the run was chosen as the best of a sweep, in a sentence; empty if it was not.
        version: Version of this layout.
    """

    name: str
    run_id: str
    fingerprint: str
    date: str
    settings: dict[str, Any]
    totals: dict[str, float]
    hashes: dict[str, str]
    provenance: dict[str, str]
    split: str
    data: DataSummary
    scores: list[SideScores]
    worst: list[WorstImage]
    confusions: list[Confusion]
    evaluations: dict[str, dict[str, Any]] = field(default_factory=dict)
    selection: str = ""
    version: int = VERSION

    @property
    def validation(self) -> SideScores:
        """The scores of the validation side."""
        return next(side for side in self.scores if side.side == "validation")

    @property
    def is_leaky(self) -> bool:
        """Whether copies of one scene are on the training and the validation side."""
        return self.settings.get("split.method") == "paper"


def add_evaluations(contents: CardContents, evaluations: Mapping[str, Mapping[str, Any]]) -> CardContents:
    """Return the contents with evaluations added; each replaces an earlier one of the same folder."""
    added = {name: dict(evaluation) for name, evaluation in evaluations.items()}
    return replace(contents, evaluations=contents.evaluations | added)


def write_contents(path: Path, contents: CardContents) -> None:
    """Write the contents of a card as JSON.

    Raises:
        OSError: The file cannot be written.
    """
    write_json(path, asdict(contents))


def read_contents(path: Path) -> CardContents:
    """Read a file that `write_contents` wrote.

    The intervals of a card of earlier versions redraw scenes, and it does not say how its run was chosen.

    Raises:
        RunError: The file is missing or damaged, or another version of this program wrote it.
    """
    try:
        raw = build(dict[str, Any], read_json(path))
        if raw.get("version") != VERSION:
            raise ValueError(f"version {raw.get('version')!s:.40} instead of {VERSION}")
        raw = {"selection": ""} | raw
        scores = build(list[dict[str, Any]], raw.get("scores"), "scores")
        raw["scores"] = [{"unit_kind": SCENE, "units": side.get("scenes")} | side for side in scores]
        contents: CardContents = build(CardContents, raw)
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is not a readable model card ({first_line(error)}); train the run again.") from error
    return contents
