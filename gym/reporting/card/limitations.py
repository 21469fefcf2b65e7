"""The warnings and limitations of a card: what its scores hide, as far as its contents tell."""

from collections.abc import Iterator

from gym.config.registries import SCORES
from gym.core.text import pluralize
from gym.data.split import ONE_SITE
from gym.data.units import count_units, name_units
from gym.evaluation.bootstrap import COVERAGE_OF_FEW_UNITS, FEW_UNITS
from gym.reporting.card.contents import CardContents, SideScores

FEW_STEPS = 500  # fewer leave the moving averages of batch normalisation behind the weights
_RARE = 0.01  # of the labelled training pixels
_MOST_NAMED = 8


def find_warnings(contents: CardContents) -> list[str]:
    """Return the reasons why the scores are misleading, in sentences for the top of the card."""
    warnings = []
    if contents.is_leaky:
        warnings.append(
            "This split leaks: as in the paper's program, copies of one scene are on the training and the validation "
            "side. The validation scores say nothing about other scenes and cannot be compared with those of other "
            "splits."
        )
    if contents.data.alike:
        warnings.append(
            f"{pluralize(contents.data.alike, 'near-duplicate')} on different sides of the split "
            "(near_duplicates.json): if the images show the same scene, the scores are too optimistic."
        )
    if absent := [one.name for one in contents.data.classes if not one.pixels["training"]]:
        warnings.append(f"The model has never seen {_name_some(absent)}: there are no such training pixels.")
    return warnings


def find_limitations(contents: CardContents) -> list[str]:
    """Return what the scores do not show, in sentences."""
    return [*_data_limitations(contents), *_score_limitations(contents), *_training_limitations(contents)]


def _data_limitations(contents: CardContents) -> Iterator[str]:
    training = next(side for side in contents.data.sides if side.name == "training")
    scenes = pluralize(training.scenes, "labelled scene")
    yield f"It was trained on {scenes}; expect errors on anything that does not occur in them."
    if list(training.sites) == [ONE_SITE]:
        yield "The sites of the scenes are unknown, so its performance at new sites is unknown, too."
    elif all(set(side.sites) <= set(training.sites) for side in contents.data.sides):
        yield (
            f"All scenes come from the training sites ({pluralize(len(training.sites), 'site')}); expect lower scores "
            "elsewhere. To measure them, train with split=leave_one_site_out."
        )
    total = max(1, sum(one.pixels["training"] for one in contents.data.classes))
    if rare := [one.name for one in contents.data.classes if 0 < one.pixels["training"] < _RARE * total]:
        yield f"It has seen little of {_name_some(rare)}: less than {_RARE:.0%} of the labelled training pixels each."
    if contents.data.left_out:
        yield f"Files or scenes left out because they could not be used: {contents.data.left_out} (left_out.json)."
    yield "The labels are assumed to be correct; the agreement between annotators has not been measured."


def _score_limitations(contents: CardContents) -> Iterator[str]:
    kinds = " and ".join(dict.fromkeys(name_units(side.unit_kind) for side in contents.scores))
    yield (
        f"The intervals measure the choice of {kinds}, not the randomness of training: this model was trained with one "
        f"seed ({contents.settings.get('seed')}). Train with several seeds to see how much scores vary."
    )
    if null_class := contents.settings.get("data.null_class"):
        yield (
            f"The scores include the class {null_class} of padding and pixels without data, which is easy to predict; "
            "compare them only with scores of models that have such a class."
        )
    test = "the test scores are not affected" if len(contents.scores) > 1 else "there is no test side"
    if contents.selection:
        yield f"{contents.selection.removesuffix('.')}; {test}."
    if not contents.is_leaky:
        yield f"The validation images selected the best epoch, so their scores are slightly optimistic; {test}."
    for side in contents.scores:
        yield from _side_limitations(side)
    if any(1 < side.units < FEW_UNITS for side in contents.scores):
        yield COVERAGE_OF_FEW_UNITS
    scores = contents.validation.classes
    if absent := [name for name, of in scores.items() if of[SCORES.default][0] is None]:
        yield f"{_name_some(absent)}: absent from truth and prediction of the validation side, hence without a score."


def _side_limitations(side: SideScores) -> Iterator[str]:
    if side.units == 1:
        yield f"All {side.side} images come from one {name_units(side.unit_kind, 1)}, so there are no intervals."
    elif side.units < FEW_UNITS:
        yield f"Intervals over {count_units(side.units, side.unit_kind, side.side)} tend to be too narrow."
    defined = {
        site: [score for score in scores.values() if score[0] is not None] for site, scores in side.sites.items()
    }
    alone = [site for site, scores in defined.items() if scores and all(low is None for _, low, _ in scores)]
    if side.units > 1 and alone and side.unit_kind == "site":
        yield f"The {side.side} intervals redraw whole sites, so the scores of a single site have none."
    elif side.units > 1 and alone:
        yield f"Sites with one {side.side} {name_units(side.unit_kind, 1)} have no interval: {_name_some(alone)}."


def _training_limitations(contents: CardContents) -> Iterator[str]:
    if contents.totals.get("best_epoch") == contents.settings.get("training.epochs"):
        yield "The last epoch was the best, so longer training may improve the model."
    if (steps := contents.totals.get("training_steps", FEW_STEPS)) < FEW_STEPS:
        yield f"It was trained for only {pluralize(int(steps), 'step')}; batch normalisation needs several hundred."
    yield (
        "The program does not check the imagery for people, private property or protected places; check it before you "
        "share the model or its pictures."
    )


def _name_some(names: list[str]) -> str:
    """List up to eight names, and count the others."""
    shown = ", ".join(names[:_MOST_NAMED])
    return shown if len(names) <= _MOST_NAMED else f"{shown} and {len(names) - _MOST_NAMED} more"
