"""Rules that tie keys of imagery, split and augmentation together refuse in one line, before a pixel is read."""

import re
from dataclasses import replace

import pytest

from gym.config.data_rules import check_augment, check_data, check_frame, check_split
from gym.config.registries import READERS
from gym.config.schema import AugmentConfig, DataConfig, SplitConfig
from gym.core.errors import ConfigError
from gym.data.readers import synthetic


@pytest.fixture
def folder(tmp_path):
    """A valid ``data=folder`` configuration."""
    for name in ("rgb", "nir", "labels"):
        (tmp_path / name).mkdir()
    images = [str(tmp_path / name) for name in ("rgb", "nir")]
    return DataConfig(kind="folder", images=images, labels=str(tmp_path / "labels"), classes=["a", "b"])


@pytest.fixture
def doodler(tmp_path):
    """A valid ``data=doodler`` configuration."""
    (tmp_path / "results.zip").touch()
    return DataConfig(kind="doodler", archives=[str(tmp_path), str(tmp_path / "results.zip")], classes=["a", "b"])


def refusal(check, *arguments):
    """Return the message of the error that a check raises."""
    with pytest.raises(ConfigError) as refused:
        check(*arguments)
    return str(refused.value)


@pytest.mark.parametrize(
    ("size", "levels", "message"),
    [
        (100, 4, "data.size=100 must be a multiple of 16, at least 16; try 96."),
        (8, 1, "data.size=8 must be a multiple of 16, at least 16; try 16."),
        ([64, 8], 4, "data.size=8 must be a multiple of 16, at least 16; try 16."),
        ([48, 64], 5, "data.size=48 must be a multiple of 32, at least 32; try 64."),
        (384, 8, "data.size=384 must be a multiple of 256, at least 256; try 512."),
    ],
)
def test_a_frame_must_halve_at_each_level(size, levels, message):
    """Each side is checked by itself, and the nearest valid size is suggested."""
    assert refusal(check_frame, DataConfig(size=size), levels) == message


def test_a_frame_that_halves_is_accepted():
    """It need not be square; at one level more, 96 no longer halves exactly."""
    check_frame(DataConfig(size=[160, 96]), 5)

    assert refusal(check_frame, DataConfig(size=[192, 96]), 6).startswith("data.size=96 must be a multiple of 64")


@pytest.mark.parametrize("kind", ["folder", "doodler", "gym_npz", "synthetic"])
def test_valid_configurations_are_accepted(folder, doodler, kind):
    """There is one for each reader, and one wrong key makes each invalid."""
    configurations = {"folder": folder, "gym_npz": replace(doodler, kind="gym_npz"), "synthetic": DataConfig()}
    valid = configurations.get(kind, doodler)

    check_data(valid)

    assert refusal(check_data, replace(valid, scene_pattern="a")).startswith(
        "data.scene_pattern=a must contain a group"
    )


