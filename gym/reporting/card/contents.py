"""What a model card says, as plain facts: kept beside it as ``card.json``, so that an evaluation can add to it.

A score stands as ``[value, low, high]``, the last two the ends of its 95 % interval over scenes; null is undefined.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from gym.core.errors import RunError, first_line
from gym.core.files import write_json

FACTS = "card.json"
VERSION = 1

Score = list[float | None]
Scores = dict[str, Score]


@dataclass(frozen=True)
class ClassFacts:
    """A class, its colour in all pictures as ``#rrggbb``, and its pixels by side."""

    name: str
    colour: str
    pixels: dict[str, int]


@dataclass(frozen=True)
class SideFacts:
    """What trains, validates or tests: images, scenes, and the images of each site."""

    name: str
    images: int
    scenes: int
    sites: dict[str, int]


@dataclass(frozen=True)
class DataFacts:
    """The data of a run.

    Attributes:
        source: Where they came from, in words.
        fingerprint: Of the dataset.
        bands: Names, in order, spectral indices last.
        dtype: Type of the values the network gets.
        pixel_sides: Least and largest side of a pixel on the ground, in metres; empty where it is not known.
        dates: First and last, as written in the names or the table; empty where they are not known.
        left_out: Files or scenes that could not be used.
        alike: Pairs of images that look alike though they stand on two sides.
        classes: By label value.
        sides: Those that have images.
    """

    source: str
    fingerprint: str
    bands: list[str]
    dtype: str
    pixel_sides: list[float]
    dates: list[str]
    left_out: int
    alike: int
    classes: list[ClassFacts]
    sides: list[SideFacts]


@dataclass(frozen=True)
class SideScores:
    """What the run scored on a side: overall, by class, and by site, there also of each class as ``iou/CLASS``."""

    side: str
    images: int
    scenes: int
    overall: Scores
    classes: dict[str, Scores]
    sites: dict[str, Scores]


@dataclass(frozen=True)
class WorstImage:
    """An image of low mean IoU, and its share of right pixels."""

    name: str
    site: str
    iou: float
    overall_accuracy: float


@dataclass(frozen=True)
class Confusion:
    """How much of one class is taken for another: the share of its pixels on the validation side."""

    truth: str
    predicted: str
    share: float


@dataclass(frozen=True)
class CardFacts:
    """What the card of a run says.

    Attributes:
        name: Of the run.
        run_id: Of its MLflow run.
        fingerprint: Of all that it depends on.
        date: When it was trained, as in 2022-05-23.
        settings: Its configuration by dotted keys.
        totals: ``parameters``, ``seconds``, ``best_epoch`` and others.
        hashes: SHA-256 by what is hashed.
        provenance: Commit, versions, machine, precision.
        split: How the sides were found, in words.
        data: The data.
        scores: As counted at the end of training, by side.
        worst: The images of `gym.reporting.card.collect`, in its order.
        confusions: The largest, largest first.
        evaluations: What `gym.evaluate` found, by the folder of the run's artifacts in which it lies, as of
            `gym.evaluation.document.describe_assessment`.
        version: Of this layout.
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
    data: DataFacts
    scores: list[SideScores]
    worst: list[WorstImage]
    confusions: list[Confusion]
    evaluations: dict[str, dict[str, Any]] = field(default_factory=dict)
    version: int = VERSION


def add_evaluations(facts: CardFacts, evaluations: Mapping[str, Mapping[str, Any]]) -> CardFacts:
    """Facts with evaluations added; each takes the place of an earlier one of the same folder."""
    return replace(facts, evaluations=facts.evaluations | {name: dict(one) for name, one in evaluations.items()})


def write_facts(path: Path, facts: CardFacts) -> None:
    """Write facts as JSON, whole or not at all.

    Raises:
        OSError: They cannot be written.
    """
    write_json(path, asdict(facts))


def read_facts(path: Path) -> CardFacts:
    """Read what `write_facts` wrote.

    Raises:
        RunError: There is none, or it is damaged, or another version of this program wrote it.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["version"] != VERSION:
            raise ValueError(f"version {raw['version']}, not {VERSION}")
        facts: CardFacts = read_as(CardFacts, raw)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise RunError(
            f"{path} holds no readable facts of a card ({first_line(error)}); train the run again."
        ) from error
    return facts


def read_as(kind: Any, raw: Any) -> Any:
    """Make a value of a type from JSON: dataclasses, lists, mappings with text as keys, and plain values.

    Raises:
        ValueError: A value is of another type, or a part is missing or not known.
    """
    if is_dataclass(kind):
        types = get_type_hints(kind)
        if not isinstance(raw, dict) or set(raw) != {part.name for part in fields(kind)}:
            raise ValueError(f"no {kind.__name__}")  # type: ignore[union-attr]
        return kind(**{name: read_as(types[name], value) for name, value in raw.items()})  # type: ignore[operator]
    whole, parts = get_origin(kind), get_args(kind)
    if whole is list and isinstance(raw, list):
        return [read_as(parts[0], value) for value in raw]
    if whole is dict and isinstance(raw, dict):
        return {name: read_as(parts[1], value) for name, value in raw.items()}
    allowed = parts if whole is UnionType else (kind,)
    if kind is Any or type(raw) in allowed or (float in allowed and type(raw) is int):
        return raw
    raise ValueError(f"{raw!r:.40} where {kind} belongs")
