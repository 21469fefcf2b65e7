"""Figure 3 compares two models on images that both were validated on."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from gym.app.report_examples import FinishedRun, choose_examples, image_sites, parse_augmentation
from gym.config.schema import AugmentConfig
from gym.core.errors import DataError
from tests.reporting.test_run_table import made_run


def logged(data="d" * 64, kind="synthetic"):
    """Return the MLflow record of a run that was trained on some data."""
    return SimpleNamespace(
        data=SimpleNamespace(params={"data.kind": kind}, tags={"data_fingerprint": data}),
        info=SimpleNamespace(run_name="unet cce f4"),
    )


def finished(model, iou, data="d" * 64, images=None):
    """Return a finished run."""
    weights = f"{model} {iou}"
    return FinishedRun(replace(made_run(model=model, iou=iou, images=images), weights_sha256=weights), logged(data))


def test_images_have_the_sites_of_the_dataset(tiny_dataset):
    """A copy has the site of its pair; unknown images are omitted."""
    assert image_sites(tiny_dataset, ["pair3", "pair2 copy 1", "gone"]) == {"pair3": "site1", "pair2 copy 1": "site0"}


def test_the_best_run_of_each_architecture_is_shown():
    """The images are those that the rules choose."""
    runs = [finished("unet", 0.6), finished("unet", 0.7), finished("resunet", 0.8)]
    shown, images = choose_examples(runs)

    assert shown == [runs[1], runs[2]]
    assert [image.name for image in images] == ["scene1", "scene0"]


@pytest.mark.parametrize("other", [{"data": "e" * 64}, {"images": ["a", "b"]}])
def test_models_without_common_images_are_not_compared(other):
    """Only the better one is shown: images of different datasets may have the same name."""
    runs = [finished("unet", 0.9), finished("resunet", 0.8, **other)]

    assert choose_examples(runs)[0] == runs[:1]


def test_a_missing_score_or_image_is_explained():
    """There is nothing to choose from."""
    with pytest.raises(DataError, match=r"^no run with a model has a mean IoU\.$"):
        choose_examples([finished("unet", None)])
    nothing = replace(made_run(), images=[], scenes=[], matrices=made_run().matrices[:0])
    with pytest.raises(DataError, match=r"^the runs have no confusion matrices of single images\.$"):
        choose_examples([FinishedRun(nothing, logged())])


def test_the_augmentation_of_a_run_is_parsed_from_its_settings():
    """Settings of an earlier version are ignored."""
    settings = {"augment.rotation": 5.0, "augment.mode": "offline", "augment.of_old": 1, "model.filters": 4}

    assert parse_augmentation(settings) == AugmentConfig(mode="offline", rotation=5.0)
