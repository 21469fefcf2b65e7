"""Read a data set that lies in folders: one folder of images, or one for each band set, and one of labels."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gym.config import DataConfig, folders_of, frame_of
from gym.data.frame import frame_image, frame_label
from gym.data.labels import IGNORE, remap_label
from gym.data.pairs import PairFiles, name_by_pattern, pair_by_stem
from gym.data.raster import SUFFIXES, read_bands, read_label, shape_of
from gym.data.store import Pair
from gym.errors import DataError
from gym.files import hash_file

_MOST_SHOWN = 5

log = logging.getLogger(__name__)


class FolderSource:
    """The pairs of a ``data=folder`` configuration.

    ``left_out`` grows while the pairs are read: a bad pair is named there, and the others are used.
    """

    def __init__(self, config: DataConfig) -> None:
        folders = folders_of("data.images", config.images)
        self._config = config
        self._pairing = pair_by_stem([Path(folder) for folder in folders], Path(config.labels), SUFFIXES)
        self.left_out = dict(self._pairing.left_out)
        self.classes = list(config.classes)
        self.description = f"{' + '.join(folders)} with {config.labels}"
        self.bands = self._name_bands()

    def __len__(self) -> int:
        return len(self._pairing.pairs)

    def contents(self) -> dict[str, list[str]]:
        """Hash every file, by the name of its pair."""
        return {pair.name: [hash_file(path) for path in (*pair.images, pair.label)] for pair in self._pairing.pairs}

    def pairs(self) -> Iterator[Pair]:
        """Read and frame the pairs, by ascending name; a bad one goes to ``left_out`` with its reason."""
        for files in self._pairing.pairs:
            try:
                yield self._read(files)
            except DataError as error:
                self.left_out[files.name] = str(error)
        for name, reason in list(self.left_out.items())[:_MOST_SHOWN]:
            log.warning("left out %s: %s", name, reason)
        if len(self.left_out) > _MOST_SHOWN:
            log.warning("... and %d more left out", len(self.left_out) - _MOST_SHOWN)

    def _name_bands(self) -> list[str]:
        reasons: dict[str, str] = {}
        for files in self._pairing.pairs:
            try:
                count = read_bands(files.images).values.shape[2]
            except DataError as error:
                reasons[files.name] = str(error)
                continue
            names = list(self._config.bands) or [f"band_{number}" for number in range(1, count + 1)]
            if len(names) != count:
                raise DataError(f"data.bands={names} must name the {count} bands of {files.name}, in stacking order.")
            return names
        raise DataError(f"not one image can be read: {next(iter(reasons.values()))}")

    def _read(self, files: PairFiles) -> Pair:
        config, frame = self._config, frame_of(self._config.size)
        image = read_bands(files.images).values
        if image.shape[2] != len(self.bands):
            raise DataError(f"{files.images[0]} has {image.shape[2]} bands; the others have {len(self.bands)}.")
        raw = read_label(files.label)
        if raw.shape != image.shape[:2]:
            raise DataError(
                f"{files.label} is {shape_of(raw)} and its image {shape_of(image)} pixels; sizes must agree."
            )
        label = remap_label(raw, config.classes, config.remap or {}, config.ignore_values, str(files.label))
        label[~np.any(image, axis=2)] = IGNORE
        return Pair(
            name=files.name,
            scene=name_by_pattern(files.name, config.scene_pattern, files.name),
            site=name_by_pattern(files.name, config.site_pattern, "all"),
            image=frame_image(image, frame),
            label=frame_label(label, frame),
        )
