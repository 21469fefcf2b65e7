"""Tests of splitting a dataset: each method, the units kept together, leaks, and the numbering of samples."""

import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gym.config.schema import AugmentConfig, SplitConfig
from gym.core.errors import DataError
from gym.data.build import open_or_build_dataset
from gym.data.labels import IGNORE
from gym.data.readers.synthetic import draw_scene
from gym.data.samples import (
    check_labels,
    count_classes_by_side,
    find_near_duplicates,
    find_samples,
    find_unit,
    join_units,
    list_sample_names,
    pair_of_sample,
    pair_positions,
    sample_name,
    split_dataset,
    training_samples,
)
from gym.data.split import Split, split_paper
from tests.conftest import make_scenes, make_tiny_dataset
from tests.data.imagery import draw_image, draw_label, make_config, save_image

ONLINE = AugmentConfig()
OFFLINE = AugmentConfig(mode="offline", copies=3)
SITES, DATES = ("cape", "duck", "sand"), ("20200101", "20200203", "20210304")


@pytest.fixture(scope="module")
def coasts(tmp_path_factory):
    """Eighteen pairs of three sites on three dates, two crops of each scene; a table adds the tide of each date."""
    root = tmp_path_factory.mktemp("coasts")
    names = [f"{site}_{date}_{crop}" for site in SITES for date in DATES for crop in (0, 1)]
    for seed, name in enumerate(names):
        save_image(root / "images" / f"{name}.png", draw_image(seed))
        save_image(root / "labels" / f"{name}.png", draw_label(seed))
    tides = dict(zip(DATES, ("low", "high", "low"), strict=True))
    rows = [f"{name},{tides[name.split('_')[1]]}\n" for name in names]
    (root / "table.csv").write_text("name,tide\n" + "".join(rows))
    config = make_config(
        "folder",
        images=[str(root / "images")],
        labels=str(root / "labels"),
        scene_pattern="^(.+)_[01]$",
        site_pattern="^([a-z]+)",
        date_pattern="_([0-9]{8})",
        table=str(root / "table.csv"),
    )
    return open_or_build_dataset(config, root)


def groups_on(dataset, positions, group):
    return {dataset.manifest.pairs[position].groups[group] for position in positions}


def assert_partition(dataset, split, group):
    """Each pair is on exactly one side, and no unit of the group is on two sides."""
    sides = [groups_on(dataset, positions, group) for positions in split]
    assert sum(map(len, sides)) == len(set.union(*sides))
    assert sorted([*split.training, *split.validation, *split.test]) == list(range(len(dataset)))


@pytest.mark.parametrize(("by", "units"), [("scene", 9), ("site", 3), ("date", 3), ("tide", 2)])
def test_a_random_split_keeps_units_together(coasts, by, units):
    """Units are scenes, sites, dates, or the values of a table's column."""
    split = split_dataset(coasts, SplitConfig(by=by, validation=0.4), copies=1)

    assert_partition(coasts, split, by)
    assert len(groups_on(coasts, split.validation, by)) == max(1, round(0.4 * units))
    assert list(split.test) == []


def test_crops_of_one_scene_stay_on_one_side(coasts):
    """No seed separates them."""
    for seed in range(20):
        split = split_dataset(coasts, SplitConfig(validation=0.3, test=0.2, seed=seed), copies=1)
        assert_partition(coasts, split, "scene")


def test_the_test_side_is_drawn_before_validation(coasts):
    """A larger validation share does not change it."""
    first, second = (split_dataset(coasts, SplitConfig(validation=share, test=0.2), copies=1) for share in (0.2, 0.5))

    assert_partition(coasts, first, "scene")
    assert first.test == second.test
    assert len(groups_on(coasts, first.test, "scene")) == 2


def test_the_seed_draws_the_sides(coasts):
    """The same seed validates on the same scenes, another seed on others."""
    drawn = [tuple(split_dataset(coasts, SplitConfig(seed=seed), copies=1).validation) for seed in (0, 0, 1, 2, 3)]

    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 2


