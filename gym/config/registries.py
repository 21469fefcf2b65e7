"""The parts that can be added to this program, and where each kind is registered.

The entries of this program are in one light module for each kind: `gym.models.entries`, `gym.data.readers.entries`
and `gym.evaluation.entries`. Plugins add theirs through ``gym.register_architecture`` and its siblings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

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
    """An architecture; its implementation takes the arguments of `gym.models.unet.build_u` but the last.

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


@dataclass(frozen=True)
class LossEntry(Entry):
    """A loss; its implementation is a `gym.models.losses.LossFormula`.

    Attributes:
        balances_classes: Whether it weighs all classes equally by itself, so that class frequencies do not apply.
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
        bands: The band names, likewise.
        site_pattern: A regular expression whose first group in a scene's name is its site, likewise.
        names_labels: Whether its files may name their label values, so that ``data.remap`` takes names.
        licence: The licence of the scenes that a model card states, unless ``data.licence`` is given.
    """

    needs: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    classes: tuple[str, ...] = field(default=(), kw_only=True)
    bands: tuple[str, ...] = field(default=(), kw_only=True)
    site_pattern: str = field(default="", kw_only=True)
    names_labels: bool = field(default=False, kw_only=True)
    licence: str = field(default="", kw_only=True)


ARCHITECTURES = Registry[ArchitectureEntry]("architecture", "model.name", "gym.models.entries")
READERS = Registry[ReaderEntry]("reader", "data.kind", "gym.data.readers.entries")
LOSSES = Registry[LossEntry]("loss", "loss.name", "gym.models.entries")
