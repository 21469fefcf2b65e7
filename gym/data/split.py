"""Which scenes train and which validate.

A scene may have many images (crops, dates of one frame); all of them stand on one side. The split comes before any
augmentation and is a function of the scenes' names, the share and the seed alone.
"""

from collections.abc import Sequence
from typing import NamedTuple

from gym.errors import DataError
from gym.seeding import generator


class Split(NamedTuple):
    """Positions of the pairs of each side, ascending."""

    training: list[int]
    validation: list[int]


def split_by_scene(scenes: Sequence[str], validation: float, seed: int) -> Split:
    """Draw the validation scenes.

    Args:
        scenes: The scene of each pair.
        validation: Share of the scenes that validates, in (0, 1); each side gets one scene at least.
        seed: The draw; the order of ``scenes`` does not matter to it.

    Raises:
        DataError: There are fewer than two scenes.
    """
    names = sorted(set(scenes))
    if len(names) < 2:
        raise DataError(
            f"{len(names)} scene ({', '.join(names)}) cannot be split; training and validation need one each: "
            "check data.scene_pattern."
        )
    shuffled = generator(seed, "split").permutation(len(names))
    count = min(len(names) - 1, max(1, round(validation * len(names))))
    validating = {names[position] for position in shuffled[:count]}
    sides: tuple[list[int], list[int]] = ([], [])
    for position, scene in enumerate(scenes):
        sides[scene in validating].append(position)
    return Split(training=sides[0], validation=sides[1])


def refuse_leaks(split: Split, names: Sequence[str], scenes: Sequence[str], hashes: Sequence[str]) -> None:
    """Make sure that no scene, and no image under another name, stands on both sides.

    Args:
        split: The split to check.
        names: Name of each pair, for the message.
        scenes: Scene of each pair.
        hashes: Hash of the image of each pair.

    Raises:
        DataError: Something leaks.
    """
    for kind, values in (("scene", scenes), ("image", hashes)):
        seen = {values[position]: names[position] for position in split.training}
        for position in split.validation:
            if values[position] in seen:
                raise DataError(
                    f"{names[position]} validates and {seen[values[position]]} trains on the same {kind}; "
                    "give them one scene with data.scene_pattern, or remove one."
                )
