"""The parts that can be added to this program, and where each kind is registered.

The entries of this program are in YAML files next to their implementations. Plugins add theirs through
``gym.register_architecture`` and its siblings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from gym.core.registry import Entry, Registry


@dataclass(frozen=True)
class Style:
    """How an architecture is drawn; marker and dash are named as in matplotlib.

    ``side`` is where the number of filters stands in interactive figures: left or right of its point.
    """

    colour: str = "#666666"
    marker: str = "X"
    dash: str = "-"
    side: str = "right"


@dataclass(frozen=True)
class ArchitectureEntry(Entry):
    """An architecture; its implementation takes the arguments of `gym.models.unet.build_encoder_decoder` but the last.

    Attributes:
        style: How figures draw it.
        work: Multiply-adds relative to the U-Net of the same width, for estimates of time.
        drops_at_bottom: Whether dropout changes once more below the last level.
        in_paper: Whether Figure 3 prefers it, as the paper does.
    """

    style: Style = field(default=Style(), kw_only=True)
    work: float = field(default=1.0, kw_only=True)
    drops_at_bottom: bool = field(default=False, kw_only=True)
    in_paper: bool = field(default=False, kw_only=True)

    @classmethod
    def parse(cls, name: str, raw: dict[str, Any]) -> Self:
        """Build an entry from its attributes in YAML."""
        return super().parse(name, raw | {"style": Style(**raw["style"])})


@dataclass(frozen=True)
class LossEntry(Entry):
    """A loss; its implementation is a `gym.models.losses.LossFormula`.

    Attributes:
        balances_classes: Whether it weights all classes equally by itself, so that class frequencies do not apply.
    """

    balances_classes: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class ReaderEntry(Entry):
    """A reader of labelled imagery.

    Its implementation takes the data configuration, a `gym.core.files.HashCache` and a folder for downloads. It returns
    a `gym.data.readers.base.Reader`.

    Attributes:
        needs: Keys of ``data`` that must be given, each with an example of its value.
        classes: The class names, if they are known in advance; else ``data.classes`` gives them.
        bands: The band names, if they are known in advance; else ``data.bands`` gives them.
        site_pattern: A regular expression whose first group in a scene's name is its site; else ``data.site_pattern``.
        names_labels: Whether its files may name their label values, so that ``data.remap`` takes names.
        licence: The licence of the scenes that a model card states, unless ``data.licence`` is given.
    """

    needs: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    classes: tuple[str, ...] = field(default=(), kw_only=True)
    bands: tuple[str, ...] = field(default=(), kw_only=True)
    site_pattern: str = field(default="", kw_only=True)
    names_labels: bool = field(default=False, kw_only=True)
    licence: str = field(default="", kw_only=True)


# The fields of `gym.evaluation.counts.Counts`, named here because that imports NumPy.
COUNTS = (
    *("matrix", "kld_sum", "probability_sums", "strip_matrix", "distance_sums", "distance_counts", "metre_sums"),
    *("metre_counts", "drawn", "missed", "errors", "reliability", "reliability_with_temperature"),
)


class Place(StrEnum):
    """Where a score is computed or shown."""

    RUN = "run"  # logged to MLflow at the end of training
    EVALUATION = "evaluation"  # computed with its interval by gym.evaluate, and compared between runs
    IMAGE = "image"  # in an evaluation, of each image
    SITE = "site"  # in an evaluation and on the model card, of each site
    SITE_CLASS = "site class"  # at the end of training of each site, in an evaluation of each class there
    SITE_TABLE = "site table"  # a column of the table of sites on the page of an evaluation
    SITE_REPORT = "site report"  # the score of the table of sites in reports, one only: the paper reports Dice
    TERMINAL = "terminal"  # in the terminal at the end of an evaluation
    BASELINES = "baselines"  # compared with the baselines
    DIFFERENCES = "differences"  # in the figure of differences between runs
    CALIBRATION = "calibration"  # in the table of calibration on the model card
    TABLE = "table"  # a column of the table of runs
    FIGURE4 = "figure 4"  # a row of panels of Figure 4, which the table, terminal and MLflow show first
    MLFLOW = "mlflow"  # a column of the table that MLflow shows
    SPREAD = "spread"  # a panel of the spread over seeds
    HELD_OUT = "held out"  # a panel of the scores at held-out sites
    EPOCH = "epoch"  # a field of `gym.training.checkpoint.Epoch`, so that a search can prune by it
    OBJECTIVE = "objective"  # a search can optimise it


@dataclass(frozen=True)
class ScoreEntry(Entry):
    """A score: a number that rates the predictions of a run, or measures the run itself, as its parameter count does.

    The implementation is a function of NumPy arrays counted on images, ``(..., their own axes)``, that returns an array
    ``(...)``; it must take any number of leading axes, because intervals are computed from many draws at once. What is
    0/0 is NaN.

    Attributes:
        reads: The fields of `gym.evaluation.counts.Counts` that the function takes, in this order. Only ``matrix`` and
            ``kld_sum`` are counted at the end of training; what reads others is known from an evaluation on.
        by_class: A function of the same counts that returns ``(..., classes)``, as ``module:object``. Without an
            implementation the score is the mean over the classes that have it. A score with neither measures the run.
        meaning: The title in tables of scores, with the unit; empty if it is the same.
        highest_is_best: The direction.
        is_count: Whether values are whole numbers.
        unit: ``s`` for a duration, ``m`` for what only georeferenced imagery has; else empty.
        number: How a table of runs formats a value.
        places: Where it is computed and shown.
    """

    reads: tuple[str, ...] = field(default=("matrix",), kw_only=True)
    by_class: str = field(default="", kw_only=True)
    meaning: str = field(default="", kw_only=True)
    highest_is_best: bool = field(default=True, kw_only=True)
    is_count: bool = field(default=False, kw_only=True)
    unit: str = field(default="", kw_only=True)
    number: str = field(default="{:.4f}", kw_only=True)
    places: frozenset[Place] = field(default=frozenset(), kw_only=True)

    @classmethod
    def parse(cls, name: str, raw: dict[str, Any]) -> Self:
        """Build an entry from its attributes in YAML."""
        return super().parse(name, raw | {"places": frozenset(map(Place, raw["places"]))})

    @property
    def rates_predictions(self) -> bool:
        """Whether it is computed from predictions."""
        return bool(self.implementation or self.by_class)

    @property
    def long_title(self) -> str:
        """The title in tables of scores."""
        return self.meaning or self.title

    @property
    def class_title(self) -> str:
        """The title in tables of one class a row."""
        return self.long_title.removeprefix("mean ")

    @property
    def is_counted_in_training(self) -> bool:
        """Whether all that it reads is counted at the end of training."""
        return self.rates_predictions and set(self.reads) <= {"matrix", "kld_sum"}

    @property
    def is_known_by_image(self) -> bool:
        """Whether the confusion matrices of images give it, which a result keeps."""
        return self.rates_predictions and set(self.reads) <= {"matrix"}


class ScoreRegistry(Registry[ScoreEntry]):
    """The scores; the default one ranks runs."""

    def at(self, place: Place) -> list[ScoreEntry]:
        """The scores of a place, those of Figure 4 first in a table of runs, and what the run measures last."""
        found = [entry for entry in self if place in entry.places]
        if place not in (Place.TABLE, Place.MLFLOW):
            return found
        return sorted(found, key=lambda entry: (Place.FIGURE4 not in entry.places, not entry.rates_predictions))

    def names_at(self, place: Place) -> list[str]:
        """The names of the scores of a place."""
        return [entry.name for entry in self.at(place)]

    def titles_at(self, place: Place) -> dict[str, str]:
        """The long titles of the scores of a place, by name."""
        return {entry.name: entry.long_title for entry in self.at(place)}

    @property
    def by_class(self) -> list[ScoreEntry]:
        """The scores that each class has."""
        return [entry for entry in self if entry.by_class]


_PACKAGE = Path(__file__).parent.parent

ARCHITECTURES = Registry("architecture", "model.name", ArchitectureEntry, _PACKAGE / "models" / "architectures.yaml")
READERS = Registry("reader", "data.kind", ReaderEntry, _PACKAGE / "data" / "readers" / "readers.yaml")
LOSSES = Registry("loss", "loss.name", LossEntry, _PACKAGE / "models" / "losses.yaml")
EXPORTERS = Registry("export format", "format", Entry)  # for models that other programs use
SCORES = ScoreRegistry("score", "search.objective", ScoreEntry, _PACKAGE / "evaluation" / "scores.yaml")
