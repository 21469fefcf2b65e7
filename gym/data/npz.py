"""Read a data set that lies in NumPy archives: Doodler's output, Segmentation Gym's, the Coast Train release."""

import logging
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from gym.config import DataConfig, folders_of
from gym.data.archives import SUFFIXES as ARCHIVES
from gym.data.archives import Member, list_members
from gym.data.decoders import decode_doodler, decode_gym, is_augmented, without_augmented, without_working_files
from gym.data.download import fetch, is_url
from gym.data.hashing import Hashes
from gym.data.pairs import files_by_stem, list_by_stem, list_passed_over, match
from gym.data.raster import SUFFIXES, Raster, read_image, stack_bands
from gym.data.reader import RawScene, probe_bands

log = logging.getLogger(__name__)


class NpzReader:
    """The scenes of npz files, with further band sets beside them; the rest as in `gym.data.reader.Reader`.

    Args:
        config: A ``data=doodler`` or ``data=gym_npz`` configuration.
        hashes: Of files.
        downloads: Where the files of URLs are kept.
    """

    def __init__(self, config: DataConfig, hashes: Hashes, downloads: Path) -> None:
        self._decode = decode_gym if config.kind == "gym_npz" else decode_doodler
        self._given_bands, self._hashes = config.bands, hashes
        places = folders_of("data.archives", config.archives)
        folders = folders_of("data.images", config.images) if config.images else []
        members, left_out, repeats = list_members([_on_disk(place, downloads) for place in places])
        members, copies = leave_out_copies(members) if config.kind == "gym_npz" else without_working_files(members)
        archived = list_by_stem(members.items(), config.drop_from_stem)
        beside = [(folder, files_by_stem(Path(folder), SUFFIXES, config.drop_from_stem)) for folder in folders]
        matches = match([(" + ".join(places), archived), *beside])
        others = list_passed_over([Path(folder) for folder in folders], (*SUFFIXES, *ARCHIVES))
        self.left_out, self.passed_over = left_out | matches.left_out, repeats | copies | others
        self._files = matches.files
        self.names = list(self._files)
        self.description = " + ".join([*places, *folders])

    @cached_property
    def bands(self) -> list[str]:
        """The band names; errors as of `gym.data.reader.probe_bands`."""
        return probe_bands(self.names, lambda name: self.read(name).image.shape[2], self._given_bands)

    def sources(self, name: str) -> dict[str, str]:
        """The hash of the archive of a scene, by the scene's place in it, and of each file beside it."""
        member, *beside = self._files[name]
        return {str(member): self._hashes.of(member.path)} | {str(path): self._hashes.of(path) for path in beside}

    def read(self, name: str) -> RawScene:
        """Read a scene, its further bands stacked behind those of the archive."""
        member, *beside = self._files[name]
        scene = self._decode(member)
        if not beside:
            return scene
        # An npz declares no nodata; that of the files beside it is all there is to go by, in training as in prediction.
        archived = (member, Raster(scene.image, None))
        stacked = stack_bands([archived, *((path, read_image(path)) for path in beside)])
        return scene._replace(image=stacked.values, grid=stacked.grid, nodata=stacked.nodata)


def leave_out_copies(members: Mapping[str, Member]) -> tuple[dict[str, Member], dict[str, str]]:
    """Pass augmented copies over; where there is nothing else, they are used, with a warning."""
    kept, copies = without_augmented(members)
    if any(is_augmented(member) for member in kept.values()):
        log.warning(
            "all files are augmented copies of scenes that are not there: copies of one scene will stand on both sides "
            "of the split, and scores will be too good; use the original images if you have them"
        )
    return kept, copies


def _on_disk(place: str, downloads: Path) -> Path:
    return fetch(place, downloads) if is_url(place) else Path(place)
