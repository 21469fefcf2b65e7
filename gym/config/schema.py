"""The configuration: every key, its type, its rule and its meaning, in one place.

Hydra composes the YAML files of ``conf/`` over these dataclasses. `gym.config.validation.read_config` checks the result
and returns plain dataclasses, so no higher package sees OmegaConf. Nothing heavy is imported here.
"""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from gym.config.registries import ARCHITECTURES, LOSSES, READERS, SCORES
from gym.core.errors import ConfigError
from gym.core.registry import Registry

PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
FREE_MAPPINGS = ("data.remap", "model.options", "loss.options", "data.options")  # their keys are not in the schema
BEST, REGISTERED = "best:", "models:/"  # how run=... begins for the best of a sweep, and for a registered model


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
    only: dict[str, tuple[str, ...] | Registry[Any]] | None = None,
) -> Any:
    """Declare one key: its default, what it means, and the rule its value must keep.

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

    name: str = setting(ARCHITECTURES.default_name, "Architecture.", registry=ARCHITECTURES)
    filters: int = setting(6, "Feature maps at full resolution; each level down doubles them.", least=1)
    kernel: int = setting(7, "Side of the convolution kernels, in pixels.", least=1)
    levels: int = setting(4, "Levels of stride 2 on the way down.", least=1, most=8)
    dropout: float = setting(0.1, "Dropout rate of the first level down.", least=0, below=1)
    dropout_change: float = setting(0.0, "Added to the dropout rate at each further level.", above=-1, below=1)
    dropout_kind: str = setting("standard", "Drop single values, or whole maps.", choices=("standard", "spatial"))
    dropout_on_up: bool = setting(False, "Use dropout on the way up too.")
    upsampling: str = setting("nearest", "How a level up doubles the resolution.", choices=("nearest", "transpose"))
    decoder: str = setting(
        "half",
        "Levels up at half the resolution, where that is exact, or plain: the same on the doubled map, in more time.",
        choices=("half", "plain"),
        only={"name": ARCHITECTURES},
    )
    head: str = setting("softmax", "Activation of the last layer.", choices=("softmax", "sigmoid"))
    options: Any = setting(None, "Further keys of the architecture, as in {heads:4}; most have none.")


@dataclass
class LossConfig:
    """What training minimises."""

    name: str = setting(LOSSES.default_name, "With one-hot labels cce and kld have the same gradient.", registry=LOSSES)
    weighting: str = setting(
        "none",
        "Class weights: none, from class frequency in the training scenes, or as given in loss.class_weights.",
        choices=("none", "frequency", "given"),
    )
    class_weights: list[float] = setting([], "One weight a class, for loss.weighting=given.")
    options: Any = setting(None, "Further keys of the loss, as in {gamma:2.0}; most have none.")


@dataclass
class SplitConfig:
    """Which pairs train, which choose the epoch, and which are kept aside for the last judgement."""

    method: str = setting(
        "random",
        "How the sides are found; paper repeats the leaky order of the paper's program.",
        choices=("random", "kfold", "leave_one_out", "given", "paper"),
    )
    by: str = setting(
        "scene",
        "What stays on one side: scene, site, date, or a column of data.table.",
        only={"method": ("random", "kfold", "leave_one_out")},
    )
    validation: float = setting(
        0.25, "Share that validates.", above=0, below=1, only={"method": ("random", "leave_one_out", "paper")}
    )
    test: float = setting(0.0, "Share kept aside, drawn first.", least=0, below=1, only={"method": ("random", "kfold")})
    folds: int = setting(5, "Number of folds.", least=2, only={"method": ("kfold",)})
    fold: int = setting(0, "The fold that validates, from 0.", least=0, only={"method": ("kfold",)})
    held_out: str = setting("", "The site, date or scene that tests.", only={"method": ("leave_one_out",)})
    sides: str = setting("", "A CSV with the columns name and side.", only={"method": ("given",)})
    seed: int = setting(
        0,
        "Which of the possible draws; the run's own seed does not change it.",
        least=0,
        only={"method": ("random", "kfold", "leave_one_out")},
    )
    training_share: float = setting(
        1.0, "Share of the training side that is used; a larger share holds all of a smaller one.", above=0, most=1
    )
    likeness: int = setting(
        4, "Report images of two sides whose 64-bit perceptual hashes differ in so few bits.", least=0, most=16
    )


@dataclass
class DataConfig:
    """Where pairs of image and label come from, and what is made of them."""

    kind: str = setting(READERS.default_name, "Reader of the pairs.", registry=READERS)
    size: Any = setting(128, "Rows and columns of the model's input: one number, or [rows, columns].")
    framing: str = setting(
        "fit",
        "fit: shrink larger scenes, pad smaller ones; tile: cut at full resolution; resize: distort the aspect.",
        choices=("fit", "tile", "resize"),
    )
    overlap: float = setting(
        0.25, "Least overlap of two tiles, as a share of their side.", least=0, most=0.9, only={"framing": ("tile",)}
    )
    scaling: str = setting(
        "none",
        "none: values as they are; dtype: share of the type's largest value; percentile: stretch each band of each "
        "image; reflectance: value x factor + offset.",
        choices=("none", "dtype", "percentile", "reflectance"),
    )
    percentiles: list[float] = setting(
        [2.0, 98.0], "What becomes 0 and 1 with scaling=percentile.", only={"scaling": ("percentile",)}
    )
    reflectance: list[float] = setting(
        [1e-4, 0.0], "Factor and offset of scaling=reflectance.", only={"scaling": ("reflectance",)}
    )
    indices: list[str] = setting([], "Spectral indices as further bands: NDWI, or name=(green-nir)/(green+nir).")
    standardize: str = setting(
        "image",
        "Zero mean and unit deviation: of an image (the paper), of each band of it, of each band of the training side.",
        choices=("image", "band", "dataset", "none"),
    )
    workers: int = setting(0, "Processes that read; 0 means one for each core, where there is enough to read.", least=0)
    strict: bool = setting(False, "A file that cannot be used is an error, and not only reported.")
    scenes: int = setting(200, "Number of scenes.", least=2, only={"kind": READERS})
    sites: int = setting(8, "Number of sites.", least=1, most=8, only={"kind": READERS})
    seed: int = setting(0, "Which scenes are drawn.", least=0, only={"kind": READERS})
    archives: Any = setting([], "Folders, npz or zip files, or URLs of zip files.", only={"kind": READERS})
    images: Any = setting(
        [],
        "One folder, or one for each band set, or of a folder a pattern as in shots/*_nir.tif; bands are stacked in "
        "this order, behind those of an archive.",
        only={"kind": READERS},
    )
    labels: str = setting(
        "", "The folder of label images, or of a folder a pattern as in shots/*_label.png.", only={"kind": READERS}
    )
    drop_from_stem: list[str] = setting(
        [], "Regular expressions cut out of file stems before they are paired, as in _label$.", only={"kind": READERS}
    )
    classes: list[str] = setting([], "Class names; the index of a name is its label value.", only={"kind": READERS})
    bands: list[str] = setting(
        [], "Band names, in stacking order; none means red, green, blue, or band_1, band_2, ...", only={"kind": READERS}
    )
    # Not dict: the command line cannot add a key to a typed mapping.
    remap: Any = setting(
        None, "Label value or name in the file -> class, or its index; all at once.", only={"kind": READERS}
    )
    aliases: str = setting("", "A JSON file of other names of names.", only={"kind": READERS})
    ignore_values: list[Any] = setting([], "Label values or names that count nowhere.", only={"kind": READERS})
    table: str = setting("", "A CSV with a row a file: name, and any of scene, site, date.", only={"kind": READERS})
    scene_pattern: str = setting(
        "", "A regular expression; its first group in a file's stem is the scene.", only={"kind": READERS}
    )
    site_pattern: str = setting("", "Likewise for the site; none means one site.", only={"kind": READERS})
    date_pattern: str = setting("", "Likewise for the date.", only={"kind": READERS})
    options: Any = setting(None, "Further keys of the reader, as in {year:2020}; most have none.")
    licence: str = setting("", "Licence of the imagery and labels, for the model card.")
    citation: str = setting("", "How to cite them, likewise; neither changes what a dataset or a run is known by.")


@dataclass
class AugmentConfig:
    """Random changes of the training pairs."""

    mode: str = setting(
        "online",
        "online: drawn anew in each epoch; offline: drawn once, as the copies that the paper wrote to disk.",
        choices=("online", "offline"),
    )
    copies: int = setting(1, "Augmented copies of each training pair in an epoch.", least=1)
    zoom: float = setting(0.05, "Largest change of scale, as a share.", least=0, below=1)
    rotation: float = setting(3.0, "Largest rotation, in degrees.", least=0, most=180)
    shift_rows: float = setting(0.05, "Largest shift up or down, as a share of the rows.", least=0, below=1)
    shift_columns: float = setting(0.05, "Largest shift left or right, as a share of the columns.", least=0, below=1)
    flip_horizontal: bool = setting(True, "Mirror left and right in half of the cases.")
    flip_vertical: bool = setting(False, "Mirror top and bottom in half of the cases.")
    quarter_turns: bool = setting(False, "Turn by 0, 90, 180 or 270 degrees; wants a square frame.")
    brightness: float = setting(0.0, "Largest shift of a band, as a share of its deviation in the image.", least=0)
    contrast: float = setting(0.0, "Largest change of a band's deviation, as a share.", least=0, below=1)
    noise: float = setting(0.0, "Deviation of noise, as a share of the band's deviation in the image.", least=0)


@dataclass
class OptimizerConfig:
    """How a gradient becomes a step; the learning rate is the schedule's."""

    name: str = setting("adam", "Optimizer.", choices=("adam", "adamw"))
    beta_1: float = setting(0.9, "Decay of the mean of gradients.", least=0, below=1)
    beta_2: float = setting(0.999, "Decay of the mean of squared gradients.", least=0, below=1)
    epsilon: float = setting(1e-7, "Added to the denominator.", above=0)
    weight_decay: float = setting(
        0.004, "Decay of the weights, as a share of the learning rate.", least=0, only={"name": ("adamw",)}
    )
    clip_norm: float = setting(0.0, "Largest norm of the whole gradient; 0 means no limit.", least=0)