@pytest.mark.parametrize(
    ("kind", "key", "message"),
    [
        ("folder", "images", "data.images is missing; data.kind=folder needs it, as in data.images=[path/to/images]."),
        ("folder", "labels", "data.labels is missing; data.kind=folder needs it, as in data.labels=path/to/labels."),
        (
            "doodler",
            "archives",
            "data.archives is missing; data.kind=doodler needs it, as in data.archives=[path/to/release.zip].",
        ),
        (
            "gym_npz",
            "archives",
            "data.archives is missing; data.kind=gym_npz needs it, as in data.archives=[path/to/release.zip].",
        ),
    ],
)
@pytest.mark.parametrize("nothing", ["", []])
def test_the_keys_a_reader_needs_must_be_set(folder, doodler, kind, key, message, nothing):
    """The message has an example."""
    sound = folder if kind == "folder" else replace(doodler, kind=kind)

    assert refusal(check_data, replace(sound, **{key: nothing})) == message


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"images": "nowhere"}, "data.images: nowhere is not a folder"),
        ({"images": "nowhere/*_image.tif"}, "data.images: nowhere/*_image.tif is not a folder"),
        ({"images": ["{here}", "nowhere"]}, "data.images: nowhere is not a folder"),
        ({"images": "{file}"}, "data.images: {file} is not a folder"),
        ({"labels": "nowhere"}, "data.labels: nowhere is not a folder"),
        ({"table": "nowhere.csv"}, "data.table: nowhere.csv is not a file"),
        ({"table": "{here}"}, "data.table: {here} is not a file"),
        ({"aliases": "nowhere.json"}, "data.aliases: nowhere.json is not a file"),
    ],
)
def test_a_path_must_exist(folder, tmp_path, monkeypatch, change, what):
    """The message names the current folder, because relative paths depend on it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    places = {"here": str(tmp_path), "file": str(tmp_path / "file")}
    filled = {
        key: [place.format(**places) for place in value] if isinstance(value, list) else value.format(**places)
        for key, value in change.items()
    }

    line = refusal(check_data, replace(folder, **filled))

    assert line == f"{what.format(**places)} (current folder: {tmp_path}); correct the path."


@pytest.mark.parametrize("place", ["nowhere.zip", "htp://x.org/a.zip", "ftp://x.org/a.zip"])
def test_an_archive_must_exist_or_be_a_url(doodler, tmp_path, monkeypatch, place):
    """A URL with an unsupported scheme is treated as a path."""
    monkeypatch.chdir(tmp_path)

    line = refusal(check_data, replace(doodler, archives=[*doodler.archives, place]))

    assert line == f"data.archives: {place} is not a file or folder (current folder: {tmp_path}); correct the path."


@pytest.mark.parametrize("place", ["https://x.org/a.zip", "http://x.org/a.zip", "file:///a.zip"])
def test_a_url_is_not_looked_for_on_disk(doodler, place):
    """It is downloaded later. The same file without ``https://`` is looked for."""
    check_data(replace(doodler, archives=place))

    assert "x.org/a.zip is not a file or folder" in refusal(check_data, replace(doodler, archives="x.org/a.zip"))


def test_band_sets_in_addition_to_archives_must_exist(doodler):
    """They hold further bands of the same scenes."""
    assert "data.images: nowhere is not a folder" in refusal(check_data, replace(doodler, images=["nowhere"]))


@pytest.mark.parametrize("key", ["images", "archives"])
@pytest.mark.parametrize("value", [3, ["a", 3], [""]])
def test_paths_are_text(doodler, key, value):
    """Numbers and empty text are refused."""
    line = refusal(check_data, replace(doodler, **{key: value}))

    assert line == f"data.{key}={value} must be a folder, or a list of folders as in data.{key}=[rgb,nir]."


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([], "data.classes=[] must name 2 to 255 classes, as in data.classes=[water,surf,sand,other]."),
        (["a"], "data.classes=['a'] must name 2 to 255 classes, as in data.classes=[water,surf,sand,other]."),
        (["a", "a"], "data.classes=['a', 'a'] must have names that differ by more than case; rename one."),
        (["a", "A "], "data.classes=['a', 'A '] must have names that differ by more than case; rename one."),
        (["", "b"], "data.classes=['', 'b'] must not contain empty names or slashes; rename those classes."),
        ([" ", "b"], "data.classes=[' ', 'b'] must not contain empty names or slashes; rename those classes."),
        (["a/b", "c"], "data.classes=['a/b', 'c'] must not contain empty names or slashes; rename those classes."),
    ],
)
def test_class_names_are_checked(folder, classes, message):
    """There are at least two, distinct in any case, and MLflow accepts them in metric names."""
    assert refusal(check_data, replace(folder, classes=classes)) == message


def test_at_most_255_classes_are_accepted(folder):
    """The label value 255 marks ignored pixels."""
    names = [f"class {number}" for number in range(256)]

    check_data(replace(folder, classes=names[:255]))
    assert "must name 2 to 255 classes" in refusal(check_data, replace(folder, classes=names))


