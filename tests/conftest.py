"""Shared fixtures: configurations, golden runs, tiny datasets and real imagery."""

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

from hypothesis import settings

from gym.app import command_line
from gym.app.command_line import register_configuration
from gym.config.plugins import add_environment_plugins, load_plugins, plugins_in
from gym.config.schema import Config, DatasetConfig, EvaluateConfig, ReportConfig
from gym.config.validation import read_config
from gym.data.build import DatasetPlan, build_dataset
from gym.data.dataset import Dataset
from gym.data.labels import IGNORE, LabelRule
from gym.data.preparation import Preparation
from gym.data.readers.base import RawScene
from gym.data.scaling import Scaling
from gym.data.split import Grouping
from gym.training import precision
from tests.blank import save_blank_pictures
from tests.composition import compose_quickly
from tests.plugin_files import write_plugin  # noqa: F401 - a fixture
from tests.tiers import TierReport, guard, join_fixtures, rank, work_unit

if TYPE_CHECKING:
    from tests import golden

ROOT = Path(__file__).parent.parent

# Shells make background jobs ignore SIGINT. Child processes would inherit this, and tests interrupt some of them.
signal.signal(signal.SIGINT, signal.default_int_handler)
# A command that a test stops in this process must not end it.
command_line.force_exit = lambda code: None


# The dev profile tries few examples, for quick feedback. Deadlines would only measure how busy the machine is.
settings.register_profile("dev", max_examples=10, deadline=None)
settings.register_profile("ci", deadline=None)
settings.load_profile("ci")


def pytest_configure(config: pytest.Config) -> None:
    """Register the guard of the test tiers, and the summary that counts what each tier leaves out."""
    config.pluginmanager.register(guard)
    config.pluginmanager.register(TierReport(config))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group tests that must share a worker, and sort expensive tests first: see `tests.tiers.work_unit`."""
    shared = join_fixtures(items)
    for item in items:
        if unit := work_unit(item, shared[item.nodeid]):
            item.add_marker(pytest.mark.xdist_group(unit))
    items.sort(key=rank)


def pytest_collection_finish() -> None:
    """Exclude all objects so far from garbage collection, which saves half a second per collection."""
    gc.freeze()


MEASURE = precision._measure


def _refuse_to_measure(threads: int) -> Any:
    raise AssertionError("this test trains with training.precision=auto; set a data type, or it depends on the machine")


precision._measure = _refuse_to_measure


@pytest.fixture(autouse=True)
def reset_keras():
    """Reset tuning and precision after a test that may have changed them."""
    yield
    if "gym.models.cpu_ops" in sys.modules:
        import keras

        from gym.models.cpu_ops import use_tuning

        use_tuning(False)
        keras.config.set_dtype_policy("float32")


@pytest.fixture(autouse=True, scope="session")
def copied_databases():
    """Copy an empty MLflow database instead of creating one; test_mlflow_client.py tests the creation."""
    with pytest.MonkeyPatch.context() as patch:
        if "gym.runs.mlflow_client" in sys.modules:
            from tests.databases import copy_database

            patch.setattr("gym.runs.mlflow_client.create_database", copy_database)
        yield


@pytest.fixture
def configure(tmp_path) -> Callable[..., Any]:
    """Return a function that composes and checks a configuration; outputs go to a temporary folder.

    Its ``name`` is ``config``, for ``gym.train``, or ``make_dataset``, ``evaluate`` or ``report``.
    """
    register_configuration()
    schemas = {"config": Config, "make_dataset": DatasetConfig, "evaluate": EvaluateConfig, "report": ReportConfig}

    def composed(*overrides: str, name: str = "config") -> Any:
        arguments = add_environment_plugins([f"outputs={tmp_path}", *overrides])
        load_plugins(plugins_in(arguments))
        return read_config(compose_quickly(name, arguments), schemas[name])

    return composed


@pytest.fixture(scope="session")
def golden_run(tmp_path_factory) -> "golden.Golden":
    """A trained run, shared by the session; tests must not change it."""
    from tests import golden

    return golden.create_once(tmp_path_factory, "golden_run", golden.train_golden_run)


@pytest.fixture(scope="session")
def golden_sweep(tmp_path_factory) -> "golden.Golden":
    """A sweep over the golden run and another seed, interrupted and resumed; tests must not change it."""
    from tests import golden

    return golden.create_once(tmp_path_factory, "golden_sweep", golden.interrupt_and_resume_golden_sweep)


@pytest.fixture(scope="session")
def golden_archive(tmp_path_factory, golden_run) -> "golden.Golden":
    """A model archive of the golden run; tests must not change it."""
    from tests import golden

    return golden.create_once(
        tmp_path_factory, "golden_archive", lambda outputs: golden.publish_golden_run(golden_run, outputs)
    )


@pytest.fixture
def blank_pictures(monkeypatch) -> None:
    """Save blank pictures instead of figures."""
    save_blank_pictures(monkeypatch)


@pytest.fixture
def killed_workers(monkeypatch) -> None:
    """Break every process pool as soon as it gets work, as if the system had killed a worker."""

    def end(*_: Any, **__: Any) -> None:
        raise BrokenProcessPool

    monkeypatch.setattr(ProcessPoolExecutor, "map", end)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real imagery; tests that use it are skipped if it is missing."""
    folder = Path(os.environ.get("GYM_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "ocean_beach_s2").is_dir():
        pytest.skip(f"no real imagery at {folder}; set GYM_REAL_DATA")
    return folder


TINY_CLASSES, TINY_BANDS = ("low", "middle", "high"), ("a", "b", "c")


class InMemoryReader:
    """Reader of scenes in memory; see `gym.data.readers.base.Reader`."""

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
    folder: Path,
    scenes: dict[str, RawScene],
    frame: tuple[int, int] = (16, 32),
    unlabelled: int = IGNORE,
    **options: Any,
) -> Dataset:
    """Build a dataset of two pairs per scene, two sites and three classes; ``options`` are those of `Preparation`."""
    settings = {"framing": "fit", "overlap": 0.0, "scaling": Scaling(), "source_bands": TINY_BANDS} | options
    table = {name: {"scene": f"scene{number // 2}", "site": f"site{number % 2}"} for number, name in enumerate(scenes)}
    reader = InMemoryReader(scenes, settings["source_bands"])
    sources = {name: reader.sources(name) for name in reader.names}
    rule = LabelRule(TINY_CLASSES, ignored=(IGNORE,), unlabelled=unlabelled)
    plan = DatasetPlan(reader, Preparation(frame, **settings), rule, Grouping(table=table), sources, {})
    build_dataset(plan, folder, 1, plan.fingerprint())
    return Dataset(folder)


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory) -> Dataset:
    """Six pairs of 16x32 pixels with 3 bands and 3 classes; pair 0 has an ignored corner."""
    scenes = make_scenes()
    scenes["pair0"].label[:4, :4] = IGNORE
    return make_tiny_dataset(tmp_path_factory.mktemp("stores") / "tiny", scenes)
