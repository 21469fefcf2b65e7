"""The configuration schema: the type, rule and meaning of every key.

Hydra composes the YAML files of ``conf/`` over these dataclasses. `gym.config.validation.read_config` checks the result
and returns plain dataclasses, so that no higher package sees OmegaConf. Nothing heavy is imported here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from gym.config.registries import ARCHITECTURES, LOSSES, READERS, SCORES
from gym.core.errors import ConfigError
from gym.core.registry import Registry

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
AUTO = "auto"  # the value of training.precision that is resolved by measurement
FREE_MAPPINGS = ("data.remap", "model.options", "loss.options", "data.options")  # users choose their keys
BEST, REGISTERED = "best:", "models:/"  # prefixes of run=... for the best run of a sweep and for a registered model

# The parts of a group that use a key, where not all do.
_SOME_READERS = {"kind": READERS}
_DRAWN_SPLITS = {"method": ("random", "kfold", "leave_one_out")}

# What gym.clean can remove. Interrupted runs could be resumed.
LEFTOVERS = "temporary", "checkpoints", "datasets", "failed", "deleted", "orphaned", "interrupted", "runs"

_PLUGINS = "Modules that add architectures, losses, readers or scores; loaded from the command line only."


def setting(
    default: Any,
    meaning: str,
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] | None = None,
    registry: Registry[Any] | None = None,
    only: Mapping[str, tuple[str, ...] | Registry[Any]] | None = None,
) -> Any:
    """Declare one key: its default, its meaning, and the rule that its value must obey.

    Args:
        default: Its value if none is given; a function of no arguments makes a new one each time.
        meaning: One sentence or two.
        least: Lowest allowed value.
        most: Highest allowed value.
        above: The value must exceed this.
        below: The value must be lower than this.
        choices: All allowed values.
        registry: The entries that it chooses one of, by name.
        only: The values of another key of the same group for which this one is used at all: those given, or the
            registered entries that use it.
    """
    rule = {"least": least, "above": above, "most": most, "below": below, "choices": choices}
    metadata = {
        "meaning": meaning,
        "only": only or {},
        "registry": registry,
        "rule": {key: bound for key, bound in rule.items() if bound is not None},
    }
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    if isinstance(default, list | dict):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass
class ModelConfig:
    """The network."""

    name: str = setting(lambda: ARCHITECTURES.default, "Architecture.", registry=ARCHITECTURES)
    filters: int = setting(6, "Number of filters at full resolution; each encoder level doubles it.", least=1)
    kernel: int = setting(7, "Size of the convolution kernels, in pixels.", least=1)
    levels: int = setting(4, "Number of encoder levels, each with stride 2.", least=1, most=8)
    dropout: float = setting(0.1, "Dropout rate at the first encoder level.", least=0, below=1)
    dropout_change: float = setting(0.0, "Change of the dropout rate from one level to the next.", above=-1, below=1)
    dropout_kind: str = setting(
        "standard", "Drop single values (standard) or whole feature maps (spatial).", choices=("standard", "spatial")
    )
    dropout_on_up: bool = setting(False, "Use dropout in the decoder too.")
    upsampling: str = setting(
        "nearest",
        "Upsampling in the decoder: nearest neighbour or transposed convolution.",
        choices=("nearest", "transpose"),
    )
    decoder: str = setting(
        "half",
        "half: compute decoder levels at half resolution, faster and with the same result; plain: at full resolution.",
        choices=("half", "plain"),
        only={"name": ARCHITECTURES},
    )
    head: str = setting("softmax", "Activation of the last layer.", choices=("softmax", "sigmoid"))
    options: Any = setting(None, "Further options of the architecture, as in {heads:4}; most have none.")


@dataclass
class LossConfig:
    """The loss that training minimises."""

    name: str = setting(
        lambda: LOSSES.default, "Loss; with one-hot labels, cce and kld have the same gradient.", registry=LOSSES
    )
    weighting: str = setting(
        "none",
        "Class weights: none, from class frequency on the training side, or given in loss.class_weights.",
        choices=("none", "frequency", "given"),
    )
    class_weights: list[float] = setting([], "One weight per class, with loss.weighting=given.")
    clip: bool = setting(
        False, "Clip probabilities at 1e-7 in training with cce and kld; a pixel below it then has no gradient."
    )
    options: Any = setting(None, "Further options of the loss, as in {gamma:2.0}; most have none.")


@dataclass
class SplitConfig:
    """How pairs are divided into training, validation and test sides."""

    method: str = setting(
        "random",
        "How pairs are assigned to sides; paper reproduces the leaky split of the original program.",
        choices=("random", "kfold", "leave_one_out", "given", "paper"),
    )
    by: str = setting(
        "scene",
        "Unit that stays on one side and that intervals redraw: scene, site, date, or a column of data.table.",
        only=_DRAWN_SPLITS,
    )
    validation: float = setting(
        0.25, "Fraction used for validation.", above=0, below=1, only={"method": ("random", "leave_one_out", "paper")}
    )
    test: float = setting(
        0.0, "Fraction held out for testing; drawn first.", least=0, below=1, only={"method": ("random", "kfold")}
    )
    folds: int = setting(5, "Number of folds.", least=2, only={"method": ("kfold",)})
    fold: int = setting(0, "Index of the validation fold, counted from 0.", least=0, only={"method": ("kfold",)})
    held_out: str = setting("", "Site, date or scene used for testing.", only={"method": ("leave_one_out",)})
    sides: str = setting("", "CSV file with the columns name and side.", only={"method": ("given",)})
    seed: int = setting(0, "Seed for the split; the run's own seed does not affect it.", least=0, only=_DRAWN_SPLITS)
    training_share: float = setting(
        1.0, "Fraction of the training side to use; a larger fraction contains every smaller one.", above=0, most=1
    )
    likeness: int = setting(
        4,
        "Report images on different sides whose 64-bit perceptual hashes differ in at most this many bits.",
        least=0,
        most=16,
    )


@dataclass
class DataConfig:
    """Where image-label pairs come from, and how they are prepared."""

    kind: str = setting(lambda: READERS.default, "Reader for the image-label pairs.", registry=READERS)
    size: Any = setting(128, "Rows and columns of the model's input: one number, or [rows,columns].")
    framing: str = setting(
        "fit",
        "fit: shrink larger scenes, pad smaller ones; tile: cut at full resolution; resize: ignore the aspect ratio.",
        choices=("fit", "tile", "resize"),
    )
    overlap: float = setting(
        0.25,
        "Minimum overlap of two tiles, as a fraction of their side.",
        least=0,
        most=0.9,
        only={"framing": ("tile",)},
    )
    scaling: str = setting(
        "none",
        "none: keep the values; dtype: divide by the largest value of the type; percentile: stretch each band of each "
        "image; reflectance: value x factor + offset.",
        choices=("none", "dtype", "percentile", "reflectance"),
    )
    percentiles: list[float] = setting(
        [2.0, 98.0], "Percentiles that scaling=percentile maps to 0 and 1.", only={"scaling": ("percentile",)}
    )
    reflectance: list[float] = setting(
        [1e-4, 0.0], "Factor and offset of scaling=reflectance.", only={"scaling": ("reflectance",)}
    )
    indices: list[str] = setting([], "Spectral indices to add as bands, such as NDWI or name=(green-nir)/(green+nir).")
    standardize: str = setting(
        "image",
        "Zero mean and unit variance of each image (as in the paper's text), of each image with its padding (frame, as "
        "in the paper's program), of each band of an image, or of each band over the training side (dataset).",
        choices=("image", "frame", "band", "dataset", "none"),
    )
    workers: int = setting(0, "Processes that read imagery; 0 means one per core if there is enough to read.", least=0)
    strict: bool = setting(False, "Raise an error for a file that cannot be used instead of leaving it out.")
    scenes: int = setting(200, "Number of synthetic scenes.", least=2, only=_SOME_READERS)
    sites: int = setting(8, "Number of synthetic sites.", least=1, most=8, only=_SOME_READERS)
    seed: int = setting(0, "Seed for the synthetic scenes.", least=0, only=_SOME_READERS)
    archives: Any = setting([], "Folders, .npz or .zip files, or URLs of .zip files.", only=_SOME_READERS)
    images: Any = setting(
        [],
        "Folder of images, a pattern such as shots/*_nir.tif, or a list with one for each band set; bands are stacked "
        "in this order, after those of an archive.",
        only=_SOME_READERS,
    )
    labels: str = setting("", "Folder of label images, or a pattern such as shots/*_label.png.", only=_SOME_READERS)
    drop_from_stem: list[str] = setting(
        [], "Regular expressions removed from file stems before files are paired, as in _label$.", only=_SOME_READERS
    )
    classes: list[str] = setting([], "Class names; the index of a name is its label value.", only=_SOME_READERS)
    bands: list[str] = setting(
        [], "Band names in stacking order; the default is red, green, blue, or band_1, band_2, ...", only=_SOME_READERS
    )
    # Not dict, because the command line cannot add keys to a typed mapping.
    remap: Any = setting(
        None, "Maps label values or names in the files to classes or their indices.", only=_SOME_READERS
    )
    aliases: str = setting("", "JSON file that maps alternative class names to names.", only=_SOME_READERS)
    ignore_values: list[Any] = setting([], "Label values or names to ignore.", only=_SOME_READERS)
    null_class: str = setting(
        "",
        "Class of padding, pixels without data and unlabelled pixels, the first of data.classes, as in the paper's "
        "program; without it, no loss or score counts them.",
        only=_SOME_READERS,
    )
    table: str = setting("", "CSV file with one row per file: name, and any of scene, site, date.", only=_SOME_READERS)
    scene_pattern: str = setting(
        "", "Regular expression whose first group in a file's stem is the scene.", only=_SOME_READERS
    )
    site_pattern: str = setting(
        "", "The same for the site; without it, all scenes belong to one site.", only=_SOME_READERS
    )
    date_pattern: str = setting("", "The same for the date.", only=_SOME_READERS)
    options: Any = setting(None, "Further options of the reader, as in {year:2020}; most have none.")
    licence: str = setting("", "Licence of the imagery and labels, for the model card.")
    citation: str = setting("", "How to cite them, for the model card; neither key affects fingerprints.")


@dataclass
class AugmentConfig:
    """Random changes to training pairs."""

    mode: str = setting(
        "online",
        "online: new changes in every epoch; offline: fixed copies, like those the original program wrote to disk.",
        choices=("online", "offline"),
    )
    copies: int = setting(1, "Augmented copies of each training pair per epoch.", least=1)
    zoom: float = setting(0.05, "Maximum change of scale, as a fraction.", least=0, below=1)
    rotation: float = setting(3.0, "Maximum rotation, in degrees.", least=0, most=180)
    shift_rows: float = setting(0.05, "Maximum vertical shift, as a fraction of the height.", least=0, below=1)
    shift_columns: float = setting(0.05, "Maximum horizontal shift, as a fraction of the width.", least=0, below=1)
    flip_horizontal: bool = setting(True, "Flip left to right with probability 0.5.")
    flip_vertical: bool = setting(False, "Flip top to bottom with probability 0.5.")
    quarter_turns: bool = setting(False, "Rotate randomly by 0, 90, 180 or 270 degrees; needs a square frame.")
    brightness: float = setting(
        0.0, "Maximum shift of a band, as a fraction of its standard deviation in the image.", least=0
    )
    contrast: float = setting(0.0, "Maximum change of a band's standard deviation, as a fraction.", least=0, below=1)
    noise: float = setting(
        0.0, "Standard deviation of the noise, as a fraction of that of the band in the image.", least=0
    )


@dataclass
class OptimizerConfig:
    """The optimizer. Its learning rate comes from the schedule."""

    name: str = setting("adam", "Optimizer.", choices=("adam", "adamw"))
    beta_1: float = setting(0.9, "Decay rate of the first-moment estimates.", least=0, below=1)
    beta_2: float = setting(0.999, "Decay rate of the second-moment estimates.", least=0, below=1)
    epsilon: float = setting(1e-7, "Added to the denominator for numerical stability.", above=0)
    weight_decay: float = setting(
        0.004, "Weight decay, as a fraction of the learning rate.", least=0, only={"name": ("adamw",)}
    )
    clip_norm: float = setting(0.0, "Maximum norm of the whole gradient; 0 means no clipping.", least=0)


@dataclass
class ScheduleConfig:
    """Learning rate by epoch: ramp-up, plateau and exponential decay (paper, section 2.4)."""

    start_rate: float = setting(1e-3, "Learning rate of the first epoch.", above=0)
    max_rate: float = setting(4e-3, "Maximum learning rate.", above=0)
    min_rate: float = setting(1e-5, "Learning rate that the decay approaches.", least=0)
    rampup_epochs: int = setting(2, "Number of ramp-up epochs.", least=0)
    sustain_epochs: int = setting(5, "Number of epochs at the maximum learning rate.", least=0)
    decay: float = setting(0.65, "Decay factor per epoch after the plateau.", above=0, most=1)


@dataclass
class TrainingConfig:
    """The training loop."""

    batch: int = setting(4, "Samples per training step.", least=1)
    epochs: int = setting(15, "Maximum number of epochs.", least=1)
    patience: int = setting(10, "Epochs without a lower validation loss before training stops.", least=1)
    threads: int = setting(0, "CPU threads; 0 means all that this process may use.", least=0)
    precision: str = setting(
        AUTO,
        "Data type inside the network; auto is bfloat16 on machines where it was measured to be faster, else float32.",
        choices=(AUTO, *PRECISIONS),
    )
    tuned: bool = setting(True, "On a CPU, use TensorFlow's operations where they are faster than those of Keras.")
    deterministic: bool = setting(True, "Make repeated runs equal, bit for bit.")
    resume: bool = setting(True, "Resume this run if it was interrupted.")


@dataclass
class TrackingConfig:
    """Where runs are logged."""

    uri: str = setting("", "MLflow tracking URI; empty means SQLite in the outputs folder.")
    experiment: str = setting("segsweep", "Name of the MLflow experiment.")


@dataclass
class SweepConfig:
    """Settings shared by the runs of a sweep, which is started with -m."""

    name: str = setting("", "Name of the sweep, to resume or extend it; empty means a name derived from its runs.")
    attempts: int = setting(3, "Maximum number of times a failing run is started, across all calls.", least=1)
    mix: bool = setting(False, "Allow runs with different data or validation sides, whose scores are not comparable.")
    plan: bool = setting(False, "Print what the sweep would take, from a few timed steps, and train nothing.")
    job: int = setting(-1, "Number of the run in its sweep; set by the sweeper.", least=-2)


@dataclass
class SearchConfig:
    """A search for the best configuration, which is started with -m hydra/sweeper=optuna."""

    trials: int = setting(40, "Number of trials across all calls, including failed and pruned ones.", least=1)
    objective: list[str] = setting(
        lambda: [SCORES.default], "Scores to optimise; several, as in [iou,parameters], give a Pareto front."
    )
    sampler: str = setting("tpe", "Sampler that proposes trials.", choices=("tpe", "random", "grid", "cmaes", "nsga2"))
    startup: int = setting(
        10, "Number of initial random trials, which median never prunes; for nsga2, the population size.", least=2
    )
    pruner: str = setting(
        "none", "Pruner that stops unpromising trials early.", choices=("none", "median", "hyperband")
    )
    warmup: int = setting(3, "Epochs that every trial completes.", least=1)
    at_once: int = setting(0, "Trials proposed together; 0 means one per worker of the launcher.", least=0)
    storage: str = setting("", "URL of the Optuna database; empty means SQLite in the sweep's folder.")
    seed: int = setting(42, "Seed for the sampler.", least=0)


@dataclass
class Config:
    """One experiment: the configuration of gym.train."""

    name: str = setting("", "Name of the run; empty means one such as 'resunet cce f6'.")
    seed: int = setting(42, "Seed for the weights, sample order, augmentation and dropout.", least=0)
    outputs: str = setting("outputs", "Folder of runs, datasets and the MLflow database.")
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    data: DataConfig = field(default_factory=DataConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    plugins: list[str] = setting([], _PLUGINS)


@dataclass
class DatasetConfig:
    """A dataset to build or inspect: the configuration of gym.make_dataset."""

    inspect: bool = setting(False, "Write only the report, and discard the dataset.")
    export: str = setting(
        "none", "gym_npz also writes the files that the original program reads.", choices=("none", "gym_npz")
    )
    seed: int = setting(42, "Seed for the augmented examples and the exported copies.", least=0)
    outputs: str = setting("outputs", "Folder of datasets and reports.")
    data: DataConfig = field(default_factory=DataConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    plugins: list[str] = setting([], _PLUGINS)


@dataclass
class PredictConfig:
    """Images to segment with a trained model: the configuration of gym.predict."""

    run: str = setting(
        MISSING, "Run id, run name, best:SWEEP, models:/NAME@ALIAS, or a model archive from gym.publish."
    )
    input: Any = setting(MISSING, "Folder of images, or [folder,folder] with one for each band set.")
    output: str = setting(MISSING, "Folder for the results.")
    outputs: str = setting("outputs", "Folder of the MLflow database.")
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    drop_from_stem: list[str] = setting(
        [], "Regular expressions removed from file stems before band sets are matched, like data.drop_from_stem."
    )
    plugins: list[str] = setting([], _PLUGINS)


@dataclass
class PublishConfig:
    """A trained model to publish: the configuration of gym.publish."""

    run: str = setting(MISSING, "Run id, run name, best:SWEEP, or models:/NAME@ALIAS.")
    output: str = setting("", "Path of the model archive; empty means one named after the run, in outputs/published.")
    samples: int = setting(
        4, "Number of validation pairs to include; 0 if the imagery may not be redistributed.", least=0
    )
    name: str = setting("", "Name of the registered model; empty means the name of the MLflow experiment.")
    alias: str = setting("champion", "Alias of the registered model that is moved to this version.")
    outputs: str = setting("outputs", "Folder of datasets and the MLflow database.")
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    plugins: list[str] = setting([], _PLUGINS)


@dataclass
class EvaluateConfig:
    """Trained models to evaluate: the configuration of gym.evaluate."""

    run: Any = setting(
        MISSING,
        "Run id, run name, best:SWEEP, models:/NAME@ALIAS or a model archive; [run,run] compares the first to others.",
    )
    data: DataConfig | None = setting(
        None, "Data to evaluate on instead of the run's own; frame, scaling and indices are still taken from the run."
    )
    side: str = setting(
        "auto",
        "Images to evaluate on; auto: the test side of the run's own data (or its validation side), or all "
        "images of other data.",
        choices=("auto", "training", "validation", "test", "all"),
    )
    batch: int = setting(0, "Images predicted at a time; 0 means the batch size of training.", least=0)
    boundary_width: int = setting(
        0, "Width of the boundary in pixels, for boundary IoU; 0 means 2 % of the image diagonal.", least=0
    )
    baselines: bool = setting(True, "Fit baselines on the run's training side, for comparison.")
    seed: int = setting(0, "Seed for the bootstrap and the baselines.", least=0)
    workers: int = setting(0, "Processes that count pixels; 0 means one per core if that is faster.", least=0)
    output: str = setting(
        "", "Folder for the results; empty means one named after run and side, in outputs/evaluations."
    )
    outputs: str = setting("outputs", "Folder of datasets and the MLflow database.")
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    plugins: list[str] = setting([], _PLUGINS)


@dataclass
class ReportConfig:
    """A sweep or run to report on: the configuration of gym.report."""

    sweep: str = setting("", "Name of a sweep, or MLflow id or name of its parent run.")
    run: str = setting("", "Run id, run name, best:SWEEP, or models:/NAME@ALIAS.")
    output: str = setting(
        "", "Folder for the report; empty means one named after the sweep or run, in outputs/reports."
    )
    outputs: str = setting("outputs", "Folder of sweeps, datasets and the MLflow database.")
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    plugins: list[str] = setting([], _PLUGINS)


@dataclass
class CleanConfig:
    """What to remove from an outputs folder: the configuration of gym.clean."""

    what: list[str] = setting(
        [],
        f"Kinds to remove: {', '.join(LEFTOVERS)}; empty means all but interrupted, or runs with sweep=... or run=...",
    )
    sweep: str = setting("", "Only what belongs to this sweep; by default, all of it.")
    run: str = setting("", "Only what belongs to the run with this id or name; by default, all of it.")
    yes: bool = setting(False, "Delete; otherwise what would be deleted is only listed.")
    outputs: str = setting("outputs", "Folder of runs, datasets and the MLflow database.")
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    plugins: list[str] = setting([], _PLUGINS)


def parse_size(size: Any) -> tuple[int, int]:
    """Parse ``data.size``, one number for a square or a pair, into rows and columns.

    Raises:
        ConfigError: It is neither.
    """
    pair = [size, size] if isinstance(size, int) and not isinstance(size, bool) else size
    if not (isinstance(pair, list | tuple) and len(pair) == 2 and all(type(side) is int for side in pair)):
        raise ConfigError(f"data.size={size} must be a whole number, or a pair as in data.size=[160,96].")
    return pair[0], pair[1]


def parse_folders(key: str, value: Any) -> list[str]:
    """Parse a key that names one folder, or a list with one for each band set, into a list.

    Raises:
        ConfigError: It is neither.
    """
    folders = value if isinstance(value, list) else [value]
    if not folders or not all(isinstance(folder, str) and folder for folder in folders):
        raise ConfigError(f"{key}={value} must be a folder, or a list of folders as in {key}=[rgb,nir].")
    return folders


def split_pattern(place: str) -> tuple[str, str]:
    """Split ``shots/*_label.png`` into folder and file pattern; a path without ``*`` is a folder of any files."""
    folder, _, names = place.rpartition("/")
    return (folder or ".", names) if "*" in names else (place, "*")