@pytest.mark.parametrize(
    ("remap", "entry"),
    [
        ({1: 2}, "1:2"),
        ({1: -1}, "1:-1"),
        ({1: "c"}, "1:c"),
        ({1: 0.5}, "1:0.5"),
        ({1: True}, "1:True"),
        ({1: None}, "1:None"),
        ({0: 0, 1.5: 0}, "1.5:0"),
        ({True: 0}, "True:0"),
    ],
)
@pytest.mark.parametrize("kind", ["folder", "doodler"])
def test_a_remap_must_map_to_classes(folder, doodler, kind, remap, entry):
    """Classes are given by index or name; only the files of Doodler name their labels."""
    sound, what = {"folder": (folder, "label values"), "doodler": (doodler, "label values or names")}[kind]

    assert refusal(check_data, replace(sound, remap=remap)) == (
        f"data.remap={{{entry}}} must map {what} to classes: a, b, or their indices 0..1."
    )


@pytest.mark.parametrize("remap", [[1], "1:0", 3])
def test_a_remap_must_be_a_mapping(folder, remap):
    """The message has an example."""
    line = refusal(check_data, replace(folder, remap=remap))

    assert line == f"data.remap={remap} must be a mapping, as in data.remap={{1:0,2:1}}."


def test_label_names_are_accepted_only_for_files_that_have_them(folder, doodler):
    """A raster holds numbers, so a name would never occur."""
    named = {"remap": {"surf": "a", 3: " B"}, "ignore_values": ["nodata", 0]}

    check_data(replace(doodler, **named))
    for sound in (folder, replace(doodler, kind="gym_npz")):
        check_data(replace(sound, remap={3: "A "}, ignore_values=[0, -1]))
        assert refusal(check_data, replace(sound, remap=named["remap"])) == (
            "data.remap={surf:a} must map label values to classes: a, b, or their indices 0..1."
        )
        assert refusal(check_data, replace(sound, ignore_values=named["ignore_values"])) == (
            "data.ignore_values=['nodata', 0] must contain only label values; remove nodata."
        )


@pytest.mark.parametrize("wrong", [1.5, None, True])
def test_ignored_values_must_be_label_values_or_names(doodler, wrong):
    """The invalid one is named."""
    line = refusal(check_data, replace(doodler, ignore_values=[0, wrong]))

    assert line == f"data.ignore_values=[0, {wrong}] must contain only label values or names; remove {wrong}."


@pytest.mark.parametrize("key", ["scene_pattern", "site_pattern", "date_pattern"])
def test_a_pattern_must_compile_and_contain_a_group(folder, key):
    """The group extracts the scene, site or date from a name."""
    check_data(replace(folder, **{key: "^([0-9]{8})"}))
    assert refusal(check_data, replace(folder, **{key: "(["})).startswith(
        f"data.{key}=([ is not a valid regular expression: unterminated character set"
    )
    assert refusal(check_data, replace(folder, **{key: "abc"})) == (
        f"data.{key}=abc must contain a group, as in '^([0-9]{{8}})'."
    )


def test_a_pattern_that_is_removed_from_stems_needs_no_group(folder):
    """It must still compile."""
    check_data(replace(folder, drop_from_stem=["_label$", "^rgb_"]))
    assert refusal(check_data, replace(folder, drop_from_stem=["_label$", "*"])) == (
        "data.drop_from_stem=* is not a valid regular expression: nothing to repeat at position 0."
    )


@pytest.mark.parametrize(
    "percentiles",
    [[], [2.0], [2.0, 50.0, 98.0], [98.0, 2.0], [2.0, 2.0], [-1.0, 98.0], [2.0, 101.0], [2.0, float("nan")]],
)
def test_percentiles_must_be_two_increasing_numbers(percentiles):
    """They must be between 0 and 100."""
    line = refusal(check_data, DataConfig(scaling="percentile", percentiles=percentiles))

    assert line == f"data.percentiles={percentiles} must be two increasing numbers from 0 to 100, as in [2,98]."


