"""What a card says in words of the model, its data and its training."""

import shlex

from gym.card.facts import CardFacts
from gym.console import clock
from gym.settings import to_overrides

_STANDARDIZED = {
    "image": "each image to zero mean and unit deviation",
    "band": "each band of each image to zero mean and unit deviation",
    "dataset": "each band by mean and deviation of the training side",
    "none": "not at all",
}
_FRAMED = {
    "fit": "larger scenes are shrunk, smaller ones padded",
    "tile": "larger scenes are cut into tiles at full resolution",
    "resize": "scenes are resized, whatever becomes of their aspect",
}
_SCALED = {
    "none": "as in the files",
    "dtype": "as a share of the largest value of the type",
    "percentile": "stretched between two percentiles of each band of each image",
    "reflectance": "as reflectance",
}


_ELSEWHERE = ("outputs", "tracking.")
_CHANGES = ("zoom", "rotation", "shift_rows", "shift_columns", "brightness", "contrast", "noise")
_FLIPS = ("flip_horizontal", "flip_vertical", "quarter_turns")


def describe_model(facts: CardFacts) -> dict[str, str]:
    """What the network is, and what goes in and comes out."""
    of, totals = facts.settings, facts.totals
    size, kernel = of["data.size"], of["model.kernel"]
    rows, columns = size if isinstance(size, list) else (size, size)
    standardized = _STANDARDIZED[of["data.standardize"]]
    return {
        "Architecture": f"{of['model.name']}, {of['model.filters']} filters, {of['model.levels']} levels with kernels "
        f"of {kernel} x {kernel} pixels, {of['model.head']} at the end",
        "Parameters": f"{totals['parameters']:,.0f}, of which {totals['trainable_parameters']:,.0f} are trained",
        "Input": f"{rows} x {columns} pixels; {_FRAMED[of['data.framing']]}",
        "Bands": f"{', '.join(facts.data.bands)}, in this order",
        "Values": f"{facts.data.dtype}, {_SCALED[of['data.scaling']]}; standardised: {standardized}",
        "Output": f"a score for each of {len(facts.data.classes)} classes in every pixel",
    }


def describe_data(facts: CardFacts) -> dict[str, str]:
    """Where the data come from, and what may be done with them."""
    of, data = facts.settings, facts.data
    is_drawn = of["data.kind"] == "synthetic"
    unstated = "that of this program, which draws the scenes (MIT)" if is_drawn else "not stated: set data.licence"
    ground = f"about {word_range(data.pixel_sides)} m" if data.pixel_sides else "of unknown size"
    found = {
        "Source": data.source,
        "Licence": of["data.licence"] or unstated,
        "Cite as": of["data.citation"],
        "Pixels": f"{ground} on the ground",
        "Dates": " to ".join(dict.fromkeys(data.dates)),
        "Split": facts.split,
        "Fingerprint": data.fingerprint,
    }
    return {name: value for name, value in found.items() if value}


def word_range(ends: list[float]) -> str:
    """Two numbers, or one where they are shown alike."""
    return " to ".join(dict.fromkeys(f"{end:.3g}" for end in ends))


def describe_training(facts: CardFacts) -> dict[str, str]:
    """How the weights were found."""
    of, totals = facts.settings, facts.totals
    weighting = "" if of["loss.weighting"] == "none" else f", classes weighted ({of['loss.weighting']})"
    changes = [f"{name} {of[f'augment.{name}']:g}" for name in _CHANGES if of[f"augment.{name}"]]
    changes += [name for name in _FLIPS if of[f"augment.{name}"]]
    return {
        "Loss": of["loss.name"] + weighting,
        "Optimizer": f"{of['optimizer.name']}, learning rate up to {of['schedule.max_rate']:g}",
        "Batch": str(of["training.batch"]),
        "Epochs": f"{totals['stopping_epoch']:.0f} of at most {of['training.epochs']}; the weights are those of epoch "
        f"{totals['best_epoch']:.0f}, which had the lowest validation loss",
        "Augmentation": f"{of['augment.mode']}, copies {of['augment.copies']}: {', '.join(changes) or 'no change'}",
        "Seed": str(of["seed"]),
        "Time": clock(totals["seconds"]),
    }


def train_command(facts: CardFacts) -> str:
    """What makes the same run of the same data in the same place, wherever its results go."""
    own = {name: value for name, value in sorted(facts.settings.items()) if not name.startswith(_ELSEWHERE)}
    return shlex.join(["python", "-m", "gym.train", *to_overrides(own)])