@dataclass
class ScheduleConfig:
    """Learning rate by epoch: a ramp up, a plateau, an exponential decay (paper, section 2.4)."""

    start_rate: float = setting(1e-3, "Rate of the first epoch.", above=0)
    max_rate: float = setting(4e-3, "Rate at the top.", above=0)
    min_rate: float = setting(1e-5, "Rate the decay tends to.", least=0)
    rampup_epochs: int = setting(2, "Epochs of the ramp.", least=0)
    sustain_epochs: int = setting(5, "Epochs at the top.", least=0)
    decay: float = setting(0.65, "Factor from one epoch to the next after that.", above=0, most=1)


@dataclass
class TrainingConfig:
    """The loop."""

    batch: int = setting(4, "Scenes in a step.", least=1)
    epochs: int = setting(15, "Most epochs.", least=1)
    patience: int = setting(10, "Epochs without a better validation loss before training stops.", least=1)
    threads: int = setting(0, "CPU threads; 0 means all this process may use.", least=0)
    precision: str = setting(
        "auto",
        "Type of the maps inside the network; auto is bfloat16 where processor or GPU has it, else float32.",
        choices=PRECISIONS,
    )
    tuned: bool = setting(True, "On a CPU, compute with TensorFlow's own operations where they are faster than Keras'.")
    deterministic: bool = setting(True, "Make a repetition bitwise equal.")
    resume: bool = setting(True, "Go on with this very run where it was stopped before it ended.")