@pytest.mark.parametrize("percentiles", [[0.0, 100.0], [0.0, 0.1]])
def test_percentiles_of_0_and_100_are_accepted(percentiles):
    """They are the smallest and largest values of an image."""
    check_data(DataConfig(scaling="percentile", percentiles=percentiles))

    beyond = DataConfig(scaling="percentile", percentiles=[percentiles[0] - 0.1, percentiles[1]])
    assert "must be two increasing numbers from 0 to 100" in refusal(check_data, beyond)


@pytest.mark.parametrize("reflectance", [[], [1.0], [0.0, 1.0], [1.0, float("inf")], [1.0, 2.0, 3.0]])
def test_reflectance_must_be_a_factor_and_an_offset(reflectance):
    """A factor of 0 would erase the image."""
    line = refusal(check_data, DataConfig(scaling="reflectance", reflectance=reflectance))

    assert line == f"data.reflectance={reflectance} must be a nonzero factor and an offset, as in [0.0001,0]."


@pytest.mark.parametrize("scaling", ["none", "dtype", "reflectance"])
def test_indices_need_a_scaling_that_preserves_ratios(scaling):
    """A stretch by percentiles does not, and is refused."""
    check_data(DataConfig(scaling=scaling, indices=["NDWI", "wet=green - swir"], standardize="band"))
    assert refusal(check_data, DataConfig(scaling="percentile", indices=["NDWI"])) == (
        "data.scaling=percentile makes ratios of bands meaningless; use another scaling with data.indices."
    )


def test_an_invalid_index_is_refused():
    """The message is that of `gym.config.spectral_index`."""
    assert refusal(check_data, DataConfig(indices=["EVI3"])) == (
        "data.indices: 'EVI3' must be one of NDVI, NDWI, MNDWI, NDMI, NDTI, or name=expression, as in "
        "water=(green - nir) / (green + nir)."
    )


@pytest.mark.parametrize("method", ["image", "frame"])
def test_indices_need_standardisation_by_band(method):
    """Next to bands in thousands, a ratio in [-1, 1] would be nearly constant."""
    assert refusal(check_data, DataConfig(indices=["NDWI"], standardize=method)) == (
        f"data.indices have no effect with data.standardize={method}, which divides all bands by the same deviation; "
        "use data.standardize=dataset or data.standardize=band."
    )


def test_an_index_must_use_existing_bands(folder):
    """Names match in any case; without band names the check is left to the imagery."""
    folder = replace(folder, standardize="dataset")
    check_data(replace(folder, indices=["NDWI"]))
    check_data(replace(folder, indices=["NDWI"], bands=["Green", "NIR"]))
    assert refusal(check_data, replace(folder, indices=["NDWI"], bands=["red", "green", "blue"])) == (
        "data.indices: NDWI uses nir, but the bands are red, green, blue; correct data.bands or the index."
    )
    assert refusal(check_data, DataConfig(indices=["x=thermal/green"])) == (
        "data.indices: x uses thermal, but the bands are red, green, blue, nir, swir; correct data.bands or the index."
    )


@pytest.mark.parametrize(
    ("bands", "indices", "names"),
    [
        (["red", "Red"], [], "red, red"),
        (["green", "nir", "ndwi"], ["NDWI"], "green, nir, ndwi, ndwi"),
        ([], ["x=a-b", "X=b-a"], "x, x"),
    ],
)
def test_bands_and_indices_must_have_distinct_names(folder, bands, indices, names):
    """Case is ignored, also while bands have no names yet."""
    line = refusal(check_data, replace(folder, bands=bands, indices=indices))

    assert line == f"data.bands and data.indices must have distinct names, not {names}; rename one."


