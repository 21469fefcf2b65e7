"""The dataset that a run was trained on is the one that holds what it has logged, whatever its folder is called."""

from types import SimpleNamespace

import pytest

from gym.core.errors import DataError
from gym.data.build import open_or_build_dataset
from gym.runs.mlflow_read import find_run_dataset
from tests.data.imagery import write_folder


def trained_on(dataset, kind="folder"):
    """The record of a run that was trained on a dataset."""
    return SimpleNamespace(
        data=SimpleNamespace(params={"data.kind": kind}, tags={"data_fingerprint": dataset.manifest.fingerprint}),
        info=SimpleNamespace(run_name="unet cce f4"),
    )


@pytest.fixture
def built(tmp_path):
    """Two stores: of three scenes, and of three others of which one could not be prepared."""
    whole, broken = write_folder(tmp_path / "whole"), write_folder(tmp_path / "broken", ("d", "e", "f"))
    (tmp_path / "broken" / "labels" / "e.png").write_bytes(b"broken")
    return [open_or_build_dataset(source.config, tmp_path) for source in (whole, broken)]


def test_a_dataset_is_found_by_what_it_holds(built, tmp_path):
    """Also where one scene could not be prepared: the folder is then named by another fingerprint."""
    whole, broken = built
    assert whole.folder.name == f"folder-{whole.manifest.fingerprint[:16]}"
    assert broken.folder.name != f"folder-{broken.manifest.fingerprint[:16]}"
    assert list(broken.manifest.left_out) == ["e"]

    for dataset in built:
        assert find_run_dataset(tmp_path, trained_on(dataset)).folder == dataset.folder


def test_a_dataset_made_anew_with_less_in_it_is_another_one(built, tmp_path):
    """It stands in the place of the one that the run was trained on, and is not taken for it."""
    whole, broken = built
    run = trained_on(whole)
    (broken.folder / "manifest.json").replace(whole.folder / "manifest.json")
    for name in ("images.npy", "labels.npy"):
        (broken.folder / name).replace(whole.folder / name)

    with pytest.raises(DataError, match=r"^the data of unet cce f4 are gone: no dataset in .*/stores has what it was"):
        find_run_dataset(tmp_path, run)


def test_a_dataset_of_another_kind_is_another_one(built, tmp_path):
    """Two readers may make different things of the same files."""
    with pytest.raises(DataError, match="are gone"):
        find_run_dataset(tmp_path, trained_on(built[0], "doodler"))


def test_a_damaged_dataset_is_named_and_stands_in_no_other_way(built, tmp_path):
    """It is said of the run's own; one that has nothing to do with the run is passed over."""
    whole, broken = built
    (whole.folder / "manifest.json").write_text("{")

    with pytest.raises(DataError, match="is not a readable dataset"):
        find_run_dataset(tmp_path, trained_on(whole))
    assert find_run_dataset(tmp_path, trained_on(broken)).folder == broken.folder
