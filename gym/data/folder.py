"""Read a data set that lies in folders: one folder of images, or one for each band set, and one of labels."""

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from gym.config import DataConfig, folders_of
from gym.data.hashing import Hashes
from gym.data.pairs import list_passed_over, pair_by_stem
from gym.data.raster import SUFFIXES, better_grid, read_bands, read_label, refuse_other_place
from gym.data.reader import RawScene, probe_bands, refuse_other_size

_LOSSY = (".jpg", ".jpeg")

log = logging.getLogger(__name__)


class FolderReader:
    """The scenes of a ``data=folder`` configuration; attributes and methods as in `gym.data.reader.Reader`."""

    def __init__(self, config: DataConfig, hashes: Hashes) -> None:
        folders = folders_of("data.images", config.images)
        images, labels = [Path(folder) for folder in folders], Path(config.labels)
        pairing = pair_by_stem(images, labels, SUFFIXES, config.drop_from_stem)
        self._files = {pair.name: pair for pair in pairing.pairs}
        self._given_bands, self._hashes = config.bands, hashes
        self.left_out, self.passed_over = pairing.left_out, list_passed_over([*images, labels], SUFFIXES)
        self.names = list(self._files)
        self.description = f"{' + '.join(folders)} with {config.labels}"
        warn_of_lossy_labels([pair.label for pair in pairing.pairs])

    @cached_property
    def bands(self) -> list[str]:
        """The band names; errors as of `gym.data.reader.probe_bands`."""
        return probe_bands(
            self.names, lambda name: read_bands(self._files[name].images).values.shape[2], self._given_bands
        )

    def sources(self, name: str) -> dict[str, str]:
        """The hash of each file of a scene."""
        files = self._files[name]
        return {str(path): self._hashes.of(path) for path in (*files.images, files.label)}

    def read(self, name: str) -> RawScene:
        """Read the bands and the label of a scene."""
        files = self._files[name]
        image, label = read_bands(files.images), read_label(files.label)
        refuse_other_size(label.values, image.values, files.label)
        refuse_other_place(label.grid, image.grid, label.values.shape, f"{files.label} and {files.images[0]}")
        return RawScene(
            image.values, label.values, label.labelled, (), better_grid(image.grid, label.grid), image.nodata
        )


def warn_of_lossy_labels(labels: Sequence[Path]) -> None:
    """Say once that some labels are JPEGs, which are used as they are."""
    if lossy := [path for path in labels if path.suffix.lower() in _LOSSY]:
        log.warning(
            "labels that are JPEGs: %d, as %s; JPEG changes class numbers; save them as PNG or TIFF from their source",
            len(lossy),
            lossy[0],
        )
