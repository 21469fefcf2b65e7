"""What many tests share: configurations, tiny datasets, the real imagery, and TensorFlow on small work."""

import gc
import hashlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from hydra import compose, initialize_config_dir
from hypothesis import settings

from gym.app.command_line import register_configuration
from gym.config.groups import configuration_folder, quote_options
from gym.config.plugins import load_plugins, plugins_in
from gym.config.schema import Config, DatasetConfig, EvaluateConfig, ReportConfig
from gym.config.validation import read_config
from gym.data.build import DatasetPlan, build_dataset
from gym.data.dataset import Dataset
from gym.data.labels import IGNORE, LabelRule
from gym.data.preparation import Preparation
from gym.data.readers.base import RawScene
from gym.data.scaling import Scaling
from gym.data.split import Grouping
from tests.blank import draw_nothing
from tests.plugin_files import write_plugin  # noqa: F401 - a fixture
from tests.tiers import TierReport, guard, rank, work_unit

if TYPE_CHECKING:
    from tests import golden

ROOT = Path(__file__).parent.parent

# A shell's background job ignores Ctrl-C, and so would all it starts, which tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


# A few examples for each property while one works on the code; deadlines measure the machine, and nothing else.
settings.register_profile("dev", max_examples=10, deadline=None)
settings.register_profile("ci", deadline=None)
settings.load_profile("ci")


def pytest_configure(config: pytest.Config) -> None:
    """Watch what tests do, and count what is left to other tiers."""
    config.pluginmanager.register(guard)
    config.pluginmanager.register(TierReport(config))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Share the work among the cores by what it shares, the dearest first: see `tests.tiers.work_unit`."""
    for item in items:
        if unit := work_unit(item):
            item.add_marker(pytest.mark.xdist_group(unit))
    items.sort(key=rank)


def pytest_collection_finish() -> None:
    """What is imported by now is no garbage: not to look at it saves half a second of each collection."""
    gc.freeze()


@pytest.fixture(autouse=True)
def as_it_was():
    """A test that trains leaves tuning and precision to the next as they were."""
    yield
    if "gym.models.cpu_ops" in sys.modules:
        import keras

        from gym.models.cpu_ops import use_tuning

        use_tuning(False)
        keras.config.set_dtype_policy("float32")


@pytest.fixture(autouse=True, scope="session")
def databases_at_once():
    """MLflow's databases are copied; what makes them has its tests in test_tracking_client.py."""
    with pytest.MonkeyPatch.context() as patch:
        if "gym.runs.mlflow_client" in sys.modules:
            from tests.databases import copy_database

            patch.setattr("gym.runs.mlflow_client.create_database", copy_database)
        yield


@pytest.fixture
def configure(tmp_path) -> Callable[..., Any]:
    """Compose and check a configuration from overrides, as a verb does; outputs go to a fresh folder.

    Without ``name`` it is that of ``gym.train``; `gym.make_dataset` has ``name="make_dataset"``.
    """
    register_configuration()
    schemas = {"config": Config, "make_dataset": DatasetConfig, "evaluate": EvaluateConfig, "report": ReportConfig}

    def composed(*overrides: str, name: str = "config") -> Any:
        load_plugins(plugins_in(overrides))
        with initialize_config_dir(config_dir=str(configuration_folder()), version_base="1.3"):
            texts = [quote_options(override) for override in overrides]
            return read_config(compose(name, overrides=[f"outputs={tmp_path}", *texts]), schemas[name])

    return composed


@pytest.fixture(scope="session")
def golden_run(tmp_path_factory) -> "golden.Golden":
    """A trained run, made once for the session; read only."""
    from tests import golden

    return golden.make_once(tmp_path_factory, "golden_run", golden.train_golden_run)


@pytest.fixture(scope="session")
def golden_sweep(tmp_path_factory) -> "golden.Golden":
    """A sweep of the same run and another seed, which was stopped and resumed; read only."""
    from tests import golden

    return golden.make_once(tmp_path_factory, "golden_sweep", golden.stop_and_finish_golden_sweep)


