"""The dataset of a run is found by its content, whatever the name of its folder."""

from types import SimpleNamespace

import pytest

from gym.core.errors import DataError
from gym.data.build import open_or_build_dataset
from gym.runs.mlflow_read import find_run_dataset
from tests.data.imagery import write_folder


def trained_on(dataset, kind="folder"):
    """A logged run that was trained on a dataset."""
    return SimpleNamespace(
        data=SimpleNamespace(params={"data.kind": kind}, tags={"data_fingerprint": dataset.manifest.fingerprint}),
        info=SimpleNamespace(run_name="unet cce f4"),
    )


@pytest.fixture
def built(tmp_path):
    """Two datasets: one of three scenes, and one of three others, of which one could not be prepared."""
    whole, broken = write_folder(tmp_path / "whole"), write_folder(tmp_path / "broken", ("d", "e", "f"))
    (tmp_path / "broken" / "labels" / "e.png").write_bytes(b"broken")
    return [open_or_build_dataset(source.config, tmp_path) for source in (whole, broken)]


def test_a_dataset_is_found_by_its_content(built, tmp_path):
    """If a scene could not be prepared, the folder is named after a different fingerprint."""
    whole, broken = built
    assert whole.folder.name == f"folder-{whole.manifest.fingerprint[:16]}"
    assert broken.folder.name != f"folder-{broken.manifest.fingerprint[:16]}"
    assert list(broken.manifest.left_out) == ["e"]

    for dataset in built:
        assert find_run_dataset(tmp_path, trained_on(dataset)).folder == dataset.folder


def test_a_rebuilt_dataset_with_other_content_is_not_used(built, tmp_path):
    """It has the folder of the dataset that the run was trained on, but not its fingerprint."""
    whole, broken = built
    run = trained_on(whole)
    (broken.folder / "manifest.json").replace(whole.folder / "manifest.json")
    for name in ("images.npy", "labels.npy"):
        (broken.folder / name).replace(whole.folder / name)

    remedy = r"build it again from the same data, or train the run again\.$"
    with pytest.raises(DataError, match=rf"^the dataset of unet cce f4 is missing from .*/stores; {remedy}"):
        find_run_dataset(tmp_path, run)


def test_a_dataset_of_another_reader_is_not_used(built, tmp_path):
    """Two readers may read the same files differently."""
    with pytest.raises(DataError, match="is missing from"):
        find_run_dataset(tmp_path, trained_on(built[0], "doodler"))


def test_a_damaged_dataset_is_reported_only_for_its_own_run(built, tmp_path):
    """Another run ignores it."""
    whole, broken = built
    (whole.folder / "manifest.json").write_text("{")

    with pytest.raises(DataError, match="is not a readable dataset"):
        find_run_dataset(tmp_path, trained_on(whole))
    assert find_run_dataset(tmp_path, trained_on(broken)).folder == broken.folder
