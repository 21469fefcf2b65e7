"""What a report shows of the data: sites, and two models on images that both were validated on."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from gym.app.report import FinishedRun, augmentation_of, choose_shown, sites_of
from gym.config.schema import AugmentConfig
from gym.core.errors import DataError
from tests.reporting.test_run_table import made_run


def logged(data="d" * 64, kind="synthetic"):
    """The record of a run that was trained on some data."""
    return SimpleNamespace(
        data=SimpleNamespace(params={"data.kind": kind}, tags={"data_fingerprint": data}),
        info=SimpleNamespace(run_name="unet cce f4"),
    )


def finished(model, iou, data="d" * 64, images=None):
    """A finished run."""
    weights = f"{model} {iou}"
    return FinishedRun(replace(made_run(model=model, iou=iou, images=images), weights_sha256=weights), logged(data))


def test_the_sites_of_images_are_those_of_the_dataset(tiny_dataset):
    """Of copies those of their pairs; images that it does not have are left out."""
    assert sites_of(tiny_dataset, ["pair3", "pair2 copy 1", "gone"]) == {"pair3": "site1", "pair2 copy 1": "site0"}


def test_the_best_of_both_architectures_are_shown():
    """On the images that the rules choose."""
    runs = [finished("unet", 0.6), finished("unet", 0.7), finished("resunet", 0.8)]
    shown = choose_shown(runs)

    assert shown.runs == [runs[1], runs[2]]
    assert [image.name for image in shown.images] == ["scene1", "scene0"]


@pytest.mark.parametrize("other", [{"data": "e" * 64}, {"images": ["a", "b"]}])
def test_models_without_an_image_in_common_are_not_set_beside_each_other(other):
    """The better one is shown alone: where data differ, images of one name may too."""
    runs = [finished("unet", 0.9), finished("resunet", 0.8, **other)]

    assert choose_shown(runs).runs == runs[:1]


def test_without_anything_to_choose_from_it_says_why():
    """No score, or no image."""
    with pytest.raises(DataError, match=r"^no run with a model has a mean IoU\.$"):
        choose_shown([finished("unet", None)])
    nothing = replace(made_run(), images=[], scenes=[], matrices=made_run().matrices[:0])
    with pytest.raises(DataError, match=r"^what the runs came to on each scene is gone\.$"):
        choose_shown([FinishedRun(nothing, logged())])


def test_copies_are_changed_as_in_training():
    """What the settings say of augmentation, but for what this version does not know."""
    settings = {"augment.rotation": 5.0, "augment.mode": "offline", "augment.of_old": 1, "model.filters": 4}

    assert augmentation_of(settings) == AugmentConfig(mode="offline", rotation=5.0)
