"""A run is known by all that its result depends on, and by nothing else."""

from gym.data.build import plan_dataset
from gym.data.split import Split
from gym.runs.spec import fingerprinted_settings, run_fingerprint, validation_fingerprint


def of_folder(folder):
    return ["data=folder", f"data.images={folder}/images", f"data.labels={folder}/labels", "data.classes=[land,sea]"]


def test_names_and_places_are_no_part_of_a_runs_identity(configure, tmp_path):
    """Another name, folder, tracking server or place of the files is the same experiment; another seed is another."""
    base = fingerprinted_settings(configure())

    assert fingerprinted_settings(configure("name=x", "tracking.experiment=y", "outputs=elsewhere")) == base
    for place in ("a/images", "a/labels", "b/images", "b/labels"):
        (tmp_path / place).mkdir(parents=True)
    here, there = (fingerprinted_settings(configure(*of_folder(folder))) for folder in (tmp_path / "a", tmp_path / "b"))
    assert here == there
    for other in ("seed=1", "model.kernel=5", "data.standardize=band", "augment.mode=offline", "training.batch=2"):
        assert fingerprinted_settings(configure(other)) != base


def test_how_images_are_read_is_no_part_of_a_runs_identity(configure):
    """What becomes of them is the dataset's, whose fingerprint a run has besides."""
    base = fingerprinted_settings(configure())

    assert fingerprinted_settings(configure("data.workers=2", "data.strict=true", "data.size=64")) == base
    assert "data" not in base


def test_threads_and_the_wish_to_go_on_change_no_result(configure):
    """Nor does the place of a run in a sweep."""
    assert fingerprinted_settings(
        configure("training.threads=1", "training.tuned=false", "training.resume=false", "sweep.name=mine")
    ) == fingerprinted_settings(configure())


def test_data_and_sides_are_part_of_a_runs_fingerprint(configure, tiny_dataset):
    """Other scenes on a side make another run; what validates is told apart from what trains."""
    config, dataset = configure(), tiny_dataset
    base, fewer, other = Split([0, 1, 2], [3, 4, 5]), Split([0, 1], [3, 4, 5]), Split([0, 1, 3], [2, 4, 5])

    assert len({run_fingerprint(config, dataset, split) for split in (base, fewer, other)}) == 3
    assert validation_fingerprint(dataset, base) == validation_fingerprint(dataset, fewer)
    assert validation_fingerprint(dataset, base) != validation_fingerprint(dataset, other)


def test_what_is_said_of_the_data_for_people_is_no_part_of_what_they_are(configure, tmp_path):
    """With a licence or a citation, dataset and run are the ones they were."""
    said = ["data.licence=CC BY 4.0", "data.citation=Someone 2020"]
    bare, cited = configure(), configure(*said)
    plain, told = (plan_dataset(config.data, tmp_path / "stores", tmp_path) for config in (bare, cited))

    assert (cited.data.licence, cited.data.citation) == ("CC BY 4.0", "Someone 2020")
    assert plain.fingerprint() == told.fingerprint()
    assert fingerprinted_settings(bare) == fingerprinted_settings(cited)
