"""What a reader of a card must not overlook, and what its scores do not say: only what the facts support.

What a card says in words of the model, its data and its training.
"""

import shlex
from collections.abc import Iterator

from gym.config.overrides import to_overrides
from gym.config.registries import READERS, SCORES
from gym.core.text import format_duration, pluralize
from gym.data.split import ONE_SITE
from gym.evaluation.bootstrap import FEW_SCENES
from gym.reporting.card.contents import CardFacts, SideScores

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
    unstated = READERS.get(of["data.kind"]).licence or "not stated: set data.licence"
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
        "Time": format_duration(totals["seconds"]),
    }


def train_command(facts: CardFacts) -> str:
    """What makes the same run of the same data in the same place, wherever its results go."""
    own = {name: value for name, value in sorted(facts.settings.items()) if not name.startswith(_ELSEWHERE)}
    return shlex.join(["python", "-m", "gym.train", *to_overrides(own)])


FEW_STEPS = 500  # fewer leave the moving statistics of batch normalisation behind the weights
_RARE = 0.01  # of the labelled training pixels
_MOST_NAMED = 8


def list_warnings(facts: CardFacts) -> list[str]:
    """What makes the scores mean less than they seem to."""
    found = []
    if is_leaky(facts):
        found.append(
            "This split leaks: copies of one scene train and validate, as in the paper's program. The scores on "
            "validation say nothing of other scenes, and compare with those of no other split."
        )
    if facts.data.alike:
        found.append(
            f"{pluralize(facts.data.alike, 'pair')} of images that stand on two sides of the split look alike "
            "(near_duplicates.json): if they show the same, the scores flatter."
        )
    if absent := [one.name for one in facts.data.classes if not one.pixels["training"]]:
        found.append(f"The model never saw {name_some(absent)}: not one training pixel is of it.")
    return found


def is_leaky(facts: CardFacts) -> bool:
    """Whether copies of one scene train and validate."""
    return facts.settings.get("split.method") == "paper"


def list_limits(facts: CardFacts) -> list[str]:
    """What the scores do not say."""
    return [*limits_of_data(facts), *limits_of_scores(facts), *limits_of_training(facts)]


def limits_of_data(facts: CardFacts) -> Iterator[str]:
    """What the model has seen too little of, or nothing."""
    training = next(side for side in facts.data.sides if side.name == "training")
    scenes = pluralize(training.scenes, "labelled scene")
    yield f"It has learnt from {scenes}; of what they do not show it knows nothing."
    if list(training.sites) == [ONE_SITE]:
        yield "The sites of the scenes are not told apart, so nothing is known of how it does at a site it never saw."
    elif not unseen_sites(facts):
        yield (
            f"It was judged where it was trained ({pluralize(len(training.sites), 'site')}); at other sites expect "
            "less: split=leave_one_site_out tells how much less."
        )
    total = max(1, sum(one.pixels["training"] for one in facts.data.classes))
    if rare := [one.name for one in facts.data.classes if 0 < one.pixels["training"] < _RARE * total]:
        yield f"Of {name_some(rare)} it has seen little: below {_RARE:.0%} of the labelled training pixels each."
    if facts.data.left_out:
        yield f"Files or scenes that could not be used: {facts.data.left_out} (left_out.json)."
    yield "Labels are taken as true; how far two people would agree on them has not been measured here."


def unseen_sites(facts: CardFacts) -> list[str]:
    """Sites that validate or test and do not train."""
    sites = {side.name: set(side.sites) for side in facts.data.sides}
    return sorted(set().union(*sites.values()) - sites["training"])


def limits_of_scores(facts: CardFacts) -> Iterator[str]:
    """How far the scores carry."""
    yield (
        "An interval says how far a score hangs on the scenes it was measured on, not what training leaves to chance: "
        f"this is one seed ({facts.settings.get('seed')}); run several to see that."
    )
    validation = next(side for side in facts.scores if side.side == "validation")
    if not is_leaky(facts):
        tested = "; those of the test side did not" if len(facts.scores) > 1 else ", and no test side was kept"
        yield f"The validation images chose the epoch whose weights are kept, so their scores flatter a little{tested}."
    for side in facts.scores:
        yield from limits_of_side(side)
    if absent := [name for name, scores in validation.classes.items() if scores[SCORES.default][0] is None]:
        yield f"Neither truth nor prediction on validation has {name_some(absent)}: no score says how it does there."


def limits_of_side(side: SideScores) -> Iterator[str]:
    """Where a side has too few scenes."""
    if side.scenes == 1:
        yield f"All {side.side} images are of one scene: there are no intervals."
    elif side.scenes < FEW_SCENES:
        yield f"Intervals from {side.scenes} {side.side} scenes tend to be too narrow."
    defined = {
        site: [score for score in scores.values() if score[0] is not None] for site, scores in side.sites.items()
    }
    alone = [site for site, scores in defined.items() if scores and all(low is None for _, low, _ in scores)]
    if side.scenes > 1 and alone:
        yield f"No interval where a site has one {side.side} scene: {name_some(alone)}."


def limits_of_training(facts: CardFacts) -> Iterator[str]:
    """What the configuration rules out."""
    if facts.totals.get("best_epoch") == facts.settings.get("training.epochs"):
        yield "The last epoch was the best: longer training may still do better."
    if (steps := facts.totals.get("training_steps", FEW_STEPS)) < FEW_STEPS:
        yield f"It was trained for only {pluralize(int(steps), 'step')}: batch normalisation wants some hundred."
    yield (
        "The program does not look for people, private property or protected places in the imagery; whoever hands on "
        "the model or its pictures must."
    )


def name_some(names: list[str]) -> str:
    """Name some things, and count the others."""
    shown = ", ".join(names[:_MOST_NAMED])
    return shown if len(names) <= _MOST_NAMED else f"{shown} and {len(names) - _MOST_NAMED} more"