@pytest.fixture(scope="session")
def golden_archive(tmp_path_factory, golden_run) -> "golden.Golden":
    """The trained run as a model archive; read only."""
    from tests import golden

    return golden.make_once(
        tmp_path_factory, "golden_archive", lambda outputs: golden.publish_golden_run(golden_run, outputs)
    )


@pytest.fixture
def blank_pictures(monkeypatch) -> None:
    """Figures are saved as blank pictures."""
    draw_nothing(monkeypatch)


@pytest.fixture
def ended_workers(monkeypatch) -> None:
    """Every pool of processes breaks as soon as it is given work, as where the system ends a worker."""

    def end(*_: Any, **__: Any) -> None:
        raise BrokenProcessPool

    monkeypatch.setattr(ProcessPoolExecutor, "map", end)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real imagery; a test that asks for it skips where it is absent."""
    folder = Path(os.environ.get("GYM_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "ocean_beach_s2").is_dir():
        pytest.skip(f"no real imagery at {folder}; set GYM_REAL_DATA")
    return folder


TINY_CLASSES, TINY_BANDS = ("low", "middle", "high"), ("a", "b", "c")


class InMemoryReader:
    """Reads scenes from memory; see `gym.data.readers.base.Reader`."""

    def __init__(self, scenes: dict[str, RawScene], bands: Sequence[str] = TINY_BANDS) -> None:
        self._scenes, self.bands = scenes, list(bands)
        self.names, self.left_out, self.skipped = list(scenes), dict[str, str](), dict[str, str]()
        self.description = f"{len(scenes)} scenes held in memory"

    def sources(self, name: str) -> dict[str, str]:
        """Return the hash of the pixels."""
        return {name: hashlib.sha256(self._scenes[name].image.tobytes()).hexdigest()}

    def read(self, name: str) -> RawScene:
        """Return a scene."""
        return self._scenes[name]


def make_scenes(
    count: int = 6, rows: int = 16, columns: int = 32, bands: int = 3, classes: int = 3
) -> dict[str, RawScene]:
    """Make scenes whose classes follow from the first band."""
    rng = np.random.default_rng(1)
    scenes = {}
    for number in range(count):
        label = np.repeat(np.repeat(rng.integers(0, classes, (rows // 8, columns // 8)), 8, 0), 8, 1).astype(np.uint8)
        image = rng.integers(1, 50, (rows, columns, bands)).astype(np.uint16)
        image[..., 0] += 100 * label
        scenes[f"pair{number}"] = RawScene(image, label, None)
    return scenes


def make_tiny_dataset(
    folder: Path, scenes: dict[str, RawScene], frame: tuple[int, int] = (16, 32), **options: Any
) -> Dataset:
    """Make a dataset of two pairs per scene, two sites and three classes; ``options`` are those of `Preparation`."""
    settings = {"framing": "fit", "overlap": 0.0, "scaling": Scaling(), "source_bands": TINY_BANDS} | options
    table = {name: {"scene": f"scene{number // 2}", "site": f"site{number % 2}"} for number, name in enumerate(scenes)}
    reader = InMemoryReader(scenes, settings["source_bands"])
    sources = {name: reader.sources(name) for name in reader.names}
    rule = LabelRule(TINY_CLASSES, ignored=(IGNORE,))
    plan = DatasetPlan(reader, Preparation(frame, **settings), rule, Grouping(table=table), sources, {})
    build_dataset(plan, folder, 1, plan.fingerprint())
    return Dataset(folder)


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory) -> Dataset:
    """Six pairs of 16x32 pixels with 3 bands and 3 classes; pair 0 has an ignored corner."""
    scenes = make_scenes()
    scenes["pair0"].label[:4, :4] = IGNORE
    return make_tiny_dataset(tmp_path_factory.mktemp("stores") / "tiny", scenes)
