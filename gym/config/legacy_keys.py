"""Translate a configuration of Segmentation Gym, one flat JSON object, into an experiment of ours.

Three generations of that program wrote such files, and their keys tell them apart:

- The first has no MODEL: one residual U-Net with as many filters as scenes in a batch, without dropout.
- The second has UPSAMPLE_MODE, and neither KERNEL nor STRIDE: its ``unet`` and ``resunet`` pool and convolve 2x2; later
  they were called ``simple_unet`` and ``simple_resunet``.
- The third is the paper's. Only it has LOSS; before, all was trained with Dice.

What a file leaves out is filled in as its generation had it. No file and no Hydra here: a dictionary in, ours out.

Source: the history of the repository of Segmentation Gym.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, NamedTuple

from gym.config.legacy_values import as_json, as_yaml, number, text, truth, whole, wrong
from gym.config.registries import ARCHITECTURES
from gym.core.errors import ConfigError


class Said(NamedTuple):
    """What a key says in our words.

    Attributes:
        target: Our key, or a group (``model``, ``loss``, ``filters``); empty where nothing is left to say.
        value: Our value, or the group's option.
        note: What the user should know.
        more: Further keys of ours that follow from it.
    """

    target: str
    value: Any
    note: str = ""
    more: Mapping[str, Any] = {}


class Unsaid(NamedTuple):
    """Why a key has no place here."""

    reason: str


class Row(NamedTuple):
    """What became of one key: ``taken over``, ``renamed``, ``dropped``, or ``added`` where the file lacks it."""

    key: str
    value: str
    fate: str
    target: str
    where: str


@dataclass
class Translation:
    """An experiment: options of groups, values of dotted keys, and what became of each key of the file."""

    options: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)


Old = Mapping[str, Any]
Reader = Callable[[str, Any], Any]

FILTERS_OPTIONS = (2, 4, 6, 8, 12)

_DEEPEST = 8  # of lists and objects within each other; the original had two

PLAIN: dict[str, tuple[str, Reader, str]] = {
    "DROPOUT": ("model.dropout", number, ""),
    "DROPOUT_CHANGE_PER_LAYER": ("model.dropout_change", number, ""),
    "DROPOUT_TYPE": ("model.dropout_kind", text, ""),
    "USE_DROPOUT_ON_UPSAMPLING": ("model.dropout_on_up", truth, ""),
    "VALIDATION_SPLIT": ("split.validation", number, "drawn at random; the original took the first files by name"),
    "AUG_ZOOM": ("augment.zoom", number, ""),
    "AUG_WIDTHSHIFT": ("augment.shift_columns", number, ""),
    "AUG_HEIGHTSHIFT": ("augment.shift_rows", number, ""),
    "AUG_HFLIP": ("augment.flip_horizontal", truth, ""),
    "AUG_VFLIP": ("augment.flip_vertical", truth, ""),
    "START_LR": ("schedule.start_rate", number, ""),
    "MAX_LR": ("schedule.max_rate", number, ""),
    "MIN_LR": ("schedule.min_rate", number, ""),
    "RAMPUP_EPOCHS": ("schedule.rampup_epochs", whole, ""),
    "SUSTAIN_EPOCHS": ("schedule.sustain_epochs", whole, ""),
    "EXP_DECAY": ("schedule.decay", number, ""),
    "BATCH_SIZE": ("training.batch", whole, ""),
    "MAX_EPOCHS": ("training.epochs", whole, ""),
    "PATIENCE": ("training.patience", whole, ""),
    "ROOT_STRING": ("name", text, "the name of the run"),
}

DROPPED = {
    "FILTER_VALUE": "above 1 it widened or cleaned the labels; here they are taken as they are",
    "MEDIAN_FILTER_VALUE": "above 1 it smoothed the labels; here they are taken as they are",
    "DO_CRF": "a choice made when predicting, not when training",
    "DO_CRF_REFINE": "it redrew the labels along edges of the image; here they are taken as they are",
    "USE_LOCATION": "true added a band of the distance from a corner; there is none here",
    "USEMASK": "only the spelling of a folder, mask or label; here it is data.labels",
    "MODE": "the program set it itself, whatever the file said",
    "DO_AUG": "the other AUG keys decide, as in the original",
    "AUG_LOOPS": "it only bounded the memory in use",
    "IMS_PER_SHARD": "only how many scenes were kept in one file",
    "DO_TRAIN": "the command says what is done: gym.train trains",
    "HOT_START": "weights of the original do not fit; training starts anew",
    "INITIAL_EPOCH": "it goes with HOT_START",
    "DOPLOT": "figures are always made",
    "WRITE_MODELMETADATA": "only what is written beside predictions",
    "TESTTIMEAUG": "a choice made when predicting, not when training",
    "OTSU_THRESHOLD": "a choice made when predicting, not when training",
    "SET_GPU": "say it to the shell, as in CUDA_VISIBLE_DEVICES=0",
    "SET_PCI_BUS_ID": "say it to the shell, as in CUDA_DEVICE_ORDER=PCI_BUS_ID",
    "LOAD_DATA_WITH_CPU": "it always does",
    "CLEAR_MEMORY": "a remedy for memory that grew from epoch to epoch",
}

_ORIGINALS = "the original's default"
_PAPERS = "the paper's value"
_NO_CHANGE = "no such change of the training pairs"
_STAND_INS: dict[str, tuple[Any, str]] = {
    "FILTERS": (8, _ORIGINALS),
    "KERNEL": (7, _ORIGINALS),
    "DROPOUT": (0.1, _ORIGINALS),
    "DROPOUT_CHANGE_PER_LAYER": (0.0, _ORIGINALS),
    "DROPOUT_TYPE": ("standard", _ORIGINALS),
    "USE_DROPOUT_ON_UPSAMPLING": (False, _ORIGINALS),
    "LOSS": ("dice", "the only loss before there was this key"),
    "VALIDATION_SPLIT": (0.6, _PAPERS),
    "AUG_COPIES": (1, _NO_CHANGE),
    "AUG_ROT": (0, _NO_CHANGE),
    "AUG_ZOOM": (0, _NO_CHANGE),
    "AUG_WIDTHSHIFT": (0, _NO_CHANGE),
    "AUG_HEIGHTSHIFT": (0, _NO_CHANGE),
    "AUG_HFLIP": (False, _NO_CHANGE),
    "AUG_VFLIP": (False, _NO_CHANGE),
    "START_LR": (1e-7, _PAPERS),
    "MAX_LR": (1e-4, _PAPERS),
    "MIN_LR": (1e-7, _PAPERS),
    "RAMPUP_EPOCHS": (20, _PAPERS),
    "SUSTAIN_EPOCHS": (0, _PAPERS),
    "EXP_DECAY": (0.9, _PAPERS),
    "BATCH_SIZE": (8, _PAPERS),
    "MAX_EPOCHS": (100, _PAPERS),
    "PATIENCE": (10, _PAPERS),
}


def say_model(key: str, old: Old) -> Said:
    """Choose the network; a pooling one convolves 2x2."""
    name = text(key, old[key])
    if name == "segformer":
        raise ConfigError(
            f"{key}=segformer is a transformer trained elsewhere, and none of the networks here; "
            f"set {key} to one of {', '.join(ARCHITECTURES.names)} in the file."
        )
    if name == "satunet":
        raise ConfigError(
            f"{key}=satunet is defined nowhere in the original; set {key} to one of {', '.join(ARCHITECTURES.names)} "
            "in the file."
        )
    if name not in ARCHITECTURES:
        raise wrong(key, name, f"one of {', '.join(ARCHITECTURES.names)}")
    if not pools(old):
        return Said("model", name)
    kernel = {"model.kernel": 2}
    if not is_second(old):
        return Said("model", name, "it convolves 2x2 in the original", kernel)
    note = f"what {name} was then: it pools and convolves 2x2"
    note += ", also in its shortcuts, which are 1x1 here" if name == "resunet" else ""
    return Said("model", f"simple_{name}", note, kernel)


def say_filters(key: str, old: Old) -> Said:
    """Take the option of the group where there is one, so that ``filters=`` can still choose another."""
    filters = whole(key, old[key])
    return Said("filters" if filters in FILTERS_OPTIONS else "model.filters", filters)


def say_kernel(key: str, old: Old) -> Said | Unsaid:
    """Take over the side of the kernels; the first generation also wrote it twice, as ``[7, 7]``."""
    if pools(old):
        return Unsaid("the pooling networks of the original convolve 2x2 whatever it says")
    if key == "KERNEL_SIZE" and "KERNEL" in old:
        return Unsaid("KERNEL says it")
    value = old[key]
    if isinstance(value, list) and len(value) == 2 and value[0] == value[1]:
        value = value[0]
    return Said("model.kernel", whole(key, value))


def say_stride(key: str, old: Old) -> Said | Unsaid:
    """Refuse a stride with which the original cannot build its network either (its issue 25)."""
    if pools(old):
        return Unsaid("the pooling networks of the original halve by pooling, whatever it says")
    if whole(key, old[key]) != 2:
        raise ConfigError(
            f"{key}={as_json(old[key])} cannot be built, nor could it in the original: each level up doubles what "
            f"each level down must have halved; set {key} to 2 in the file, or MODEL to simple_unet, which pools."
        )
    return Said("", 2, "each level halves rows and columns")


def say_upsampling(key: str, old: Old) -> Said | Unsaid:
    """Only the second generation read it."""
    if not is_second(old):
        return Unsaid("the program that had KERNEL, STRIDE or a simple network read it no more")
    if old[key] == "deconv":
        return Said("model.upsampling", "transpose", "it then left half as many maps, here as many")
    return Said("model.upsampling", "nearest")


def say_loss(key: str, old: Old) -> Said:
    """Choose the loss by the beginning of its name, as the original does."""
    name = text(key, old[key])
    if name in ("hinge", "dice"):
        return Said("loss", name)
    for beginning, loss in (("cat", "cce"), ("k", "kld")):
        if name.startswith(beginning):
            return Said("loss", loss)
    raise wrong(key, name, "dice, hinge, or begin with cat or k")


def say_loss_weights(key: str, old: Old) -> Said | Unsaid:
    """Turn weights round, as the original does before it uses them."""
    weights = old[key]
    if weights is False:
        return Said("loss.weighting", "none")
    if old["LOSS"] != "dice":
        return Unsaid("the original weighed the Dice loss only; to weigh this one, loss.weighting=frequency")
    if weights is True:
        return Unsaid("the original never trained with it, and Dice weighs all classes alike already")
    if not isinstance(weights, list):
        raise wrong(key, weights, "true, false, or a list of numbers")
    given = [number(key, weight) for weight in weights]
    if not sum(given) > 0:
        raise wrong(key, weights, "numbers with a sum above 0")
    turned = [1 - weight / sum(given) for weight in given]
    return Said("loss.class_weights", turned, "1 - share of the sum, as the original", {"loss.weighting": "given"})


def say_size(key: str, old: Old) -> Said:
    """Take over rows and columns."""
    size = old[key]
    if not (isinstance(size, list) and len(size) == 2):
        raise wrong(key, size, "rows and columns, as in [512, 512]")
    note = "scenes are shrunk or padded to fit; data.framing=resize stretches them, as the original"
    return Said("data.size", [whole(key, side) for side in size], note)


def say_classes(key: str, old: Old) -> Said:
    """Number the classes; 1 means two, one against the rest."""
    count = whole(key, old[key])
    if not 1 <= count <= 255:
        raise wrong(key, count, "from 1 to 255")
    note = "stand-in names"
    if count == 1:
        note += "; two classes: 1 was every label above 0, as in data.remap={0:0,255:1}"
    return Said("data.classes", [f"class_{index}" for index in range(max(2, count))], note)


def say_bands(key: str, old: Old) -> Said:
    """Name the bands."""
    count = whole(key, old[key])
    if count < 1:
        raise wrong(key, count, "at least 1")
    names = ["red", "green", "blue", "nir", "swir"][:count]
    if not 3 <= count <= 5:
        names = [f"band_{index}" for index in range(1, count + 1)]
    return Said("data.bands", names, "stand-in names")


def say_remap(key: str, old: Old) -> Said:
    """Take over label values and their classes."""
    pairs = old[key]
    if not isinstance(pairs, dict):
        raise wrong(key, pairs, 'a mapping, as in {"0": 0, "1": 0}')
    if not all(re.fullmatch(r"-?\d+", value) for value in pairs):
        raise wrong(key, pairs, "a mapping from whole numbers")
    remap = {int(value): whole(key, target) for value, target in pairs.items()}
    differing = [value for value in remap if in_turn(value, remap) != remap[value]]
    if not differing:
        return Said("data.remap", remap)
    results = ", ".join(f"{value} to {in_turn(value, remap)}" for value in differing)
    return Said("data.remap", remap, f"all at once; the original, one after the other, took {results}")


def in_turn(value: int, remap: Mapping[int, int]) -> int:
    """What a label value becomes where the pairs are applied one after the other."""
    for source, target in remap.items():
        value = target if value == source else value
    return value


def say_rotation(key: str, old: Old) -> Said:
    """Take over degrees."""
    degrees = number(key, old[key])
    note = "degrees, as in the original; less than one is next to none" if 0 < degrees < 1 else "degrees"
    return Said("augment.rotation", degrees, note)


def say_copies(key: str, old: Old) -> Said:
    """Take over the copies, drawn once, as files were."""
    return Said("augment.copies", whole(key, old[key]), "drawn once", {"augment.mode": "offline"})


SPECIAL: dict[str, Callable[[str, Old], Said | Unsaid]] = {
    "MODEL": say_model,
    "FILTERS": say_filters,
    "KERNEL": say_kernel,
    "KERNEL_SIZE": say_kernel,
    "STRIDE": say_stride,
    "UPSAMPLE_MODE": say_upsampling,
    "LOSS": say_loss,
    "LOSS_WEIGHTS": say_loss_weights,
    "TARGET_SIZE": say_size,
    "NCLASSES": say_classes,
    "N_DATA_BANDS": say_bands,
    "REMAP_CLASSES": say_remap,
    "AUG_ROT": say_rotation,
    "AUG_COPIES": say_copies,
}

KNOWN = (*PLAIN, *SPECIAL, *DROPPED)


def is_second(old: Old) -> bool:
    """Tell the generation whose networks pool although they are not called simple."""
    return old.get("MODEL") in ("unet", "resunet") and "UPSAMPLE_MODE" in old and not {"KERNEL", "STRIDE"} & set(old)


def pools(old: Old) -> bool:
    """Tell whether the network halves by pooling, not by strides."""
    return is_second(old) or old.get("MODEL") in ("simple_unet", "simple_resunet")


def parse(content: bytes, source: str) -> dict[str, Any]:
    """Read the JSON of a configuration.

    Args:
        content: The bytes of the file.
        source: Its name, for the message.

    Raises:
        ConfigError: It is no JSON object of text and numbers, or has not one key of Segmentation Gym.
    """
    try:
        old = json.loads(content)
        is_deep = is_deeper(old, _DEEPEST)
    except ValueError as error:
        raise ConfigError(f"{source} is no JSON: {error}; mend the file.") from error
    except RecursionError:
        is_deep = True
    if is_deep:
        raise ConfigError(f"{source} has lists or objects more than {_DEEPEST} deep in each other; mend the file.")
    if half := re.search("[\ud800-\udfff]", as_json(old)):
        raise ConfigError(
            f"{source} has half a character, \\u{ord(half.group()):04x} without its other; mend the file."
        )
    if not isinstance(old, dict) or not any(key in KNOWN for key in old):
        raise ConfigError(
            f"{source} has none of the keys of a Segmentation Gym configuration, such as TARGET_SIZE and NCLASSES; "
            "give one that has."
        )
    return old


def is_deeper(value: Any, most: int) -> bool:
    """Tell whether lists and objects lie more than ``most`` deep in each other."""
    level = [value]
    for _ in range(most):
        level = [inner for outer in level for inner in contents(outer)]
    return any(isinstance(inner, list | dict) for inner in level)


def contents(value: Any) -> list[Any]:
    """What is in a list or an object; nothing is in any other value."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def stand_ins(old: Old) -> dict[str, tuple[Any, str]]:
    """What a file leaves out, with the reason of each value."""
    added = dict(_STAND_INS)
    if "MODEL" not in old:
        batch = old.get("BATCH_SIZE", _STAND_INS["BATCH_SIZE"][0])
        added["MODEL"] = ("resunet", "before there was this key, one residual U-Net; its stem convolved 7x7, here 2x2")
        added["FILTERS"] = (batch, "as many as scenes in a batch, before there was this key")
        added["DROPOUT"] = (0.0, "none, before there was this key")
    if pools(old) or "KERNEL_SIZE" in old:
        del added["KERNEL"]
    return {key: stand_in for key, stand_in in added.items() if key not in old}