def test_folds_validate_each_pair_once(coasts):
    """Over three folds of sites, each site validates once and trains otherwise."""
    splits = [
        split_dataset(coasts, SplitConfig(method="kfold", by="site", folds=3, fold=fold), copies=1) for fold in range(3)
    ]

    assert sorted(position for split in splits for position in split.validation) == list(range(18))
    for split in splits:
        assert_partition(coasts, split, "site")
        assert len(groups_on(coasts, split.validation, "site")) == 1


def test_the_held_out_site_is_the_test_side(coasts):
    """The whole site tests, and a share of the scenes of the other two validates."""
    config = SplitConfig(method="leave_one_out", by="site", held_out="duck", validation=0.5)
    split = split_dataset(coasts, config, copies=1)

    assert groups_on(coasts, split.test, "site") == {"duck"}
    assert len(split.test) == 6
    assert_partition(coasts, split, "scene")
    assert len(groups_on(coasts, split.validation, "scene")) == 3


def test_an_unknown_site_cannot_be_held_out(coasts):
    """The error suggests the closest names."""
    config = SplitConfig(method="leave_one_out", by="site", held_out="dukc")
    with pytest.raises(DataError, match=r"split\.held_out=dukc must be one of 3 units; the closest are duck"):
        split_dataset(coasts, config, copies=1)


def test_a_given_split_may_name_pairs_or_scenes(coasts, tmp_path, caplog):
    """A scene includes all its pairs, the side none leaves pairs out, and an unknown name causes a warning."""
    lines = [f"{site}_{date},train" for site in SITES for date in DATES[:2]]
    lines += ["cape_20210304_0,val", "cape_20210304_1,VAL", "duck_20210304,test", "sand_20210304,none", "typo,val"]
    (tmp_path / "sides.csv").write_text("name,side\n" + "\n".join(lines))
    split = split_dataset(coasts, SplitConfig(method="given", sides=str(tmp_path / "sides.csv")), copies=1)

    assert groups_on(coasts, split.training, "date") == set(DATES[:2])
    assert groups_on(coasts, split.validation, "scene") == {"cape_20210304"}
    assert groups_on(coasts, split.test, "scene") == {"duck_20210304"}
    assert len(split.training) + len(split.validation) + len(split.test) == 16
    assert "split.sides lists 1 name not found in the dataset (first: typo)" in caplog.text


def test_a_given_split_that_divides_a_scene_is_rejected(coasts, tmp_path):
    """Crops of one scene on two sides leak."""
    lines = [
        f"{site}_{date}_{crop},{'train' if crop else 'val'}" for site in SITES for date in DATES for crop in (0, 1)
    ]
    (tmp_path / "sides.csv").write_text("name,side\n" + "\n".join(lines))

    with pytest.raises(
        DataError,
        match=r"cape_20200101_1 \(training\) and cape_20200101_0 \(validation\) show the same scene; put",
    ):
        split_dataset(coasts, SplitConfig(method="given", sides=str(tmp_path / "sides.csv")), copies=1)


def test_the_split_of_the_paper_warns_that_it_leaks(coasts, caplog):
    """It puts copies of the same pairs on both sides, so near-duplicates are not searched."""
    config = SplitConfig(method="paper", validation=0.6)
    split = split_dataset(coasts, config, OFFLINE.copies)

    assert split == split_paper(18, 3, 0.6)
    assert min(split.training + split.validation) >= 18
    assert set(pair_positions(split.training, 18)) & set(pair_positions(split.validation, 18))
    assert "split=paper leaks: validation sees copies of training scenes" in caplog.text
    assert find_near_duplicates(coasts, split, 64) == []


def test_an_unknown_group_is_rejected(coasts):
    """The error lists the known groups and says how to add one."""
    with pytest.raises(
        DataError,
        match=r"^split\.by=colour must be one of date, scene, site, tide, the groups of cape_20200101_0; "
        r"add a column colour to data\.table\.$",
    ):
        split_dataset(coasts, SplitConfig(by="colour"), copies=1)


def test_an_unknown_date_is_rejected_with_two_remedies(tiny_dataset):
    """A pattern may find the date in the name, or a table may list it."""
    with pytest.raises(
        DataError,
        match=r"^split\.by=date must be one of scene, site, the groups of pair0; set data\.date_pattern, or add a "
        r"column date to data\.table\.$",
    ):
        split_dataset(tiny_dataset, SplitConfig(by="date"), copies=1)


