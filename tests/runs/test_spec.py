"""A run is identified by everything that its result depends on, and by nothing else."""

import pytest

from gym.config.overrides import to_dict
from gym.config.schema import DataConfig
from gym.data import build
from gym.data.build import plan_dataset
from gym.data.split import Split
from gym.runs.spec import (
    fingerprinted_settings,
    run_fingerprints,
    run_name,
    validation_fingerprint,
)


def fingerprinted(config):
    return fingerprinted_settings(to_dict(config))


def of_folder(folder):
    return ["data=folder", f"data.images={folder}/images", f"data.labels={folder}/labels", "data.classes=[land,sea]"]


def test_names_and_places_do_not_affect_the_fingerprint(configure, tmp_path):
    """Name, folder, tracking server and location of files do not matter; the seed and others do."""
    base = fingerprinted(configure())

    assert fingerprinted(configure("name=x", "tracking.experiment=y", "outputs=elsewhere")) == base
    for place in ("a/images", "a/labels", "b/images", "b/labels"):
        (tmp_path / place).mkdir(parents=True)
    here, there = (fingerprinted(configure(*of_folder(folder))) for folder in (tmp_path / "a", tmp_path / "b"))
    assert here == there
    for other in ("seed=1", "model.kernel=5", "data.standardize=band", "augment.mode=offline", "training.batch=2"):
        assert fingerprinted(configure(other)) != base


def test_data_settings_do_not_affect_the_fingerprinted_settings(configure):
    """The fingerprint of the dataset covers them."""
    base = fingerprinted(configure())

    assert fingerprinted(configure("data.workers=2", "data.strict=true", "data.size=64")) == base
    assert "data" not in base


def test_threads_and_resuming_do_not_affect_the_fingerprint(configure):
    """The sweep of a run does not matter either."""
    assert fingerprinted(
        configure("training.threads=1", "training.tuned=false", "training.resume=false", "sweep.name=mine")
    ) == fingerprinted(configure())


def test_clipping_affects_the_fingerprint_where_it_changes_something(configure):
    """Runs with it have the fingerprint of versions that knew nothing else; dice and hinge never clip."""
    for loss in ("cce", "kld", "dice", "hinge"):
        settings = to_dict(configure(f"loss={loss}"))
        old = settings | {"loss": {key: value for key, value in settings["loss"].items() if key != "clip"}}
        clips = loss in ("cce", "kld")

        assert (fingerprinted_settings(settings) == fingerprinted_settings(old)) == (not clips)
        if clips:
            assert fingerprinted(configure(f"loss={loss}", "loss.clip=true")) == fingerprinted_settings(old)


def test_the_sides_of_the_split_affect_the_fingerprint(configure, tiny_dataset):
    """Validation has a fingerprint of its own, which the training side does not affect."""
    config, dataset = configure(), tiny_dataset
    base, fewer, other = Split([0, 1, 2], [3, 4, 5]), Split([0, 1], [3, 4, 5]), Split([0, 1, 3], [2, 4, 5])

    assert len({run_fingerprints(to_dict(config), dataset, split) for split in (base, fewer, other)}) == 3
    assert validation_fingerprint(dataset, base) == validation_fingerprint(dataset, fewer)
    assert validation_fingerprint(dataset, base) != validation_fingerprint(dataset, other)


def test_licence_and_citation_do_not_affect_the_fingerprint(configure, tmp_path):
    """Dataset and run keep their fingerprints."""
    bare, cited = configure(), configure("data.licence=CC BY 4.0", "data.citation=Someone 2020")
    without, with_citation = (plan_dataset(config.data, tmp_path / "stores", tmp_path) for config in (bare, cited))

    assert (cited.data.licence, cited.data.citation) == ("CC BY 4.0", "Someone 2020")
    assert without.fingerprint() == with_citation.fingerprint()
    assert fingerprinted(bare) == fingerprinted(cited)


def test_a_run_is_named_after_its_model_by_default():
    """A name given by the user takes precedence."""
    assert run_name("", "unet", "dice", 12) == "unet dice f12"
    assert run_name("mine", "unet", "dice", 12) == "mine"


@pytest.mark.parametrize("key", ["token", "password", "api_key"])
def test_the_fingerprint_of_data_does_not_depend_on_a_token(key):
    """A token of a reader may be renewed; other options count."""
    given = {key: "old", "year": "2020"}
    old, new, other = (
        build._find_extension(DataConfig(options=given | change)) for change in ({}, {key: "new"}, {"year": "2021"})
    )

    assert old == new != other