def test_the_synthetic_band_names_are_known_in_advance():
    """They are listed in a light module and in the reader, which imports NumPy."""
    assert READERS.get("synthetic").bands == synthetic.BANDS
    assert "must have distinct names, not red, green, blue, nir, swir, nir; rename one." in refusal(
        check_data, DataConfig(indices=["NIR=red-blue"])
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"validation": 0.5, "test": 0.5},
            "split.validation=0.5 and split.test=0.5 must add up to less than 1; lower one.",
        ),
        (
            {"method": "kfold", "folds": 3, "fold": 3},
            "split.fold=3 must be below split.folds=3; folds are numbered from 0.",
        ),
        (
            {"method": "leave_one_out", "by": "site"},
            "split.held_out is missing; name the site to leave out, as in split.held_out=duck.",
        ),
        ({"method": "given"}, "split.sides is missing; split=given needs a CSV file with the columns name and side."),
        (
            {"method": "paper"},
            "split.method=paper splits augmented copies; add augment=paper, or set augment.mode=offline.",
        ),
    ],
)
def test_a_split_needs_the_keys_of_its_method(options, message):
    """Something must also be left to train on."""
    assert refusal(check_split, SplitConfig(**options), AugmentConfig()) == message


def test_valid_splits_are_accepted(tmp_path):
    """The folds divide what the test side leaves, however little that is."""
    (tmp_path / "sides.csv").touch()

    check_split(SplitConfig(validation=0.5, test=0.4), AugmentConfig())
    check_split(SplitConfig(method="kfold", folds=3, fold=2, test=0.8), AugmentConfig())
    check_split(SplitConfig(method="leave_one_out", by="site", held_out="duck"), AugmentConfig())
    check_split(SplitConfig(method="given", sides=str(tmp_path / "sides.csv")), AugmentConfig())
    check_split(SplitConfig(method="paper"), AugmentConfig(mode="offline"))

    assert "must add up to less than 1" in refusal(check_split, SplitConfig(validation=0.5, test=0.5), AugmentConfig())


def test_a_side_table_must_exist(tmp_path, monkeypatch):
    """A folder is refused too."""
    monkeypatch.chdir(tmp_path)
    for place in ("nowhere.csv", "."):
        line = refusal(check_split, SplitConfig(method="given", sides=place), AugmentConfig())
        assert line == f"split.sides: {place} is not a file (current folder: {tmp_path}); correct the path."


def test_quarter_turns_need_a_square_frame():
    """A rotated frame must fit the model."""
    turning = AugmentConfig(quarter_turns=True)

    check_augment(turning, DataConfig(size=64))
    check_augment(turning, DataConfig(size=[64, 64]))
    assert refusal(check_augment, turning, DataConfig(size=[32, 64])) == (
        "augment.quarter_turns=true needs a square frame, but data.size=[32,64]; set data.size to one number."
    )


@pytest.mark.parametrize("key", ["brightness", "contrast"])
def test_a_change_that_standardisation_undoes_is_refused(key):
    """Standardising each band of an image undoes shifts and stretches of a band, but not noise."""
    changing = AugmentConfig(**{key: 0.1})

    for method in ("image", "dataset", "none"):
        check_augment(changing, DataConfig(standardize=method))
    check_augment(AugmentConfig(noise=0.1), DataConfig(standardize="band"))
    assert refusal(check_augment, changing, DataConfig(standardize="band")) == (
        f"augment.{key}=0.1 has no effect with data.standardize=band, which undoes it; set it to 0."
    )


def test_an_invalid_pattern_is_explained(folder):
    """Python's message says where the mistake is."""
    with pytest.raises(ConfigError) as refused:
        check_data(replace(folder, site_pattern="(a"))

    assert isinstance(refused.value.__cause__, re.error)
    assert str(refused.value) == (
        "data.site_pattern=(a is not a valid regular expression: missing ), unterminated subpattern at position 0."
    )