def test_a_unit_is_the_requested_group_of_a_pair():
    """The scene and the site are both known; the site is requested."""
    assert find_unit({"scene": "a", "site": "b"}, "a", "site") == "b"


def test_a_single_site_cannot_be_split(tmp_path):
    """Without a pattern all pairs share one site; the error says what to check."""
    images, labels = tmp_path / "i", tmp_path / "l"
    for seed in range(3):
        save_image(images / f"{seed}.png", draw_image(seed))
        save_image(labels / f"{seed}.png", draw_label(seed))
    dataset = open_or_build_dataset(make_config("folder", images=[str(images)], labels=str(labels)), tmp_path)

    with pytest.raises(
        DataError,
        match=r"1 unit \(all\) cannot be split into training and validation, which need at least one unit each; check",
    ):
        split_dataset(dataset, SplitConfig(by="site"), copies=1)


def test_a_dataset_of_one_scene_can_be_built_but_not_split(tmp_path):
    """The error appears when it is split."""
    dataset = make_tiny_dataset(tmp_path / "s", make_scenes(1))

    with pytest.raises(DataError, match=r"1 unit \(scene0\) cannot be split into training and validation"):
        split_dataset(dataset, SplitConfig(), copies=1)


SPLITS = [
    SplitConfig(by="scene", test=0.2),
    SplitConfig(by="site", validation=0.3),
    SplitConfig(method="kfold", by="date", folds=3),
    SplitConfig(method="leave_one_out", by="site", held_out="duck"),
]


@pytest.mark.parametrize("config", SPLITS, ids=["scene", "site", "date", "held out"])
def test_a_training_share_does_not_change_the_other_sides(coasts, config):
    """Whole units are kept, the rest is on no side, and a larger share contains a smaller one."""
    whole = split_dataset(coasts, config, copies=1)
    group = "scene" if config.method == "leave_one_out" else config.by
    count = len(groups_on(coasts, whole.training, group))
    kept = set()
    for share in (0.1, 0.3, 0.5, 0.8, 1.0):
        split = split_dataset(coasts, replace(config, training_share=share), copies=1)
        assert (split.validation, split.test) == (whole.validation, whole.test)
        assert kept <= set(split.training) <= set(whole.training)
        assert len(groups_on(coasts, split.training, group)) == max(1, round(share * count))
        assert not groups_on(coasts, split.training, group) & groups_on(
            coasts, set(whole.training) - set(split.training), group
        )
        kept = set(split.training)
    assert split == whole


def test_a_training_share_of_a_given_split_keeps_scenes(coasts, tmp_path):
    """Two of six training scenes are kept, and the other sides do not change."""
    lines = [f"{site}_{date},{'val' if site == 'duck' else 'train'}" for site in SITES for date in DATES]
    (tmp_path / "sides.csv").write_text("name,side\n" + "\n".join(lines))
    config = SplitConfig(method="given", sides=str(tmp_path / "sides.csv"), training_share=0.3)
    split = split_dataset(coasts, config, copies=1)

    assert len(groups_on(coasts, split.training, "scene")) == 2
    assert len(split.training) == 4
    assert groups_on(coasts, split.validation, "site") == {"duck"}


def test_a_training_share_of_the_papers_split_keeps_scenes(coasts):
    """All training copies of a scene are kept or dropped together."""
    config = SplitConfig(method="paper", validation=0.6)
    whole, split = (
        split_dataset(coasts, replace(config, training_share=share), OFFLINE.copies) for share in (1.0, 0.5)
    )
    scenes = groups_on(coasts, pair_positions(split.training, 18), "scene")

    assert split.validation == whole.validation
    assert len(scenes) == round(0.5 * len(groups_on(coasts, pair_positions(whole.training, 18), "scene")))
    assert split.training == [sample for sample in whole.training if coasts.manifest.pairs[sample % 18].scene in scenes]


