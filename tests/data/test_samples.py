"""The sides of a dataset: each method, what must not be parted, and what leaks."""

import io
from dataclasses import replace

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
    pair_positions,
    sample_name,
    split_dataset,
    training_samples,
)
from gym.data.split import Split, split_paper
from tests.conftest import make_scenes, make_tiny_dataset
from tests.data.imagery import configured, draw_image, draw_label, save_picture

ONLINE = AugmentConfig()
OFFLINE = AugmentConfig(mode="offline", copies=3)
SITES, DATES = ("cape", "duck", "sand"), ("20200101", "20200203", "20210304")


@pytest.fixture(scope="module")
def coasts(tmp_path_factory):
    """Eighteen pairs: three sites, on three dates each, two crops of each; a table adds the tide, one a date."""
    root = tmp_path_factory.mktemp("coasts")
    names = [f"{site}_{date}_{crop}" for site in SITES for date in DATES for crop in (0, 1)]
    for seed, name in enumerate(names):
        save_picture(root / "images" / f"{name}.png", draw_image(seed))
        save_picture(root / "labels" / f"{name}.png", draw_label(seed))
    tides = dict(zip(DATES, ("low", "high", "low"), strict=True))
    rows = [f"{name},{tides[name.split('_')[1]]}\n" for name in names]
    (root / "table.csv").write_text("name,tide\n" + "".join(rows))
    config = configured(
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


def assert_parted(dataset, split, group):
    """No unit of the group stands on two sides, and every pair stands on one."""
    sides = [groups_on(dataset, positions, group) for positions in split]
    assert sum(map(len, sides)) == len(set.union(*sides))
    assert sorted([*split.training, *split.validation, *split.test]) == list(range(len(dataset)))


@pytest.mark.parametrize(("by", "units"), [("scene", 9), ("site", 3), ("date", 3), ("tide", 2)])
def test_a_random_split_keeps_units_together(coasts, by, units):
    """Scenes, sites, dates, or whatever a table has a column of."""
    split = split_dataset(coasts, SplitConfig(by=by, validation=0.4), ONLINE)

    assert_parted(coasts, split, by)
    assert len(groups_on(coasts, split.validation, by)) == max(1, round(0.4 * units))
    assert list(split.test) == []


def test_crops_of_one_scene_are_never_parted(coasts):
    """Whatever the seed."""
    for seed in range(20):
        split = split_dataset(coasts, SplitConfig(validation=0.3, test=0.2, seed=seed), ONLINE)
        assert_parted(coasts, split, "scene")


def test_a_test_side_is_kept_aside(coasts):
    """Drawn first, so that more validation does not move it."""
    first, second = (split_dataset(coasts, SplitConfig(validation=share, test=0.2), ONLINE) for share in (0.2, 0.5))

    assert_parted(coasts, first, "scene")
    assert first.test == second.test
    assert len(groups_on(coasts, first.test, "scene")) == 2


def test_the_seed_draws_the_sides(coasts):
    """Another seed validates on other scenes, the same on the same."""
    drawn = [tuple(split_dataset(coasts, SplitConfig(seed=seed), ONLINE).validation) for seed in (0, 0, 1, 2, 3)]

    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 2


def test_folds_validate_each_pair_once(coasts):
    """Over three folds of sites: each site validates in one, and training is the others."""
    splits = [
        split_dataset(coasts, SplitConfig(method="kfold", by="site", folds=3, fold=fold), ONLINE) for fold in range(3)
    ]

    assert sorted(position for split in splits for position in split.validation) == list(range(18))
    for split in splits:
        assert_parted(coasts, split, "site")
        assert len(groups_on(coasts, split.validation, "site")) == 1


def test_the_held_out_site_is_the_test_side(coasts):
    """All of it; the share of the scenes of the other two validates."""
    config = SplitConfig(method="leave_one_out", by="site", held_out="duck", validation=0.5)
    split = split_dataset(coasts, config, ONLINE)

    assert groups_on(coasts, split.test, "site") == {"duck"}
    assert len(split.test) == 6
    assert_parted(coasts, split, "scene")
    assert len(groups_on(coasts, split.validation, "scene")) == 3


def test_a_site_that_is_not_there_cannot_be_held_out(coasts):
    """With the nearest ones."""
    config = SplitConfig(method="leave_one_out", by="site", held_out="dukc")
    with pytest.raises(DataError, match=r"split\.held_out=dukc must be one of 3 units; the nearest are duck"):
        split_dataset(coasts, config, ONLINE)


def test_a_given_split_names_pairs_or_scenes(coasts, tmp_path, caplog):
    """A line for a scene goes for its pairs, `none` leaves out, and a name that fits nothing is announced."""
    lines = [f"{site}_{date},train" for site in SITES for date in DATES[:2]]
    lines += ["cape_20210304_0,val", "cape_20210304_1,VAL", "duck_20210304,test", "sand_20210304,none", "typo,val"]
    (tmp_path / "sides.csv").write_text("name,side\n" + "\n".join(lines))
    split = split_dataset(coasts, SplitConfig(method="given", sides=str(tmp_path / "sides.csv")), ONLINE)

    assert groups_on(coasts, split.training, "date") == set(DATES[:2])
    assert groups_on(coasts, split.validation, "scene") == {"cape_20210304"}
    assert groups_on(coasts, split.test, "scene") == {"duck_20210304"}
    assert len(split.training) + len(split.validation) + len(split.test) == 16
    assert "split.sides names 1 that are not in the dataset, the first typo" in caplog.text


def test_a_given_split_that_parts_a_scene_is_refused(coasts, tmp_path):
    """Two crops of one scene on two sides leak, whoever says so."""
    lines = [
        f"{site}_{date}_{crop},{'train' if crop else 'val'}" for site in SITES for date in DATES for crop in (0, 1)
    ]
    (tmp_path / "sides.csv").write_text("name,side\n" + "\n".join(lines))

    with pytest.raises(
        DataError,
        match=r"cape_20200101_1 \(training\) and cape_20200101_0 \(validation\) must not be of one scene; put",
    ):
        split_dataset(coasts, SplitConfig(method="given", sides=str(tmp_path / "sides.csv")), ONLINE)


def test_the_paper_s_split_is_of_copies_and_says_that_it_leaks(coasts, caplog):
    """Numbers past the pairs, on both sides, and most validating copies have another in training."""
    config = SplitConfig(method="paper", validation=0.6)
    split = split_dataset(coasts, config, OFFLINE)

    assert (split.training, split.validation) == tuple(split_paper(18, 3, 0.6))
    assert min(split.training + split.validation) >= 18
    assert set(pair_positions(split.training, 18)) & set(pair_positions(split.validation, 18))
    assert "split=paper leaks: validation sees copies of training scenes" in caplog.text
    assert find_near_duplicates(coasts, split, config) == []


def test_a_column_that_is_not_there_is_refused(coasts):
    """With the groups there are, and where to say more."""
    with pytest.raises(
        DataError,
        match=r"^split\.by=colour must be one of date, scene, site, tide, which is all that is known of "
        r"cape_20200101_0; give data\.table a column colour\.$",
    ):
        split_dataset(coasts, SplitConfig(by="colour"), ONLINE)


def test_a_date_that_is_not_known_is_asked_for(tiny_dataset):
    """Names may hold it."""
    with pytest.raises(
        DataError,
        match=r"^split\.by=date must be one of scene, site, which is all that is known of pair0; set "
        r"data\.date_pattern, or give data\.table a column date\.$",
    ):
        split_dataset(tiny_dataset, SplitConfig(by="date"), ONLINE)


def test_a_unit_is_the_group_of_a_pair():
    """Of the name asked for."""
    assert find_unit({"scene": "a", "site": "b"}, "a", "site") == "b"


def test_sites_without_a_pattern_are_one_and_cannot_be_split(tmp_path):
    """One unit makes no two sides; the message says what to check."""
    images, labels = tmp_path / "i", tmp_path / "l"
    for seed in range(3):
        save_picture(images / f"{seed}.png", draw_image(seed))
        save_picture(labels / f"{seed}.png", draw_label(seed))
    dataset = open_or_build_dataset(configured("folder", images=[str(images)], labels=str(labels)), tmp_path)

    with pytest.raises(
        DataError, match=r"1 unit \(all\) cannot make training and validation, which need one unit each at least; check"
    ):
        split_dataset(dataset, SplitConfig(by="site"), ONLINE)


def test_one_scene_is_a_dataset_but_makes_no_sides(tmp_path):
    """It can be made, and is refused where it would have to be split."""
    dataset = make_tiny_dataset(tmp_path / "s", make_scenes(1))

    with pytest.raises(DataError, match=r"1 unit \(scene0\) cannot make training and validation"):
        split_dataset(dataset, SplitConfig(), ONLINE)


SPLITS = [
    SplitConfig(by="scene", test=0.2),
    SplitConfig(by="site", validation=0.3),
    SplitConfig(method="kfold", by="date", folds=3),
    SplitConfig(method="leave_one_out", by="site", held_out="duck"),
]


@pytest.mark.parametrize("config", SPLITS, ids=["scene", "site", "date", "held out"])
def test_a_share_of_training_leaves_the_other_sides_alone(coasts, config):
    """It keeps whole units, and the rest is on no side; a larger share holds a smaller one."""
    whole = split_dataset(coasts, config, ONLINE)
    group = "scene" if config.method == "leave_one_out" else config.by
    count = len(groups_on(coasts, whole.training, group))
    kept = set()
    for share in (0.1, 0.3, 0.5, 0.8, 1.0):
        split = split_dataset(coasts, replace(config, training_share=share), ONLINE)
        assert (split.validation, split.test) == (whole.validation, whole.test)
        assert kept <= set(split.training) <= set(whole.training)
        assert len(groups_on(coasts, split.training, group)) == max(1, round(share * count))
        assert not groups_on(coasts, split.training, group) & groups_on(
            coasts, set(whole.training) - set(split.training), group
        )
        kept = set(split.training)
    assert split == whole


def test_a_given_split_is_thinned_by_scene(coasts, tmp_path):
    """Two of the six scenes that train; the table's other sides stay."""
    lines = [f"{site}_{date},{'val' if site == 'duck' else 'train'}" for site in SITES for date in DATES]
    (tmp_path / "sides.csv").write_text("name,side\n" + "\n".join(lines))
    config = SplitConfig(method="given", sides=str(tmp_path / "sides.csv"), training_share=0.3)
    split = split_dataset(coasts, config, ONLINE)

    assert len(groups_on(coasts, split.training, "scene")) == 2
    assert len(split.training) == 4
    assert groups_on(coasts, split.validation, "site") == {"duck"}


def test_the_paper_s_split_is_thinned_by_the_scenes_of_its_copies(coasts):
    """All copies of a scene that train stay or go."""
    config = SplitConfig(method="paper", validation=0.6)
    whole, split = (split_dataset(coasts, replace(config, training_share=share), OFFLINE) for share in (1.0, 0.5))
    scenes = groups_on(coasts, pair_positions(split.training, 18), "scene")

    assert split.validation == whole.validation
    assert len(scenes) == round(0.5 * len(groups_on(coasts, pair_positions(whole.training, 18), "scene")))
    assert split.training == [sample for sample in whole.training if coasts.manifest.pairs[sample % 18].scene in scenes]


def test_scenes_of_one_image_stay_together_in_a_share(copied):
    """They are one unit, as for the sides, or nearly the same labels would count twice."""
    for seed in range(10):
        config = SplitConfig(validation=0.3, training_share=0.5, seed=seed)
        scenes = groups_on(copied, split_dataset(copied, config, ONLINE).training, "scene")
        assert scenes == {"scene0", "scene3"} or (len(scenes) == 1 and not scenes & {"scene0", "scene3"})


def test_a_share_of_training_without_a_label_is_refused(tmp_path):
    """Though the whole side has some."""
    (tmp_path / "sides.csv").write_text("name,side\nscene0,train\nscene1,train\nscene2,train\nscene3,val\n")
    third = SplitConfig(method="given", sides=str(tmp_path / "sides.csv"), training_share=0.3)
    scenes = make_scenes(8)
    kept = split_dataset(make_tiny_dataset(tmp_path / "labelled", scenes), third, ONLINE).training
    for position in kept:
        scenes[f"pair{position}"].label.fill(IGNORE)
    dataset = make_tiny_dataset(tmp_path / "partly", scenes)

    assert len(kept) == 2
    assert len(split_dataset(dataset, replace(third, training_share=1.0), ONLINE).training) == 6
    with pytest.raises(DataError, match=r"^the training scenes have not one labelled pixel"):
        split_dataset(dataset, third, ONLINE)


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """Eight pairs of four scenes; the image of the last scene's second is that of the first scene's first."""
    scenes = make_scenes(8)
    scenes["pair7"] = scenes["pair7"]._replace(image=scenes["pair0"].image)
    return make_tiny_dataset(tmp_path_factory.mktemp("copied") / "s", scenes)


def test_the_same_image_under_two_names_is_a_leak(copied, tmp_path):
    """Byte for byte, whatever its label; the message names both."""
    (tmp_path / "sides.csv").write_text("name,side\nscene0,train\nscene1,train\nscene2,val\nscene3,val\n")
    config = SplitConfig(method="given", sides=str(tmp_path / "sides.csv"))

    with pytest.raises(
        DataError, match=r"^pair0 \(training\) and pair7 \(validation\) must not be of one image; give them"
    ):
        split_dataset(copied, config, ONLINE)


@pytest.mark.parametrize("method", ["random", "kfold"])
def test_scenes_of_one_image_are_not_parted_where_sides_are_drawn(copied, caplog, method):
    """Whatever the seed, though each scene by itself validates for some; a word is said."""
    validating = set()
    for seed in range(20):
        config = SplitConfig(method=method, validation=0.3, folds=3, fold=seed % 3, seed=seed)
        split = split_dataset(copied, config, ONLINE)
        scenes = groups_on(copied, split.validation, "scene")
        assert ("scene0" in scenes) == ("scene3" in scenes)
        assert_parted(copied, split, "scene")
        validating |= scenes

    assert validating == {"scene0", "scene1", "scene2", "scene3"}
    assert "scene0 and scene3 hold the same image and stand on one side of the split" in caplog.text


def test_copies_are_joined_by_way_of_others():
    """To the first by name, in whatever order they come; units without copies stay what they are."""
    units, images = ["d", "c", "c", "b", "b", "a", "e"], ["1", "1", "2", "2", "3", "4", "5"]

    assert join_units(units, images) == ["b", "b", "b", "b", "b", "a", "e"]
    assert join_units(units[::-1], images[::-1]) == ["e", "a", "b", "b", "b", "b", "b"]
    assert join_units(units, list("1234567")) == units


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("123456")), max_size=12))
def test_joined_copies_part_neither_units_nor_images(pairs):
    """And join no more than must be: as many units are left as the graph of units and images has parts."""
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
    """An image that went through a JPEG of middling quality."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=60)
    return np.maximum(np.asarray(Image.open(buffer)), 1)


@pytest.fixture(scope="module")
def alike(tmp_path_factory):
    """Eight different scenes, and of the first a recompressed copy under the last name."""
    scenes = make_scenes(8, 64, 64)
    for index, name in enumerate(scenes):
        drawn = draw_scene(3, index, 64, 64)
        bright = np.clip(drawn.image[..., :3] / 20, 1, 255).astype(np.uint8)
        scenes[name] = scenes[name]._replace(image=bright, label=np.where(drawn.label == IGNORE, 0, drawn.label % 3))
    scenes["pair7"] = scenes["pair7"]._replace(image=recompressed(scenes["pair0"].image))
    return make_tiny_dataset(tmp_path_factory.mktemp("alike") / "s", scenes, (64, 64))


def test_a_recompressed_copy_on_another_side_is_found(alike):
    """By name and distance; a checksum sees nothing of it, and on one side it is no matter."""
    parted = Split([0, 1, 2, 3], [4, 5], [6, 7])
    assert alike.manifest.pairs[0].image_sha256 != alike.manifest.pairs[7].image_sha256

    (found,) = find_near_duplicates(alike, parted, SplitConfig())

    assert (found.first, found.second) == ("pair0", "pair7")
    assert 0 <= found.distance <= 4
    assert find_near_duplicates(alike, Split([0, 1, 7], [2, 3, 4], [5, 6]), SplitConfig()) == []


def test_a_larger_distance_finds_no_less(alike):
    """Whatever is within 4 bits is within 16, and the nearest comes first."""
    parted = Split([0, 1, 2, 3], [4, 5], [6, 7])
    near, far = (find_near_duplicates(alike, parted, SplitConfig(likeness=bits)) for bits in (4, 16))

    assert set(near) <= set(far)
    assert far[0] == near[0]


def test_training_samples_are_pairs_drawn_anew_or_copies_drawn_once():
    """Online each pair comes as often as there are copies; offline each copy has a number of its own."""
    split = Split([1, 4], [0, 2], [3])

    assert training_samples(split, replace(ONLINE, copies=1), 5) == [1, 4]
    assert training_samples(split, replace(ONLINE, copies=2), 5) == [1, 4, 1, 4]
    assert training_samples(split, replace(OFFLINE, copies=2), 5) == [6, 9, 11, 14]
    copies = Split([7, 8, 9], [5, 6])
    assert training_samples(copies, replace(OFFLINE, copies=2), 5) == [7, 8, 9]


def test_no_copy_of_a_validation_pair_is_trained_on(coasts):
    """The split comes before augmentation; the original split the augmented files."""
    for seed in range(5):
        split = split_dataset(coasts, SplitConfig(seed=seed, test=0.2), OFFLINE)
        trained = set(pair_positions(training_samples(split, OFFLINE, 18), 18))
        assert trained == set(split.training)
        assert not trained & {*split.validation, *split.test}


def test_samples_are_named_after_their_pairs(coasts):
    """With the number of the copy, counted from 1."""
    assert sample_name(coasts, 2) == "cape_20200203_0"
    assert sample_name(coasts, 18 + 2) == "cape_20200203_0 copy 1"
    assert sample_name(coasts, 3 * 18 + 17) == "sand_20210304_1 copy 3"
    assert pair_positions([2, 20, 71], 18) == [2, 2, 17]


@given(st.lists(st.integers(0, 5 * 18 - 1), max_size=9))
def test_samples_are_found_by_their_names(coasts, samples):
    """Pairs and copies; a name that the dataset does not have is left out."""
    names = [sample_name(coasts, sample) for sample in samples]

    assert find_samples(coasts, [*names, "nowhere", "cape_20200203_0 copy x"]) == dict(zip(names, samples, strict=True))


def test_the_sides_list_the_names_of_their_samples(coasts):
    """Every side, also an empty one; copies by their own names."""
    assert list_sample_names(coasts, Split([0, 18], [1])) == {
        "training": ["cape_20200101_0", "cape_20200101_0 copy 1"],
        "validation": ["cape_20200101_1"],
        "test": [],
    }


def test_a_side_without_a_labelled_pixel_is_refused(tmp_path):
    """Nothing could be learnt or measured there; which side it is, and what to do."""
    scenes = make_scenes(4)
    for name in ("pair2", "pair3"):
        scenes[name].label.fill(IGNORE)
    dataset = make_tiny_dataset(tmp_path / "s", scenes)

    with pytest.raises(
        DataError, match=r"^the validation scenes have not one labelled pixel; label more scenes, or ch"
    ):
        check_labels(dataset, Split([0, 1], [2, 3]))
    with pytest.raises(DataError, match=r"^the training scenes have not one labelled pixel"):
        check_labels(dataset, Split([6, 7], [4, 5]))
    check_labels(dataset, Split([0, 2], [1, 3]))


def test_a_data_set_of_one_class_is_used_with_a_warning(tmp_path, caplog):
    """Each class without a pixel is named; that may be meant."""
    scenes = make_scenes(4)
    for scene in scenes.values():
        scene.label.fill(1)
    dataset = make_tiny_dataset(tmp_path / "s", scenes)

    split = split_dataset(dataset, SplitConfig(), ONLINE)

    assert split.training
    assert "class low has not one pixel in any scene: do the label values fit data.classes?" in caplog.text
    assert "class high has not one pixel" in caplog.text
    assert "class middle" not in caplog.text


def test_pixels_are_counted_by_side(coasts):
    """Of each class, the sum over the pairs; a copy counts as its pair."""
    split = split_dataset(coasts, SplitConfig(test=0.2), ONLINE)
    counts = count_classes_by_side(coasts, split)

    assert list(counts) == ["training", "validation", "test"]
    np.testing.assert_array_equal(sum(counts.values()), coasts.counts.sum(axis=0))
    np.testing.assert_array_equal(counts["validation"], coasts.counts[split.validation].sum(axis=0))
    copies = count_classes_by_side(coasts, Split([18, 36], [19]))
    np.testing.assert_array_equal(copies["training"], 2 * coasts.counts[0])


def test_equal_images_without_a_pattern_are_no_leak(tmp_path):
    """Two scenes may each have a tile of nothing but cloud; what has a pattern keeps them together."""
    scenes = make_scenes()
    for name in ("pair0", "pair2"):
        scenes[name] = scenes[name]._replace(image=np.full((16, 32, 3), 9000, np.uint16))
    flat = make_tiny_dataset(tmp_path / "flat", scenes)
    for name in ("pair0", "pair2"):
        scenes[name] = scenes[name]._replace(image=scenes["pair1"].image)
    equal = make_tiny_dataset(tmp_path / "equal", scenes)
    config = SplitConfig(validation=0.4)

    assert split_dataset(flat, config, AugmentConfig()).validation == [2, 3]
    assert split_dataset(equal, config, AugmentConfig()).validation == [4, 5]
