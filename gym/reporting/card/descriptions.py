"""The model, the data and the training of a card, described as lists of properties."""

import shlex

from gym.config.overrides import to_overrides
from gym.config.registries import READERS
from gym.core.text import format_duration
from gym.reporting.card.contents import CardContents

_STANDARDIZATIONS = {
    "image": "per image, to zero mean and unit standard deviation",
    "frame": "per image with its padding, to zero mean and unit standard deviation",
    "band": "per band of each image, to zero mean and unit standard deviation",
    "dataset": "per band, with the mean and standard deviation of the training side",
    "none": "none",
}
_FRAMINGS = {
    "fit": "larger scenes are shrunk, smaller ones padded",
    "tile": "larger scenes are cut into tiles at full resolution",
    "resize": "scenes are resized without keeping their aspect ratio",
}
_SCALINGS = {
    "none": "as in the files",
    "dtype": "divided by the largest value of the type",
    "percentile": "stretched between two percentiles of each band of each image",
    "reflectance": "converted to reflectance",
}
_TRANSFORMS = ("zoom", "rotation", "shift_rows", "shift_columns", "brightness", "contrast", "noise")
_FLIPS = ("flip_horizontal", "flip_vertical", "quarter_turns")
_LOCATIONS = ("outputs", "tracking.")


def describe_model(contents: CardContents) -> dict[str, str]:
    """Describe the network, its input and its output."""
    settings, totals = contents.settings, contents.totals
    size, kernel = settings["data.size"], settings["model.kernel"]
    rows, columns = size if isinstance(size, list) else (size, size)
    return {
        "Architecture": f"{settings['model.name']}, {settings['model.filters']} filters, {settings['model.levels']} "
        f"levels, kernels of {kernel} x {kernel} pixels, head {settings['model.head']}",
        "Parameters": f"{totals['parameters']:,.0f}, of which {totals['trainable_parameters']:,.0f} are trainable",
        "Input": f"{rows} x {columns} pixels; {_FRAMINGS[settings['data.framing']]}",
        "Bands": f"{', '.join(contents.data.bands)}, in this order",
        "Values": f"{contents.data.dtype}, {_SCALINGS[settings['data.scaling']]}; "
        f"standardisation: {_STANDARDIZATIONS[settings['data.standardize']]}",
        "Output": f"a probability per pixel for each of {len(contents.data.classes)} classes",
    }


def describe_data(contents: CardContents) -> dict[str, str]:
    """Describe where the data come from and under which licence."""
    settings, data = contents.settings, contents.data
    sides = dict.fromkeys(f"{side:.3g}" for side in data.pixel_sides)  # one if both look the same
    licence = settings["data.licence"] or READERS.get(settings["data.kind"]).licence
    properties = {
        "Source": data.source,
        "Licence": licence or "not stated; set data.licence",
        "Cite as": settings["data.citation"],
        "Pixel size": f"about {' to '.join(sides)} m" if sides else "unknown",
        "Dates": " to ".join(dict.fromkeys(data.dates)),
        "Split": contents.split,
        "Fingerprint": data.fingerprint,
    }
    return {name: value for name, value in properties.items() if value}


def describe_training(contents: CardContents) -> dict[str, str]:
    """Describe how the model was trained."""
    settings, totals = contents.settings, contents.totals
    weighting = settings["loss.weighting"]
    transforms = [f"{name} {settings[f'augment.{name}']:g}" for name in _TRANSFORMS if settings[f"augment.{name}"]]
    transforms += [name for name in _FLIPS if settings[f"augment.{name}"]]
    return {
        "Loss": settings["loss.name"] + ("" if weighting == "none" else f", class weights: {weighting}"),
        "Optimizer": f"{settings['optimizer.name']}, learning rate up to {settings['schedule.max_rate']:g}",
        "Batch size": str(settings["training.batch"]),
        "Epochs": f"{totals['stopping_epoch']:.0f} of at most {settings['training.epochs']}; the weights are from "
        f"epoch {totals['best_epoch']:.0f}, which had the lowest validation loss",
        "Augmentation": f"{settings['augment.mode']}, copies {settings['augment.copies']}: "
        f"{', '.join(transforms) or 'none'}",
        "Seed": str(settings["seed"]),
        "Time": format_duration(totals["seconds"]),
    }


def train_command(contents: CardContents) -> str:
    """Return the command that trains the same run again, without the locations of its results."""
    own = {name: value for name, value in sorted(contents.settings.items()) if not name.startswith(_LOCATIONS)}
    return shlex.join(["python", "-m", "gym.train", *to_overrides(own)])
