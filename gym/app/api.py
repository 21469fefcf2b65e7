"""The Python API, as ``gym.load(...)``, ``gym.fit(...)`` and so on.

Each function does what the command of the same purpose does, and takes ``outputs`` and ``tracking_uri`` where the
command takes ``outputs=`` and ``tracking.uri=``. TensorFlow and MLflow are imported when they are first needed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from hydra import compose as compose_files
from hydra import initialize_config_dir
from omegaconf.errors import OmegaConfBaseException

from gym.app.command_line import register_configuration
from gym.config.data_rules import check_data
from gym.config.groups import configuration_folder, quote_options
from gym.config.plugins import add_loaded_plugins, load_plugins, plugins_in
from gym.config.schema import Config, DataConfig, EvaluateConfig, TrackingConfig, TrainingConfig
from gym.config.validation import check_config, check_rules, read_config, retype
from gym.core.errors import ConfigError, DataError
from gym.core.startup import quiet_imports, quiet_tensorflow_imports
from gym.core.temporary import temporary_folder

if TYPE_CHECKING:
    import pandas as pd

    from gym.data.dataset import Dataset
    from gym.evaluation.assessment import Assessment
    from gym.runs.model_files import SavedModel
    from gym.runs.result import RunResult
    from gym.runs.selection import Selection


class Origin(NamedTuple):
    """Where a model was loaded from: the arguments of `load`, and how ``best:SWEEP`` was chosen."""

    run: str
    outputs: Path
    tracking: TrackingConfig
    selection: Selection | None = None


class Model:
    """A trained model, with the preprocessing that its training imagery went through.

    `load` makes one.

    Attributes:
        name: Name of its run, such as ``resunet cce f6``.
        classes: Class names; the index of a name is its label value.
        bands: Band names, in the order in which an image must have them.
        card: The model card, as Markdown; empty if the run has none. The card of the best run of a sweep says how
            it was chosen.
    """

    def __init__(self, name: str, saved: SavedModel, card: str, origin: Origin) -> None:
        self._saved, self._origin = saved, origin
        self.name = name
        self.classes = list(saved.description.classes)
        self.bands = list(saved.description.preparation.source_bands)
        self.card = card

    def __repr__(self) -> str:
        return f"<Model {self.name!r}: {', '.join(self.bands)} -> {', '.join(self.classes)}>"

    def predict(self, image: np.ndarray) -> np.ndarray:
        """Label every pixel of an image of any size.

        Args:
            image: ``(rows, columns, bands)`` in the type and scale of the training imagery. A pixel that is 0 in every
                band, or masked, NaN or infinite in any, has no data.

        Returns:
            Class indices, ``(rows, columns)`` uint8; 255 where the image has no data.

        Raises:
            DataError: The image does not have the model's bands, or holds no data.
        """
        from gym.prediction.segment import check_image, segment

        return segment(self._saved, check_image(image))

    def probabilities(self, image: np.ndarray) -> np.ndarray:
        """Predict the probability of each class for every pixel of an image of any size.

        Args:
            image: As for `predict`.

        Returns:
            ``(rows, columns, classes)`` float32 in [0, 1]; NaN where the image has no data.

        Raises:
            DataError: As for `predict`.
        """
        from gym.prediction.segment import check_image, class_probabilities

        return class_probabilities(self._saved, check_image(image))

    def predict_raster(self, path: str | Path, output: str | Path) -> None:
        """Segment an image file.

        Args:
            path: A PNG, JPEG, TIFF or GeoTIFF with the model's bands.
            output: The label image to write: a ``.png``, or a ``.tif``, which keeps the grid of a georeferenced image.

        Raises:
            DataError: The image cannot be used, or the output cannot be written or would lose the grid.
        """
        from gym.core.files import translate_disk_errors
        from gym.data.raster_writer import write_label
        from gym.data.readers.raster import read_bands

        path, output = Path(path), Path(output)
        if output.resolve() == path.resolve():
            raise DataError(f"output={output} is the image itself, which would be overwritten; give another path.")
        raster = read_bands([path])
        suffixes = (".png", ".tif") if raster.grid is None else (".tif",)
        if output.suffix not in suffixes:
            raise DataError(f"output={output} must end in {' or '.join(suffixes)}; try {path.stem}_label.tif.")
        label = self.predict(raster.values)
        with translate_disk_errors(output, "give another path."):
            output.parent.mkdir(parents=True, exist_ok=True)
            write_label(output, label, raster.grid, self.classes)


def load(run: str | Path, *, outputs: str | Path = "outputs", tracking_uri: str = "") -> Model:
    """Load the trained model of a run or of a model archive.

    Args:
        run: An MLflow run id, a run name (the most recent finished run of that name), ``best:SWEEP``,
            ``models:/NAME@ALIAS``, ``models:/NAME/VERSION``, or the path of a model archive (``.zip``).
        outputs: The folder of runs and of the MLflow database.
        tracking_uri: The MLflow tracking URI; the default is the SQLite database in ``outputs``.

    Raises:
        RunError: There is no such run, or its model is missing or damaged, or the archive was altered.
    """
    from gym.app.first_checks import check_runs

    run, tracking = str(run), TrackingConfig(uri=tracking_uri)
    check_runs(tracking, Path(outputs), [run])
    with quiet_tensorflow_imports():
        from gym.app.selection import find_selection, read_card
        from gym.runs.model_files import load_model
        from gym.runs.model_source import open_model_source
        from gym.training.runtime import prepare_tensorflow

    prepare_tensorflow(TrainingConfig())
    with open_model_source(tracking, Path(outputs), run) as source:
        selection = find_selection(tracking, Path(outputs), run)
        text = read_card(source.folder, selection)
        origin = Origin(source.run_id or run, Path(outputs), tracking, selection)
        return Model(source.name, load_model(source.folder / "model"), text, origin)


def compose(*overrides: str) -> Config:
    """Compose and check a training configuration.

    Args:
        overrides: As on the command line of ``gym.train``.

    Raises:
        ConfigError: An override is unknown or breaks a rule.

    Example:
        >>> import gym
        >>> config = gym.compose("model=unet", "loss=dice", "filters=4")
        >>> config.model.name, config.loss.name, config.model.filters
        ('unet', 'dice', 4)
    """
    from hydra.errors import HydraException

    from gym.app.explain import explain

    register_configuration(["config"])
    for override in overrides:
        if not isinstance(override, str):
            raise ConfigError(f'{override!r} must be an override in quotes, as in gym.compose("filters=4").')
    try:
        given = add_loaded_plugins(overrides)
        load_plugins(plugins_in(given))
        with initialize_config_dir(str(configuration_folder()), version_base="1.3"):
            composed = compose_files("config", [quote_options(override) for override in given])
            return read_config(composed, Config)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error, Config)) from error


def open_dataset(data: DataConfig, *, outputs: str | Path = "outputs") -> Dataset:
    """Open the dataset of a configuration, and build it first if it is missing or out of date.

    Args:
        data: The ``data`` part of a configuration.
        outputs: The folder of datasets.

    Raises:
        ConfigError: ``data`` is not that part, or a value was changed to one that breaks a rule.
        DataError: The imagery cannot be used.

    Example:
        >>> import gym
        >>> config = gym.compose("data.scenes=4", "data.size=32")
        >>> dataset = gym.open_dataset(config.data)
        >>> len(dataset), dataset.bands
        (4, ['red', 'green', 'blue', 'nir', 'swir'])
    """
    from gym.data.build import open_or_build_dataset

    if not isinstance(data, DataConfig):
        raise ConfigError(f"data is a {type(data).__name__} but must be a DataConfig; pass config.data.")
    data = retype(data)  # it can be changed after `compose`
    check_rules(data, "data.")
    check_data(data)
    return open_or_build_dataset(data, Path(outputs))


def fit(config: Config) -> RunResult:
    """Train and score one configuration, and log it as an MLflow run.

    Args:
        config: A configuration, from `compose`.

    Returns:
        The result: ``run_id``, ``scores`` by name and ``weights_sha256`` among others. An interrupted run resumes
        when it is fitted again.

    Raises:
        ConfigError: A value was changed to one that breaks a rule.
        DataError: The imagery cannot be used.
        TrainingError: The loss is no longer finite.
        RunError: Another process trains this run.
    """
    if not isinstance(config, Config):
        raise ConfigError(f"config is a {type(config).__name__} but must be a Config; make one with gym.compose(...).")
    config = retype(config)  # it can be changed after `compose`
    check_config(config)
    with quiet_tensorflow_imports():
        from gym.app.train import run_experiment

    return run_experiment(config)


def assess(
    model: Model,
    dataset: Dataset,
    *,
    side: str = "auto",
    boundary_width: int = 0,
    baselines: bool = False,
    seed: int = 0,
) -> Assessment:
    """Score a model on a dataset.

    Args:
        model: A model, from `load`.
        dataset: A dataset with the model's classes, bands and preparation, from `open_dataset`.
        side: ``training``, ``validation``, ``test`` or ``all`` pairs. The default scores the test pairs (without any,
            the validation pairs) of the dataset that the model was trained on, and all pairs of any other dataset.
        boundary_width: Width in pixels of the strip that boundary IoU looks at; 0 means 2 % of the diagonal.
        baselines: Fit baselines to the training pairs and score them too.
        seed: Seed of the bootstrap and of the baselines.

    Returns:
        Scores with their 95 % intervals: ``overall`` by name, ``classes`` by class, ``sites`` by site; the ``units``
        that the intervals redraw; and ``warnings`` that say which images the model has seen.

    Raises:
        ConfigError: An argument breaks a rule.
        RunError: The model does not fit the dataset.
        DataError: The side holds no pairs.
    """
    from gym.app.evaluate import check_dataset_fits, choose_images, warn_of_selection
    from gym.app.training_data import open_training_data
    from gym.evaluation.assessment import AssessmentSettings
    from gym.evaluation.assessment import assess as assess_network
    from gym.runs.model_source import open_model_source

    chosen = retype(EvaluateConfig("", side=side, boundary_width=boundary_width, baselines=baselines, seed=seed))
    check_rules(chosen)
    origin = model._origin
    with (
        open_model_source(origin.tracking, origin.outputs, origin.run) as source,
        temporary_folder() as scratch,
    ):
        check_dataset_fits(source.name, model._saved, dataset)
        trained = source.read_config()
        own = open_training_data(source, trained.data, origin.outputs, dataset)
        evaluated = choose_images(dataset, own, trained, chosen.side, is_own=own.dataset is dataset)
        settings = AssessmentSettings(
            trained.training.batch, chosen.boundary_width, chosen.seed, chosen.baselines, workers=0
        )
        found = assess_network(model._saved.network, evaluated, settings, scratch)
        return replace(found, warnings=[*found.warnings, *warn_of_selection(origin.selection, evaluated)])


def list_runs(
    sweep: str | None = None,
    *,
    outputs: str | Path = "outputs",
    tracking_uri: str = "",
    experiment: str = TrackingConfig.experiment,
) -> pd.DataFrame:
    """List runs as a table, the most recent first.

    Args:
        sweep: The name of a sweep; the default lists all runs of the experiment.
        outputs: The folder of runs and of the MLflow database.
        tracking_uri: The MLflow tracking URI; the default is the SQLite database in ``outputs``.
        experiment: The MLflow experiment.

    Returns:
        One row per run: ``run_id``, ``name``, ``status``, ``sweep``, ``started`` (UTC), the scores under their names in
        MLflow (``iou``, ``kld``, ``parameters``, ...) and the configuration by dotted keys (``model.name``, ...).

    Raises:
        RunError: MLflow cannot be reached, or ``outputs`` or the experiment does not exist.
    """
    import pandas as pd

    with quiet_imports():
        from gym.runs.mlflow_read import tabulate_runs

    rows = tabulate_runs(TrackingConfig(uri=tracking_uri, experiment=experiment), Path(outputs), sweep)
    return pd.DataFrame(rows, columns=None if rows else ["run_id", "name", "status", "sweep", "started"])
