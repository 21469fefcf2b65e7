"""What a reader of a card must not overlook, and what its scores do not say: only what the facts support."""

from collections.abc import Iterator

from gym.bootstrap import FEW_SCENES
from gym.card.facts import CardFacts, SideScores
from gym.console import counted
from gym.data.grouping import ONE_SITE

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
            f"{counted(facts.data.alike, 'pair')} of images that stand on two sides of the split look alike "
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
    yield f"It has learnt from {counted(training.scenes, 'labelled scene')}; of what they do not show it knows nothing."
    if list(training.sites) == [ONE_SITE]:
        yield "The sites of the scenes are not told apart, so nothing is known of how it does at a site it never saw."
    elif not unseen_sites(facts):
        yield (
            f"It was judged where it was trained ({counted(len(training.sites), 'site')}); at other sites expect less: "
            "split=leave_one_site_out tells how much less."
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
    if absent := [name for name, scores in validation.classes.items() if scores["iou"][0] is None]:
        yield f"Neither truth nor prediction on validation has {name_some(absent)}: no score says how it does there."


def limits_of_side(side: SideScores) -> Iterator[str]:
    """Where a side has too few scenes."""
    if side.scenes == 1:
        yield f"All {side.side} images are of one scene: there are no intervals."
    elif side.scenes < FEW_SCENES:
        yield f"Intervals from {side.scenes} {side.side} scenes tend to be too narrow."
    shares = {site: scores["overall_accuracy"] for site, scores in side.sites.items()}  # a site with pixels has one
    alone = [site for site, (right, low, _) in shares.items() if right is not None and low is None]
    if side.scenes > 1 and alone:
        yield f"No interval where a site has one {side.side} scene: {name_some(alone)}."


def limits_of_training(facts: CardFacts) -> Iterator[str]:
    """What the configuration rules out."""
    if facts.totals.get("best_epoch") == facts.settings.get("training.epochs"):
        yield "The last epoch was the best: longer training may still do better."
    if (steps := facts.totals.get("training_steps", FEW_STEPS)) < FEW_STEPS:
        yield f"It was trained for only {counted(int(steps), 'step')}: batch normalisation wants some hundred."
    yield (
        "The program does not look for people, private property or protected places in the imagery; whoever hands on "
        "the model or its pictures must."
    )


def name_some(names: list[str]) -> str:
    """Name some things, and count the others."""
    shown = ", ".join(names[:_MOST_NAMED])
    return shown if len(names) <= _MOST_NAMED else f"{shown} and {len(names) - _MOST_NAMED} more"