@dataclass
class TrackingConfig:
    """Where results are logged."""

    uri: str = setting("", "MLflow tracking URI; empty means SQLite in the outputs folder.")
    experiment: str = setting("segsweep", "MLflow experiment.")


@dataclass
class SweepConfig:
    """What many runs of one command share; used with -m."""

    name: str = setting("", "Name of the sweep, to go on with or to add to; empty means one made from its runs.")
    attempts: int = setting(3, "Most times that a run is started which fails, over all calls.", least=1)
    mix: bool = setting(False, "Let runs differ in data or in what validates; their scores are not comparable.")
    job: int = setting(-1, "Number of the run in its sweep; the sweeper sets it.", least=-1)


@dataclass
class SearchConfig:
    """A search for the best configuration; used with -m hydra/sweeper=optuna."""

    trials: int = setting(40, "Trials in all, over all calls, failed and pruned ones among them.", least=1)
    objective: list[str] = setting(
        lambda: [SCORES.default], "Scores to be best in; of several, as in [iou,parameters], the front."
    )
    sampler: str = setting("tpe", "Who proposes a trial.", choices=("tpe", "random", "grid", "cmaes", "nsga2"))
    startup: int = setting(
        10, "First trials, drawn at random, which median never prunes; for nsga2 the size of a generation.", least=2
    )
    pruner: str = setting("none", "Who gives trials up early.", choices=("none", "median", "hyperband"))
    warmup: int = setting(3, "Epochs that every trial gets.", least=1)
    at_once: int = setting(0, "Trials proposed together; 0 means one for each worker of the launcher.", least=0)
    storage: str = setting("", "URL of the database; empty means SQLite in the folder of the sweep.")
    seed: int = setting(42, "Of the proposals.", least=0)


@dataclass
class Config:
    """One experiment."""

    name: str = setting("", "Name of the run; empty means what it is, as in 'resunet cce f6'.")
    seed: int = setting(42, "Seed of weights, order, augmentation and dropout.", least=0)
    outputs: str = setting("outputs", "Folder of runs, stores and the MLflow database.")
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