def test_scenes_that_share_an_image_stay_together_in_a_training_share(copied):
    """They are one unit; otherwise almost the same labels would count twice."""
    for seed in range(10):
        config = SplitConfig(validation=0.3, training_share=0.5, seed=seed)
        scenes = groups_on(copied, split_dataset(copied, config, copies=1).training, "scene")
        assert scenes == {"scene0", "scene3"} or (len(scenes) == 1 and not scenes & {"scene0", "scene3"})


def test_a_training_share_without_labels_is_rejected(tmp_path):
    """The whole training side has some labels, but the scenes kept have none."""
    (tmp_path / "sides.csv").write_text("name,side\nscene0,train\nscene1,train\nscene2,train\nscene3,val\n")
    third = SplitConfig(method="given", sides=str(tmp_path / "sides.csv"), training_share=0.3)
    scenes = make_scenes(8)
    kept = split_dataset(make_tiny_dataset(tmp_path / "labelled", scenes), third, copies=1).training
    for position in kept:
        scenes[f"pair{position}"].label.fill(IGNORE)
    dataset = make_tiny_dataset(tmp_path / "partly", scenes)

    assert len(kept) == 2
    assert len(split_dataset(dataset, replace(third, training_share=1.0), copies=1).training) == 6
    with pytest.raises(DataError, match=r"^the training scenes have no labelled pixels"):
        split_dataset(dataset, third, copies=1)


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """Eight pairs of four scenes; the second image of the last scene is the first image of the first scene."""
    scenes = make_scenes(8)
    scenes["pair7"] = scenes["pair7"]._replace(image=scenes["pair0"].image)
    return make_tiny_dataset(tmp_path_factory.mktemp("copied") / "s", scenes)


def test_the_same_image_under_two_names_is_a_leak(copied, tmp_path):
    """Identical images leak whatever their labels; the error names both."""
    (tmp_path / "sides.csv").write_text("name,side\nscene0,train\nscene1,train\nscene2,val\nscene3,val\n")
    config = SplitConfig(method="given", sides=str(tmp_path / "sides.csv"))

    with pytest.raises(DataError, match=r"^pair0 \(training\) and pair7 \(validation\) are the same image; give both"):
        split_dataset(copied, config, copies=1)


@pytest.mark.parametrize("method", ["random", "kfold"])
def test_scenes_that_share_an_image_are_drawn_together(copied, caplog, method):
    """No seed separates them, a warning names them, and each scene validates for some seeds."""
    validating = set()
    for seed in range(20):
        config = SplitConfig(method=method, validation=0.3, folds=3, fold=seed % 3, seed=seed)
        split = split_dataset(copied, config, copies=1)
        scenes = groups_on(copied, split.validation, "scene")
        assert ("scene0" in scenes) == ("scene3" in scenes)
        assert_partition(copied, split, "scene")
        validating |= scenes

    assert validating == {"scene0", "scene1", "scene2", "scene3"}
    assert "scene0 and scene3 contain the same image, so both stay on one side" in caplog.text


def test_units_that_share_images_indirectly_are_joined():
    """The first name wins, in any order, and units without shared images do not change."""
    units, images = ["d", "c", "c", "b", "b", "a", "e"], ["1", "1", "2", "2", "3", "4", "5"]

    assert join_units(units, images) == ["b", "b", "b", "b", "b", "a", "e"]
    assert join_units(units[::-1], images[::-1]) == ["e", "a", "b", "b", "b", "b", "b"]
    assert join_units(units, list("1234567")) == units


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("123456")), max_size=12))
def test_joined_units_are_the_connected_components(pairs):
    """Joining separates neither units nor images, and joins no more than necessary."""
    units, images = ([pair[part] for pair in pairs] for part in (0, 1))
    joined = join_units(units, images)

    for kind in (units, images):
        assert len(set(zip(kind, joined, strict=True))) == len(set(kind))
    rows = coo_array(
        (np.ones(len(pairs)), ([ord(unit) - 97 for unit in units], [int(image) + 5 for image in images])), (12, 12)
    )
    parts, _ = connected_components(rows, directed=False)
    assert len(set(joined)) == parts - (12 - len(set(units)) - len(set(images)))


