"""Translation of a Segmentation Gym configuration, one flat JSON object, into the settings of an experiment.

Three generations of that program wrote such files. Their keys distinguish them:

- The first has no MODEL: one residual U-Net with as many filters as scenes in a batch, without dropout.
- The second has UPSAMPLE_MODE, but neither KERNEL nor STRIDE: its ``unet`` and ``resunet`` pool and convolve 2x2. Later
  they were renamed ``simple_unet`` and ``simple_resunet``.
- The third is the paper's. Only this one has LOSS; earlier ones always trained with Dice.

Missing keys get the values that their generation used.

Source: the Git history of Segmentation Gym.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from gym.config.groups import option_names
from gym.config.legacy_values import parse_bool, parse_integer, parse_number, parse_text, to_json, to_yaml, value_error
from gym.config.registries import ARCHITECTURES
from gym.core.errors import ConfigError
from gym.core.files import read_yaml


class Translated(NamedTuple):
    """The translation of a key.

    Attributes:
        target: The new key, or a group (``model``, ``loss``, ``filters``); empty if the value is the only possible one.
        value: The new value, or the option of the group.
        note: What the user should know.
        more: Further keys that follow from it.
    """

    target: str
    value: Any
    note: str = ""
    more: Mapping[str, Any] = {}


class Dropped(NamedTuple):
    """The reason why a key has no translation."""

    reason: str


class Row(NamedTuple):
    """The outcome for one key: ``kept``, ``renamed``, ``dropped``, or ``added`` if the file lacks it."""

    key: str
    value: str
    outcome: str
    target: str
    detail: str


@dataclass
class Translation:
    """An experiment: options of groups, values of dotted keys, and the outcome for each key of the file."""

    options: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)


LegacyConfig = Mapping[str, Any]

_MAX_SIZE = 1 << 17  # bytes; the configurations of the original have less than a tenth
_MAX_BANDS = 1000
_MAX_DEPTH = 8  # of nested lists and objects; the original had two

_READERS = {"number": parse_number, "integer": parse_integer, "boolean": parse_bool, "text": parse_text}
_TABLES = read_yaml(Path(__file__).with_suffix(".yaml"))
PLAIN: dict[str, dict[str, Any]] = _TABLES["kept"]
DROPPED: dict[str, str] = _TABLES["dropped"]

_UNAVAILABLE = {
    "segformer": "is a pretrained transformer, which is not available here",
    "satunet": "does not exist in the original either",
}


def _translate_model(key: str, old: LegacyConfig) -> Translated:
    name = parse_text(key, old[key])
    choices = f"one of {', '.join(ARCHITECTURES.names)}"
    if name in _UNAVAILABLE:
        raise ConfigError(f"{key}={name} {_UNAVAILABLE[name]}; set {key} to {choices} in the file.")
    if name not in ARCHITECTURES:
        raise value_error(key, name, choices)
    if not _uses_pooling(old):
        return Translated("model", name)
    kernel = {"model.kernel": 2}
    if not _is_second_generation(old):
        return Translated("model", name, "its kernel is 2x2 in the original", kernel)
    note = f"the earlier {name}, which pools and has 2x2 kernels"
    note += ", also in its shortcuts, where they are 1x1 here" if name == "resunet" else ""
    return Translated("model", f"simple_{name}", note, kernel)


def _translate_filters(key: str, old: LegacyConfig) -> Translated:
    # An option of the group, unlike a value, can still be changed with filters=... on the command line.
    filters = parse_integer(key, old[key])
    return Translated("filters" if str(filters) in option_names("filters") else "model.filters", filters)


def _translate_kernel(key: str, old: LegacyConfig) -> Translated | Dropped:
    if _uses_pooling(old):
        return Dropped("pooling networks of the original always have 2x2 kernels")
    if key == "KERNEL_SIZE" and "KERNEL" in old:
        return Dropped("KERNEL takes precedence")
    value = old[key]  # the first generation also wrote [7, 7]
    if isinstance(value, list) and len(value) == 2 and value[0] == value[1]:
        value = value[0]
    return Translated("model.kernel", parse_integer(key, value))


def _translate_stride(key: str, old: LegacyConfig) -> Translated | Dropped:
    # With other strides, the original cannot build its network either (its issue 25).
    if _uses_pooling(old):
        return Dropped("pooling networks of the original always halve by pooling")
    if parse_integer(key, old[key]) != 2:
        raise ConfigError(
            f"{key}={to_json(old[key])} cannot be built, as in the original, because each decoder level doubles the "
            f"resolution that an encoder level halves; set {key} to 2 in the file, or MODEL to simple_unet."
        )
    return Translated("", 2, "every level has stride 2")


def _translate_upsampling(key: str, old: LegacyConfig) -> Translated | Dropped:
    if not _is_second_generation(old):
        return Dropped("the original ignored it once it had KERNEL, STRIDE or simple networks")
    if old[key] == "deconv":
        return Translated("model.upsampling", "transpose", "it does not halve the feature maps here")
    return Translated("model.upsampling", "nearest")


def _translate_loss(key: str, old: LegacyConfig) -> Translated:
    # The original looks only at the first letters of the name.
    name = parse_text(key, old[key])
    if name in ("hinge", "dice"):
        return Translated("loss", name)
    for beginning, loss in (("cat", "cce"), ("k", "kld")):
        if name.startswith(beginning):
            return Translated("loss", loss)
    raise value_error(key, name, "dice, hinge, or start with cat or k")


def _translate_loss_weights(key: str, old: LegacyConfig) -> Translated | Dropped:
    # The original inverts the weights before it uses them.
    weights = old[key]
    if weights is False:
        return Translated("loss.weighting", "none")
    if old["LOSS"] != "dice":
        return Dropped("the original weighted only the Dice loss; set loss.weighting=frequency to weight this one")
    if weights is True:
        return Dropped("it failed in the original, and Dice already weights all classes equally")
    if not isinstance(weights, list):
        raise value_error(key, weights, "true, false, or a list of numbers")
    given = [parse_number(key, weight) for weight in weights]
    if not sum(given) > 0:
        raise value_error(key, weights, "numbers with a sum above 0")
    inverted = [1 - weight / sum(given) for weight in given]
    note = "1 - fraction of the sum, as in the original"
    return Translated("loss.class_weights", inverted, note, {"loss.weighting": "given"})


def _translate_size(key: str, old: LegacyConfig) -> Translated:
    size = old[key]
    if not (isinstance(size, list) and len(size) == 2):
        raise value_error(key, size, "rows and columns, as in [512, 512]")
    note = "scenes are shrunk or padded; data.framing=resize stretches them as the original did"
    return Translated("data.size", [parse_integer(key, side) for side in size], note)


def _translate_classes(key: str, old: LegacyConfig) -> Translated:
    count = parse_integer(key, old[key])
    if not 1 <= count <= 255:
        raise value_error(key, count, "from 1 to 255")
    note = "placeholder names"
    if count == 1:
        note += "; two classes: every label above 0 was class 1, as with data.remap={0:0,255:1}"
    return Translated("data.classes", [f"class_{index}" for index in range(max(2, count))], note)


def _translate_bands(key: str, old: LegacyConfig) -> Translated:
    count = parse_integer(key, old[key])
    if not 1 <= count <= _MAX_BANDS:
        raise value_error(key, count, f"from 1 to {_MAX_BANDS}")
    names = ["red", "green", "blue", "nir", "swir"][:count]
    if not 3 <= count <= 5:
        names = [f"band_{index}" for index in range(1, count + 1)]
    return Translated("data.bands", names, "placeholder names")


def _translate_remap(key: str, old: LegacyConfig) -> Translated:
    pairs = old[key]
    if not isinstance(pairs, dict):
        raise value_error(key, pairs, 'a mapping, as in {"0": 0, "1": 0}')
    if not all(re.fullmatch(r"-?\d+", value) for value in pairs):
        raise value_error(key, pairs, "a mapping from whole numbers")
    remap = {int(value): parse_integer(key, target) for value, target in pairs.items()}
    differing = [value for value in remap if _remap_in_sequence(value, remap) != remap[value]]
    if not differing:
        return Translated("data.remap", remap)
    results = ", ".join(f"{value} to {_remap_in_sequence(value, remap)}" for value in differing)
    return Translated("data.remap", remap, f"all at once; the original applied them one by one and mapped {results}")


def _remap_in_sequence(value: int, remap: Mapping[int, int]) -> int:
    for source, target in remap.items():
        value = target if value == source else value
    return value


def _translate_rotation(key: str, old: LegacyConfig) -> Translated:
    degrees = parse_number(key, old[key])
    note = "in degrees, as in the original; below 1 there is almost no rotation" if 0 < degrees < 1 else "in degrees"
    return Translated("augment.rotation", degrees, note)


SPECIAL: dict[str, Callable[[str, LegacyConfig], Translated | Dropped]] = {
    "MODEL": _translate_model,
    "FILTERS": _translate_filters,
    "KERNEL": _translate_kernel,
    "KERNEL_SIZE": _translate_kernel,
    "STRIDE": _translate_stride,
    "UPSAMPLE_MODE": _translate_upsampling,
    "LOSS": _translate_loss,
    "LOSS_WEIGHTS": _translate_loss_weights,
    "TARGET_SIZE": _translate_size,
    "NCLASSES": _translate_classes,
    "N_DATA_BANDS": _translate_bands,
    "REMAP_CLASSES": _translate_remap,
    "AUG_ROT": _translate_rotation,
}

KNOWN = (*PLAIN, *SPECIAL, *DROPPED)


def _is_second_generation(old: LegacyConfig) -> bool:
    # Networks of this generation pool, although they are not called simple.
    return old.get("MODEL") in ("unet", "resunet") and "UPSAMPLE_MODE" in old and not {"KERNEL", "STRIDE"} & set(old)


def _uses_pooling(old: LegacyConfig) -> bool:
    return _is_second_generation(old) or old.get("MODEL") in ("simple_unet", "simple_resunet")


def parse(content: bytes, source: str) -> dict[str, Any]:
    """Parse a configuration file.

    Args:
        content: Bytes of the file.
        source: Name of the file, for messages.

    Raises:
        ConfigError: The file is not a JSON object, is nested too deeply, or has no key of Segmentation Gym.
    """
    if len(content) > _MAX_SIZE:
        raise ConfigError(f"{source} has {len(content)} bytes, but at most {_MAX_SIZE} are read; choose another file.")
    try:
        old = json.loads(content)
        is_deep = _depth(old) > _MAX_DEPTH
    except ValueError as error:
        raise ConfigError(f"{source} is not valid JSON: {error}; correct the file.") from error
    except RecursionError:
        is_deep = True
    if is_deep:
        raise ConfigError(f"{source} has lists or objects nested more than {_MAX_DEPTH} deep; correct the file.")
    if half := re.search("[\ud800-\udfff]", to_json(old)):
        raise ConfigError(f"{source} contains the unpaired surrogate \\u{ord(half.group()):04x}; correct the file.")
    if not isinstance(old, dict) or not any(key in KNOWN for key in old):
        raise ConfigError(
            f"{source} has none of the keys of a Segmentation Gym configuration, such as TARGET_SIZE and NCLASSES; "
            "choose another file."
        )
    return old


def _depth(value: Any) -> int:
    """Count the lists and objects that a value nests."""
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(_depth, value.values() if isinstance(value, dict) else value), default=0)


def _default_values(old: LegacyConfig) -> dict[str, list[Any]]:
    """Return the values of missing keys, each with its reason."""
    added: dict[str, list[Any]] = dict(_TABLES["defaults"])
    if "MODEL" not in old:
        batch = old.get("BATCH_SIZE", added["BATCH_SIZE"][0])
        added["MODEL"] = ["resunet", "the only network before this key existed; its stem had a 7x7 kernel, here 2x2"]
        added["FILTERS"] = [batch, "the batch size, before this key existed"]
        added["DROPOUT"] = [0.0, "none, before this key existed"]
    if _uses_pooling(old) or "KERNEL_SIZE" in old:
        del added["KERNEL"]
    return {key: default for key, default in added.items() if key not in old}


def translate(old: LegacyConfig) -> Translation:
    """Translate every key of a configuration.

    Raises:
        ConfigError: A value has the wrong type or asks for something unavailable, or a required key is missing.
    """
    for key in ("TARGET_SIZE", "NCLASSES", "N_DATA_BANDS"):
        if key not in old:
            raise ConfigError(f"{key} is missing, and Segmentation Gym requires it; add it to the file.")
    added = _default_values(old)
    complete = {**old, **{key: value for key, (value, _) in added.items()}}
    translation = Translation()
    for key in complete:
        translated = _translate_key(key, complete)
        if isinstance(translated, Translated):
            is_option = translated.target in ("model", "loss", "filters")
            changed = translation.options if is_option else translation.values
            if translated.target:
                changed[translated.target] = translated.value
            translation.values |= translated.more
        translation.rows.append(_describe(key, complete[key], translated, added[key][1] if key in added else ""))
    return translation


def _translate_key(key: str, old: LegacyConfig) -> Translated | Dropped:
    if key in SPECIAL:
        return SPECIAL[key](key, old)
    if key in PLAIN:
        plain = PLAIN[key]
        value = _READERS[plain["type"]](key, old[key])
        return Translated(plain["key"], value, plain.get("note", ""), plain.get("more", {}))
    near = get_close_matches(key, KNOWN, n=1, cutoff=0.8)
    return Dropped(DROPPED.get(key, "not in the original either" + (f"; did you mean {near[0]}?" if near else "")))


def _describe(key: str, value: Any, translated: Translated | Dropped, why_added: str) -> Row:
    if isinstance(translated, Dropped):
        return Row(key, _shorten(to_json(value)), "dropped", "", translated.reason)
    place = f"{translated.target}={to_yaml(translated.value)}" if translated.target else ""
    detail = ": ".join(part for part in (place, why_added or translated.note) if part)
    if why_added:
        return Row(key, "", "added", translated.target, detail)
    same = not translated.target or (translated.target.split(".")[-1] == key.lower() and translated.value == value)
    return Row(key, _shorten(to_json(value)), "kept" if same else "renamed", translated.target, detail)


def _shorten(value: str) -> str:
    return value if len(value) <= 24 else f"{value[:21]}..."
