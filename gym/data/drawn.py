"""The synthetic data set, as a reader."""

from functools import cached_property
from pathlib import Path

from gym.config import DataConfig, frame_of
from gym.data import synthetic, terrain
from gym.data.reader import RawScene
from gym.files import hash_file, hash_value


class DrawnReader:
    """The scenes of a ``data=synthetic`` configuration; attributes and methods as in `gym.data.reader.Reader`."""

    def __init__(self, config: DataConfig) -> None:
        self._seed, self._sites, self._size = config.seed, config.sites, frame_of(config.size)
        self._index = {synthetic.name_scene(index, config.sites): index for index in range(config.scenes)}
        self.names = list(self._index)
        self.bands = list(synthetic.BANDS)
        self.left_out, self.passed_over = dict[str, str](), dict[str, str]()
        self.description = f"{config.scenes} synthetic coastal scenes of {config.sites} sites, seed {config.seed}"

    def sources(self, name: str) -> dict[str, str]:
        """The hash of the seed, the size and the code that draws."""
        return {"drawn": self._drawn_by}

    def read(self, name: str) -> RawScene:
        """Draw a scene."""
        scene = synthetic.draw_scene(self._seed, self._index[name], *self._size, self._sites)
        return RawScene(scene.image, scene.label, scene.label != synthetic.IGNORE)

    @cached_property
    def _drawn_by(self) -> str:
        code = [hash_file(Path(str(module.__file__))) for module in (synthetic, terrain)]
        return hash_value([self._seed, self._sites, self._size, code])