@dataclass
class DatasetConfig:
    """One model-ready dataset, to make or to look at."""

    inspect: bool = setting(False, "Only report: nothing but the report is kept.")
    export: str = setting(
        "none", "gym_npz also writes the files that the original program reads.", choices=("none", "gym_npz")
    )
    seed: int = setting(42, "Seed of the augmented examples and of exported copies.", least=0)
    outputs: str = setting("outputs", "Folder of stores and reports.")
    data: DataConfig = field(default_factory=DataConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)


@dataclass
class PredictConfig:
    """One use of a trained model on a folder of images."""

    run: str = setting(MISSING, "Run id, run name, best:SWEEP, models:/NAME@ALIAS, or a zip of gym.publish.")
    input: Any = setting(MISSING, "Folder of images, or [folder,folder] with one for each band set.")
    output: str = setting(MISSING, "Folder to write to.")
    outputs: str = setting("outputs", "Folder of the MLflow database.")
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    drop_from_stem: list[str] = setting(
        [], "Regular expressions cut out of file stems before band sets are matched, as data.drop_from_stem."
    )


@dataclass
class PublishConfig:
    """One trained model, to hand on."""

    run: str = setting(MISSING, "Run id, run name, best:SWEEP, or models:/NAME@ALIAS.")
    output: str = setting("", "The zip to write; empty means one named after the run, in outputs/published.")
    samples: int = setting(4, "Validation pairs to add; 0 where the imagery may not be handed on.", least=0)
    name: str = setting("", "Name of the registered model; empty means that of the MLflow experiment.")
    alias: str = setting("champion", "Alias of the registered model that moves to this version.")
    outputs: str = setting("outputs", "Folder of stores and the MLflow database.")
    tracking: TrackingConfig = field(default_factory=TrackingConfig)


@dataclass
class EvaluateConfig:
    """One judgement of trained models."""

    run: Any = setting(
        MISSING, "Run id, run name, best:SWEEP, models:/NAME@ALIAS or a zip, or [run,run] to compare the first with."
    )
    data: DataConfig | None = setting(
        None, "Other data than the run's own, by group; frame, scaling and indices are the run's."
    )
    side: str = setting(
        "auto",
        "Which images; auto: of the run's own data the test side if there is one, else validation; of other data all.",
        choices=("auto", "training", "validation", "test", "all"),
    )
    batch: int = setting(0, "Images predicted at a time; 0 means as in training.", least=0)
    boundary_width: int = setting(
        0, "Pixels from a boundary that boundary IoU looks at; 0 means 2 % of the diagonal.", least=0
    )
    baselines: bool = setting(True, "Fit the baselines on the run's training side, to stand beside it.")
    seed: int = setting(0, "Of the redrawn scenes behind the intervals, and of the baselines.", least=0)
    workers: int = setting(0, "Processes that count; 0 means one for each core, where that pays.", least=0)
    output: str = setting("", "Folder of results; empty means one named after run and side, in outputs/evaluations.")
    outputs: str = setting("outputs", "Folder of stores and the MLflow database.")
    tracking: TrackingConfig = field(default_factory=TrackingConfig)


@dataclass
class ReportConfig:
    """One report, on a sweep or on a run."""

    sweep: str = setting("", "Name of a sweep, or MLflow id or name of its parent run.")
    run: str = setting("", "Run id, run name, best:SWEEP, or models:/NAME@ALIAS.")
    output: str = setting("", "Folder to write to; empty means one named after sweep or run, in outputs/reports.")
    outputs: str = setting("outputs", "Folder of sweeps, stores and the MLflow database.")
    tracking: TrackingConfig = field(default_factory=TrackingConfig)


def frame_of(size: Any) -> tuple[int, int]:
    """Read ``data.size``: one number for a square, or rows and columns.

    Raises:
        ConfigError: It is neither.
    """
    pair = [size, size] if isinstance(size, int) and not isinstance(size, bool) else size
    if not (isinstance(pair, list | tuple) and len(pair) == 2 and all(type(side) is int for side in pair)):
        raise ConfigError(f"data.size={size} must be one whole number, or two as in data.size=[160,96].")
    return pair[0], pair[1]


def folders_of(key: str, value: Any) -> list[str]:
    """Read a key that names one folder, or a list with one for each band set.

    Raises:
        ConfigError: It is neither.
    """
    folders = value if isinstance(value, list) else [value]
    if not folders or not all(isinstance(folder, str) and folder for folder in folders):
        raise ConfigError(f"{key}={value} must be a folder, or folders as in {key}=[rgb,nir].")
    return folders


def split_pattern(place: str) -> tuple[str, str]:
    """Split a place of files into its folder and the pattern of their names: as in ``shots/*_label.png``, or all."""
    folder, _, names = place.rpartition("/")
    return (folder or ".", names) if "*" in names else (place, "*")
