"""The units of a bootstrap: groups of images that a split keeps on one side, and that are therefore redrawn whole.

Images of one place are alike. If the split keeps a place together, the question is how the model does at places that it
has not seen, and a place is one observation of that, however many images it has.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gym.config.schema import SplitConfig
from gym.data.dataset import Dataset, PairRecord
from gym.data.samples import connect_units, image_key, pair_positions
from gym.data.split import ONE_SITE

SCENE = "scene"
_IRREGULAR = ("s", "x", "y", "z", "ch", "sh")  # endings of nouns whose plural does not just add an s


class Units(NamedTuple):
    """The units that a bootstrap redraws.

    Attributes:
        kind: What a unit is: ``scene``, ``site``, ``date``, or a column of the table.
        names: Unit of each image.
        note: Why these units are not those of the split, in one sentence; empty if they are.
    """

    kind: str
    names: list[str]
    note: str = ""

    @property
    def number(self) -> int:
        """The number of units."""
        return len(set(self.names))

    @property
    def plural(self) -> str:
        """The noun for several units, as in ``places``."""
        return name_units(self.kind)

    def describe(self, side: str = "") -> str:
        """Return the number of units with their noun, as in "38 places" or "38 validation places"."""
        return count_units(self.number, self.kind, side)


def name_units(kind: str, number: int = 2) -> str:
    """Return the noun for a number of units, as in ``place``, ``places`` or ``units by country``."""
    ending = "s" if number != 1 else ""
    is_regular = kind.isascii() and kind.isalpha() and kind.islower() and not kind.endswith(_IRREGULAR)
    return kind + ending if is_regular else f"unit{ending} by {kind}"


def count_units(number: int, kind: str, side: str = "") -> str:
    """Return a number of units with their noun, as in "1 place" or, with a side, "38 validation places"."""
    return " ".join(part for part in (str(number), side, name_units(kind, number)) if part)


def find_units(dataset: Dataset, samples: Sequence[int], split: SplitConfig, side: str) -> Units:
    """Find the units of some samples that a bootstrap redraws: those that the split of the training keeps together.

    Units that share an image are one unit, as in the split. Only scenes are not joined, because results of earlier
    versions record nothing but the scene of each image, and intervals over scenes must not differ from theirs.

    Args:
        dataset: The dataset of the samples, which need not be that of the training.
        samples: Sample numbers, as defined in `gym.data.batches`; a copy of a pair belongs to the unit of the pair.
        split: How the training data was split.
        side: Name of the side that the samples are, or ``all``.
    """
    records, kind = dataset.manifest.pairs, _kept_together(split, side)
    positions = pair_positions(samples, len(dataset))
    scenes = Units(SCENE, [records[position].scene for position in positions])
    if kind == SCENE:
        return scenes
    if not _are_known(kind, records):
        note = (
            f"The split of the training kept every {name_units(kind, 1)} together, but these images do not say theirs, "
            "so scenes are redrawn; intervals are too narrow if these scenes are alike in groups."
        )
        return scenes._replace(note=note)
    names, _ = connect_units([record.groups[kind] for record in records], [image_key(record) for record in records])
    return Units(kind, [names[position] for position in positions])


def _kept_together(split: SplitConfig, side: str) -> str:
    """Return the kind of unit that a split keeps on one side.

    Leaving one site out draws the validation side by scene from the sites that also train; only the test side is a
    whole site. A table of sides, and the order of the paper, name no unit.
    """
    if split.method in ("random", "kfold") or (split.method == "leave_one_out" and side in ("test", "all")):
        return split.by
    return SCENE


def _are_known(kind: str, records: Sequence[PairRecord]) -> bool:
    groups = {record.groups.get(kind, "") for record in records}
    return "" not in groups and not (kind == "site" and groups == {ONE_SITE})


def find_coarsest(candidates: Sequence[Units]) -> Units | None:
    """Return the units that contain whole units of all others; None if there are none.

    Args:
        candidates: Different units of the same images in the same order, at least one.
    """
    for units in candidates:
        if all(_contains(units.names, other.names) for other in candidates):
            return units
    return None


def _contains(outer: Sequence[str], inner: Sequence[str]) -> bool:
    """Whether all images of an inner unit are in one outer unit."""
    return len(set(zip(inner, outer, strict=True))) == len(set(inner))


def list_kinds(units: Iterable[Units]) -> str:
    """Name the different kinds of units, as in "sites or dates"."""
    return " or ".join(dict.fromkeys(one.plural for one in units))
