"""Read a data set that lies in folders: one folder of images, or one for each band set, and one of labels."""

from functools import cached_property
from pathlib import Path

from gym.config import DataConfig, folders_of
from gym.data.hashing import Hashes
from gym.data.pairs import pair_by_stem
from gym.data.raster import SUFFIXES, count_bands, read_bands, read_label, refuse_other_place
from gym.data.reader import RawScene, most_common_count, name_bands, refuse_other_size
from gym.errors import DataError

_PROBED = 9


class FolderReader:
    """The scenes of a ``data=folder`` configuration; attributes and methods as in `gym.data.reader.Reader`."""

    def __init__(self, config: DataConfig, hashes: Hashes) -> None:
        folders = folders_of("data.images", config.images)
        pairing = pair_by_stem(
            [Path(folder) for folder in folders], Path(config.labels), SUFFIXES, config.drop_from_stem
        )
        self._files = {pair.name: pair for pair in pairing.pairs}
        self._given_bands, self._hashes = config.bands, hashes
        self.left_out = pairing.left_out
        self.names = list(self._files)
        self.description = f"{' + '.join(folders)} with {config.labels}"

    @cached_property
    def bands(self) -> list[str]:
        """The band names; how many there are, most of some images say.

        Raises:
            DataError: Not one of them can be read, or the given names are more or fewer.
        """
        counts, reasons = [], []
        for name in self.names[:: max(1, len(self.names) // _PROBED)]:
            try:
                counts.append(sum(count_bands(path) for path in self._files[name].images))
            except DataError as error:
                reasons.append(str(error))
        if not counts:
            raise DataError(f"not one image can be read: {reasons[0]}")
        return name_bands(self._given_bands, most_common_count(counts))

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
        return RawScene(image.values, label.values, label.labelled, (), image.grid or label.grid, image.nodata)
