"""Hydra's errors become one line with the value, the rule and the remedy."""

import pytest
from hydra.errors import MissingConfigException

from gym.app.explain import explain
from gym.config.schema import Config
from tests.app.commands import run_lightly

REFUSED = {
    "filters=0": "filters=0 is not an option; filters must be one of 2, 4, 6, 8, 12, or set any other width with "
    "model.filters=N (at least 1).",
    "loss=mse": "loss=mse is not an option; loss must be one of cce, dice, hinge, kld.",
    "+foo=1": "foo: unknown key; see --help for the keys.",
    "foo=1": "foo: unknown key; see --help for the keys.",
    "modle=unet": "modle: unknown key; did you mean model=unet?",
    "model.filtres=3": "model.filtres: unknown key; did you mean model.filters=3?",
    "model.filters=many": "model.filters=many: Value 'many' of type 'str' could not be converted to Integer",
    "model.filters=0": "model.filters=0 must be at least 1.",
    "training.epochs=1.5": "training.epochs=1.5: Value '1.5' of type 'float' could not be converted to Integer",
    "data.size=100": "data.size=100 must be a multiple of 16, at least 16; try 96.",
    "data.split.validation=0.3": "data.split.validation: unknown key; did you mean split.validation=0.3?",
    "split.validation=1.5": "split.validation=1.5 must be above 0 and below 1.",
    "split.folds=3": "split.folds=3 is used only with split.method=kfold, not with random; leave it out",
    "split=x": "split=x is not an option; split must be one of given, kfold, leave_one_site_out, paper, random.",
    "split=paper": "split.method=paper splits augmented copies; add augment=paper, or set augment.mode=offline.",
    "data=folder": "data.images is missing; data.kind=folder needs it",
    "data=coast_train": "data.archives is missing; data.kind=doodler needs it, as in data.archives=[path/to",
    "data.indices=[NDXI]": "data.indices: 'NDXI' must be one of NDVI, NDWI, MNDWI, NDMI, NDTI, or name=expression",
    "data.indices=[x=(green)]": "data.indices=[x=(green)] is not an override of the form key=value; put quotes around",
    "+data=synthetic": "+data: this group is already chosen; leave out the +.",
    "+seed=3": "+seed: this key already exists; leave out the +.",
    "experiment=x": "experiment is not in the defaults; add it with +experiment=...",
    "+experiment=learning_curve": "experiment=learning_curve has been renamed; use +experiment=label_curve.",
    "loss cce": "loss cce is not an override of the form key=value; put quotes around a value with spaces, commas, ",
    "loss=cce,dice": "loss has several values; type -m loss=cce,dice to sweep over them, or choose one.",
    "loss=[cce,dice]": "loss=[cce,dice] must be a single option; to sweep over several, type -m loss=cce,dice.",
    "hydra/launcher=5": "Config group override must be a string or a list. Got int; put quotes around a number, as in",
    "=5": "Config group override must be a string or a list. Got int; put quotes around a number",
    "loss=glob(*)": "loss has several values; type -m loss=cce,dice,hinge,kld to sweep over them",
    "filters=3": "filters=3 is not an option; filters must be one of 2, 4, 6, 8, 12, or set any other width with "
    "model.filters=3.",
    "filters=3,4": "filters has several values; type -m model.filters=3,4 to sweep over them, or choose one.",
    "filters=[3,4]": "filters=[3,4] must be a single option; to sweep over several, type -m model.filters=3,4.",
    "lr=0.1": "lr: unknown key; did you mean schedule.max_rate=0.1?",
    "lr=": "lr: unknown key; did you mean schedule.max_rate=...?",
    "num_classes=4": "num_classes: unknown key; did you mean data.classes=...?",
    "device=gpu": "device: unknown key; a GPU is used if TensorFlow finds one; choose it with ",
    "hydra.foo=1": "hydra.foo: unknown key of Hydra; see --hydra-help.",
    "model=null": "model=null is not an option; model must be one of resunet, simple_resunet, simple_unet, unet.",
}


@pytest.mark.parametrize(("override", "message"), REFUSED.items())
def test_a_mistake_is_explained_in_one_line(override, message):
    """The line goes to standard error, the exit code is 1, and no large library is imported."""
    code, out, err = run_lightly("train", override)

    assert (code, out) == (1, "")
    assert err.startswith(f"error: {message}")
    assert len(err.splitlines()) == 1


def test_a_missing_configuration_file_is_named():
    """Only ``--config-name`` can cause this error."""
    error = MissingConfigException("not found", missing_cfg_file="missing", options=[])

    assert explain(error, Config) == "missing is not a configuration file; see --help."


def test_other_messages_are_joined_into_one_line():
    """Some messages of Hydra have several lines."""
    assert explain(ValueError("first\n  second"), Config) == "first second"