def translate(old: Old) -> Translation:
    """Translate every key of a configuration.

    Raises:
        ConfigError: A value has the wrong type, or asks for what cannot be had here; or a key is missing that the
            original could not do without.
    """
    for key in ("TARGET_SIZE", "NCLASSES", "N_DATA_BANDS"):
        if key not in old:
            raise ConfigError(f"{key} is missing; the original could not do without it; add it to the file.")
    added = stand_ins(old)
    whole_of_it = {**old, **{key: value for key, (value, _) in added.items()}}
    translation = Translation()
    for key in whole_of_it:
        said = say(key, whole_of_it)
        if isinstance(said, Said):
            enter(said, translation)
        translation.rows.append(row_of(key, whole_of_it[key], said, added[key][1] if key in added else ""))
    return translation


def say(key: str, old: Old) -> Said | Unsaid:
    """Say one key in our words, or why it is dropped."""
    if key in SPECIAL:
        return SPECIAL[key](key, old)
    if key in PLAIN:
        target, read, note = PLAIN[key]
        return Said(target, read(key, old[key]), note)
    near = get_close_matches(key, KNOWN, n=1, cutoff=0.8)
    return Unsaid(DROPPED.get(key, "unknown to the original as well" + (f"; meant {near[0]}?" if near else "")))


def enter(said: Said, translation: Translation) -> None:
    """Enter what a key says among options and values."""
    if said.target in ("model", "loss", "filters"):
        translation.options[said.target] = said.value
    elif said.target:
        translation.values[said.target] = said.value
    translation.values |= said.more


def row_of(key: str, value: Any, said: Said | Unsaid, why_added: str) -> Row:
    """Word what became of a key; ``why_added`` where the file lacks it."""
    if isinstance(said, Unsaid):
        return Row(key, shortened(as_json(value)), "dropped", "", said.reason)
    place = f"{said.target}={as_yaml(said.value)}" if said.target else ""
    where = ": ".join(part for part in (place, why_added or said.note) if part)
    if why_added:
        return Row(key, "", "added", said.target, where)
    same = not said.target or (said.target.split(".")[-1] == key.lower() and said.value == value)
    return Row(key, shortened(as_json(value)), "taken over" if same else "renamed", said.target, where)


def shortened(value: str) -> str:
    """Cut a long value, so that the columns behind it can be seen."""
    return value if len(value) <= 24 else f"{value[:21]}..."
