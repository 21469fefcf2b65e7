"""From a data configuration to a store: found where it was made before, made where it was not."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from filelock import FileLock

from gym.config import DataConfig, frame_of
from gym.data import synthetic, terrain
from gym.data.folder import FolderSource
from gym.data.store import SCHEMA_VERSION, Pair, Store, write_store
from gym.files import hash_file, hash_value

log = logging.getLogger(__name__)


class Source(Protocol):
    """Something that yields framed pairs and can say what it is made of."""

    description: str
    classes: list[str]
    bands: list[str]
    left_out: dict[str, str]

    def __len__(self) -> int: ...

    def contents(self) -> object:
        """What the pairs are made from, as a JSON-like value: the same contents give the same pairs."""
        ...

    def pairs(self) -> Iterator[Pair]:
        """Read the pairs, by ascending name."""
        ...


class SyntheticSource:
    """The pairs of a ``data=synthetic`` configuration."""

    def __init__(self, config: DataConfig) -> None:
        self._config = config
        self.description = f"{config.scenes} synthetic coastal scenes of {config.sites} sites, seed {config.seed}"
        self.classes, self.bands = list(synthetic.CLASSES), list(synthetic.BANDS)
        self.left_out: dict[str, str] = {}

    def __len__(self) -> int:
        return self._config.scenes

    def contents(self) -> object:
        """The seed and the code that draws."""
        drawn_by = [hash_file(Path(str(module.__file__))) for module in (synthetic, terrain)]
        return [self._config.scenes, self._config.sites, self._config.seed, drawn_by]

    def pairs(self) -> Iterator[Pair]:
        """Draw the scenes."""
        rows, columns = frame_of(self._config.size)
        for index in range(len(self)):
            scene = synthetic.draw_scene(self._config.seed, index, rows, columns, self._config.sites)
            yield Pair(scene.name, scene.name, scene.site, scene.image, scene.label)


SOURCES: dict[str, Callable[[DataConfig], Source]] = {"synthetic": SyntheticSource, "folder": FolderSource}


def open_or_build_store(config: DataConfig, outputs: Path) -> Store:
    """Open the store of a configuration, or make it under ``outputs/stores`` first.

    Raises:
        DataError: The imagery cannot be used.
    """
    source = SOURCES[config.kind](config)
    fingerprint = store_fingerprint(config, source)
    folder = outputs / "stores" / f"{config.kind}-{fingerprint[:16]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):  # two runs at once must not build one store
        if (folder / "manifest.json").exists():
            store = Store(folder)
            if store.manifest.left_out:
                log.warning(
                    "%d files were left out of this store; its manifest.json says why", len(store.manifest.left_out)
                )
            return store
        log.info("building the store of %s (%d pairs) ...", source.description, len(source))
        return write_store(
            folder,
            source.pairs(),
            fingerprint=fingerprint,
            source=source.description,
            classes=source.classes,
            bands=source.bands,
            left_out=source.left_out,
        )


def store_fingerprint(config: DataConfig, source: Source) -> str:
    """Hash what a store is made from: the contents, and every key that shapes them. The split is no part of it."""
    naming = [config.scene_pattern, config.site_pattern]
    meaning = [source.classes, source.bands, sorted((config.remap or {}).items()), config.ignore_values]
    return hash_value([SCHEMA_VERSION, config.kind, frame_of(config.size), naming, meaning, source.contents()])
