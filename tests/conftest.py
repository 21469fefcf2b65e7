"""What many tests share: configurations, tiny data sets, the real imagery, and TensorFlow on small work."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore

from gym.command import SCHEMAS, configuration_folder, quote_options
from gym.config import Config
from gym.config_check import read_config
from gym.data.store import Pair, Store, write_store

ROOT = Path(__file__).parent.parent


@pytest.fixture
def configure(tmp_path) -> Iterator[Callable[..., Config]]:
    """Compose and check a configuration from overrides, as the command line does; outputs go to a fresh folder."""
    for name, schema in SCHEMAS.items():
        ConfigStore.instance().store(name=name, node=schema)

    def composed(*overrides: str) -> Config:
        with initialize_config_dir(config_dir=str(configuration_folder()), version_base="1.3"):
            texts = [quote_options(override) for override in overrides]
            return read_config(compose("config", overrides=[f"outputs={tmp_path}", *texts]), Config)

    return composed


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real imagery; a test that asks for it skips where it is absent."""
    folder = Path(os.environ.get("GYM_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "ocean_beach_s2").is_dir():
        pytest.skip(f"no real imagery at {folder}; set GYM_REAL_DATA")
    return folder


def make_pairs(count: int = 6, rows: int = 16, columns: int = 32, bands: int = 3, classes: int = 3) -> list[Pair]:
    """Pairs in which the class of a pixel can be read from its first band; two pairs a scene, two sites."""
    rng = np.random.default_rng(1)
    pairs = []
    for number in range(count):
        label = np.repeat(np.repeat(rng.integers(0, classes, (rows // 8, columns // 8)), 8, 0), 8, 1).astype(np.uint8)
        image = rng.integers(1, 50, (rows, columns, bands)).astype(np.uint16)
        image[..., 0] += 100 * label
        pairs.append(Pair(f"pair{number}", f"scene{number // 2}", f"site{number % 2}", image, label))
    return pairs


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory) -> Store:
    """Six pairs of 16x32 in 3 bands and 3 classes; pair 0 has an ignored corner."""
    pairs = make_pairs()
    pairs[0].label[:4, :4] = 255
    names = {"classes": ["low", "middle", "high"], "bands": ["a", "b", "c"]}
    folder = tmp_path_factory.mktemp("stores") / "tiny"
    return write_store(folder, pairs, fingerprint="f" * 64, source="six pairs", left_out={}, **names)