def recompressed(image):
    """An image after JPEG compression of medium quality."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=60)
    return np.maximum(np.asarray(Image.open(buffer)), 1)


@pytest.fixture(scope="module")
def alike(tmp_path_factory):
    """Eight different scenes; the last image is a recompressed copy of the first."""
    scenes = make_scenes(8, 64, 64)
    for index, name in enumerate(scenes):
        drawn = draw_scene(3, index, 64, 64)
        bright = np.clip(drawn.image[..., :3] / 20, 1, 255).astype(np.uint8)
        scenes[name] = scenes[name]._replace(image=bright, label=np.where(drawn.label == IGNORE, 0, drawn.label % 3))
    scenes["pair7"] = scenes["pair7"]._replace(image=recompressed(scenes["pair0"].image))
    return make_tiny_dataset(tmp_path_factory.mktemp("alike") / "s", scenes, (64, 64))


def test_a_recompressed_copy_on_another_side_is_found(alike):
    """Its checksum differs, but its perceptual hash is close; on the same side it does not matter."""
    split = Split([0, 1, 2, 3], [4, 5], [6, 7])
    assert alike.manifest.pairs[0].image_sha256 != alike.manifest.pairs[7].image_sha256

    (found,) = find_near_duplicates(alike, split, SplitConfig().likeness)

    assert (found.first, found.second) == ("pair0", "pair7")
    assert 0 <= found.distance <= 4
    assert find_near_duplicates(alike, Split([0, 1, 7], [2, 3, 4], [5, 6]), SplitConfig().likeness) == []


def test_a_larger_distance_finds_at_least_as_many(alike):
    """Matches within 4 bits are within 16, too, and the nearest comes first."""
    split = Split([0, 1, 2, 3], [4, 5], [6, 7])
    near, far = (find_near_duplicates(alike, split, bits) for bits in (4, 16))

    assert set(near) <= set(far)
    assert far[0] == near[0]


def test_training_samples_are_repeated_pairs_or_numbered_copies():
    """Online, a pair appears once per copy; offline, each copy has its own number."""
    split = Split([1, 4], [0, 2], [3])

    assert training_samples(split, replace(ONLINE, copies=1), 5) == [1, 4]
    assert training_samples(split, replace(ONLINE, copies=2), 5) == [1, 4, 1, 4]
    assert training_samples(split, replace(OFFLINE, copies=2), 5) == [6, 9, 11, 14]
    copies = Split([7, 8, 9], [5, 6])
    assert training_samples(copies, replace(OFFLINE, copies=2), 5) == [7, 8, 9]


def test_no_copy_of_a_validation_pair_is_trained_on(coasts):
    """The split comes before augmentation, whereas the original program split the augmented files."""
    for seed in range(5):
        split = split_dataset(coasts, SplitConfig(seed=seed, test=0.2), OFFLINE.copies)
        trained = set(pair_positions(training_samples(split, OFFLINE, 18), 18))
        assert trained == set(split.training)
        assert not trained & {*split.validation, *split.test}


def test_samples_are_named_after_their_pairs(coasts):
    """The name of a copy ends with its number, counted from 1."""
    assert sample_name(coasts, 2) == "cape_20200203_0"
    assert sample_name(coasts, 18 + 2) == "cape_20200203_0 copy 1"
    assert sample_name(coasts, 3 * 18 + 17) == "sand_20210304_1 copy 3"
    assert pair_positions([2, 20, 71], 18) == [2, 2, 17]


@given(st.lists(st.integers(0, 5 * 18 - 1), max_size=9))
def test_samples_are_found_by_name(coasts, samples):
    """Pairs and copies are found, and unknown names are left out."""
    names = [sample_name(coasts, sample) for sample in samples]

    assert find_samples(coasts, [*names, "nowhere", "cape_20200203_0 copy x"]) == dict(zip(names, samples, strict=True))


def test_sample_names_are_listed_by_side(coasts):
    """Empty sides are listed, too, and copies have their own names."""
    assert list_sample_names(coasts, Split([0, 18], [1])) == {
        "training": ["cape_20200101_0", "cape_20200101_0 copy 1"],
        "validation": ["cape_20200101_1"],
        "test": [],
    }


def test_a_side_without_labelled_pixels_is_rejected(tmp_path):
    """The error names the side and a remedy, because nothing could be learnt or measured there."""
    scenes = make_scenes(4)
    for name in ("pair2", "pair3"):
        scenes[name].label.fill(IGNORE)
    dataset = make_tiny_dataset(tmp_path / "s", scenes)

    with pytest.raises(DataError, match=r"^the validation scenes have no labelled pixels; label more scenes, or ch"):
        check_labels(dataset, Split([0, 1], [2, 3]))
    with pytest.raises(DataError, match=r"^the training scenes have no labelled pixels"):
        check_labels(dataset, Split([6, 7], [4, 5]))
    check_labels(dataset, Split([0, 2], [1, 3]))


def test_a_dataset_of_one_class_is_used_with_a_warning(tmp_path, caplog):
    """Each class without pixels is named, in case the class names do not fit."""
    scenes = make_scenes(4)
    for scene in scenes.values():
        scene.label.fill(1)
    dataset = make_tiny_dataset(tmp_path / "s", scenes)

    split = split_dataset(dataset, SplitConfig(), copies=1)

    assert split.training
    assert "no scene has pixels of class low; check that data.classes fits the label values" in caplog.text
    assert "no scene has pixels of class high" in caplog.text
    assert "of class middle" not in caplog.text


def test_pixels_of_each_class_are_counted_by_side(coasts):
    """Counts are sums over the pairs, and a copy counts as its pair."""
    split = split_dataset(coasts, SplitConfig(test=0.2), copies=1)
    counts = count_classes_by_side(coasts, split)

    assert list(counts) == ["training", "validation", "test"]
    np.testing.assert_array_equal(sum(counts.values()), coasts.counts.sum(axis=0))
    np.testing.assert_array_equal(counts["validation"], coasts.counts[split.validation].sum(axis=0))
    copies = count_classes_by_side(coasts, Split([18, 36], [19]))
    np.testing.assert_array_equal(copies["training"], 2 * coasts.counts[0])


def test_identical_images_without_a_pattern_do_not_leak(tmp_path):
    """Two scenes may both have a tile of plain cloud, whereas identical patterns keep scenes together."""
    scenes = make_scenes()
    for name in ("pair0", "pair2"):
        scenes[name] = scenes[name]._replace(image=np.full((16, 32, 3), 9000, np.uint16))
    flat = make_tiny_dataset(tmp_path / "flat", scenes)
    for name in ("pair0", "pair2"):
        scenes[name] = scenes[name]._replace(image=scenes["pair1"].image)
    equal = make_tiny_dataset(tmp_path / "equal", scenes)
    config = SplitConfig(validation=0.4)

    assert split_dataset(flat, config, copies=1).validation == [2, 3]
    assert split_dataset(equal, config, copies=1).validation == [4, 5]


NAMES = st.lists(
    st.sampled_from(["shore", "shore copy 1", "shore copy 2", "shore copy 1 (augmented)", "shore copy 1 copy 1", "x"]),
    unique=True,
    min_size=1,
)


@given(names=NAMES, copies=st.integers(0, 3))
def test_a_copy_is_never_confused_with_a_pair_of_its_name(names, copies):
    """Every sample has a name of its own, by which it is found."""
    dataset = NamedPairs(names)
    samples = list(range(len(names) * (copies + 1)))

    listed = [sample_name(dataset, sample) for sample in samples]

    assert listed[: len(names)] == names
    assert len(set(listed)) == len(samples)
    assert find_samples(dataset, listed) == dict(zip(listed, samples, strict=True))
    assert [pair_of_sample(name, set(names)) for name in listed] == names * (copies + 1)


@pytest.mark.parametrize("name", ["shore copy 0", "shore copy 01", "shore copy ٣", "shore copy 1 (augmented)", "copy"])
def test_a_name_that_no_copy_has_is_not_found(name):
    """Only names as written are found."""
    assert find_samples(NamedPairs(["shore"]), [name, "shore copy " + 5000 * "9"]) == {}


class NamedPairs:
    """A dataset of which only the names of the pairs are known."""

    def __init__(self, names):
        self.manifest = SimpleNamespace(pairs=[SimpleNamespace(name=name) for name in names])
        self.positions = {name: position for position, name in enumerate(names)}

    def __len__(self):
        return len(self.positions)
