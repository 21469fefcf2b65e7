"""Every key of an old configuration is translated, refused, or dropped with a reason."""

import json

import pytest

from gym.config import legacy_keys
from gym.config.groups import configuration_folder
from gym.config.legacy_keys import Row, parse, translate
from gym.core.errors import ConfigError

LAST = {
    "TARGET_SIZE": [64, 32],
    "MODEL": "unet",
    "NCLASSES": 3,
    "N_DATA_BANDS": 3,
    "FILTERS": 6,
    "KERNEL": 5,
    "STRIDE": 2,
    "LOSS": "dice",
}
SECOND = {"TARGET_SIZE": [64, 32], "MODEL": "resunet", "NCLASSES": 1, "N_DATA_BANDS": 3, "UPSAMPLE_MODE": "simple"}
FIRST = {"TARGET_SIZE": [64, 32], "KERNEL_SIZE": 7, "NCLASSES": 1, "N_DATA_BANDS": 4, "BATCH_SIZE": 12}

TRANSLATED = {
    "DROPOUT": (0.2, "model.dropout", 0.2),
    "DROPOUT_CHANGE_PER_LAYER": (-0.05, "model.dropout_change", -0.05),
    "DROPOUT_TYPE": ("spatial", "model.dropout_kind", "spatial"),
    "USE_DROPOUT_ON_UPSAMPLING": (True, "model.dropout_on_up", True),
    "KERNEL": ([9, 9], "model.kernel", 9),
    "VALIDATION_SPLIT": (0.3, "split.validation", 0.3),
    "TARGET_SIZE": ([32, 96.0], "data.size", [32, 96]),
    "NCLASSES": (4, "data.classes", ["class_0", "class_1", "class_2", "class_3"]),
    "REMAP_CLASSES": ({"0": 0, "7": 2.0, "-1": 1}, "data.remap", {0: 0, 7: 2, -1: 1}),
    "AUG_ROT": (5, "augment.rotation", 5.0),
    "AUG_ZOOM": (0.1, "augment.zoom", 0.1),
    "AUG_WIDTHSHIFT": (0.2, "augment.shift_columns", 0.2),
    "AUG_HEIGHTSHIFT": (0.3, "augment.shift_rows", 0.3),
    "AUG_HFLIP": (True, "augment.flip_horizontal", True),
    "AUG_VFLIP": (True, "augment.flip_vertical", True),
    "AUG_COPIES": (3, "augment.copies", 3),
    "START_LR": (1e-6, "schedule.start_rate", 1e-6),
    "MAX_LR": (1e-3, "schedule.max_rate", 1e-3),
    "MIN_LR": (1e-5, "schedule.min_rate", 1e-5),
    "RAMPUP_EPOCHS": (10, "schedule.rampup_epochs", 10),
    "SUSTAIN_EPOCHS": (2.0, "schedule.sustain_epochs", 2),
    "EXP_DECAY": (0.8, "schedule.decay", 0.8),
    "BATCH_SIZE": (4, "training.batch", 4),
    "MAX_EPOCHS": (50, "training.epochs", 50),
    "PATIENCE": (7, "training.patience", 7),
    "ROOT_STRING": ("my data", "name", "my data"),
}

REFUSED = [
    (
        "MODEL",
        "segformer",
        "MODEL=segformer is a pretrained transformer, which is not available here; set MODEL",
    ),
    ("MODEL", "satunet", "MODEL=satunet does not exist in the original either; set MODEL to one of unet, resunet,"),
    ("MODEL", "vgg", 'MODEL="vgg" must be one of unet, resunet, simple_unet, simple_resunet; correct the file.'),
    ("MODEL", 3, "MODEL=3 must be text in quotes; correct the file."),
    ("STRIDE", 1, "STRIDE=1 cannot be built, as in the original, because each decoder level doubles"),
    ("STRIDE", "2", 'STRIDE="2" must be a whole number; correct the file.'),
    ("FILTERS", 6.5, "FILTERS=6.5 must be a whole number; correct the file."),
    ("FILTERS", True, "FILTERS=true must be a whole number; correct the file."),
    ("FILTERS", float("nan"), "FILTERS=NaN must be a whole number; correct the file."),
    ("FILTERS", float("inf"), "FILTERS=Infinity must be a whole number; correct the file."),
    ("KERNEL", [7, 9], "KERNEL=[7, 9] must be a whole number; correct the file."),
    ("DROPOUT", "0.1", 'DROPOUT="0.1" must be a number; correct the file.'),
    ("DROPOUT", False, "DROPOUT=false must be a number; correct the file."),
    ("MAX_LR", 10**309, f"MAX_LR={10**309} must be a number of at most 308 digits; correct the file."),
    ("AUG_HFLIP", 1, "AUG_HFLIP=1 must be true or false; correct the file."),
    ("ROOT_STRING", None, "ROOT_STRING=null must be text in quotes; correct the file."),
    ("LOSS", "focal", 'LOSS="focal" must be dice, hinge, or start with cat or k; correct the file.'),
    ("LOSS_WEIGHTS", "yes", 'LOSS_WEIGHTS="yes" must be true, false, or a list of numbers; correct the file.'),
    ("LOSS_WEIGHTS", [1, "2"], 'LOSS_WEIGHTS="2" must be a number; correct the file.'),
    ("LOSS_WEIGHTS", [], "LOSS_WEIGHTS=[] must be numbers with a sum above 0; correct the file."),
    ("TARGET_SIZE", 512, "TARGET_SIZE=512 must be rows and columns, as in [512, 512]; correct the file."),
    ("TARGET_SIZE", [512], "TARGET_SIZE=[512] must be rows and columns, as in [512, 512]; correct the file."),
    ("TARGET_SIZE", [64, None], "TARGET_SIZE=null must be a whole number; correct the file."),
    ("NCLASSES", 0, "NCLASSES=0 must be from 1 to 255; correct the file."),
    ("NCLASSES", 256, "NCLASSES=256 must be from 1 to 255; correct the file."),
    ("N_DATA_BANDS", 0, "N_DATA_BANDS=0 must be from 1 to 1000; correct the file."),
    ("REMAP_CLASSES", [0, 1], 'REMAP_CLASSES=[0, 1] must be a mapping, as in {"0": 0, "1": 0}; correct the file.'),
    ("REMAP_CLASSES", {"a": 0}, 'REMAP_CLASSES={"a": 0} must be a mapping from whole numbers; correct the file.'),
    ("REMAP_CLASSES", {"1": "b"}, 'REMAP_CLASSES="b" must be a whole number; correct the file.'),
]


def row_of(old: dict, key: str) -> Row:
    """The row of a key in the report."""
    (row,) = [row for row in translate(old).rows if row.key == key]
    return row


@pytest.mark.parametrize(("key", "value", "target", "ours"), [(key, *row) for key, row in TRANSLATED.items()])
def test_a_key_is_translated(key, value, target, ours):
    """Its new key has the value that the original program used, and no other setting changes."""
    translation, plain = translate(LAST | {key: value}), translate(LAST)

    assert translation.values[target] == ours
    assert type(translation.values[target]) is type(ours)
    assert translation.options == plain.options
    others = {place: value for place, value in translation.values.items() if place != target}
    assert others.items() <= plain.values.items()


def test_every_translated_key_is_tested():
    """Keys that the table omits have separate tests."""
    elsewhere = {"MODEL", "FILTERS", "KERNEL_SIZE", "STRIDE", "UPSAMPLE_MODE", "LOSS", "LOSS_WEIGHTS", "N_DATA_BANDS"}

    assert {*legacy_keys.PLAIN, *legacy_keys.SPECIAL} == {*TRANSLATED, *elsewhere}
    assert len(set(legacy_keys.KNOWN)) == len(legacy_keys.KNOWN)


@pytest.mark.parametrize(("key", "value", "message"), REFUSED)
def test_an_invalid_value_is_refused(key, value, message):
    """The error states key, value and rule in one line."""
    with pytest.raises(ConfigError) as refusal:
        translate(LAST | {key: value})

    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("key", ["TARGET_SIZE", "NCLASSES", "N_DATA_BANDS"])
def test_some_keys_are_required(key):
    """They have no defaults."""
    with pytest.raises(ConfigError, match=f"{key} is missing, and Segmentation Gym requires it; add it"):
        translate({other: value for other, value in LAST.items() if other != key})


@pytest.mark.parametrize("model", ["unet", "resunet"])
def test_the_papers_networks_keep_their_kernel_and_stride(model):
    """A stride of 2 needs no new key, because every level halves its input."""
    translation = translate(LAST | {"MODEL": model})

    assert translation.options["model"] == model
    assert translation.values["model.kernel"] == 5
    assert row_of(LAST | {"MODEL": model}, "STRIDE")[2:] == ("kept", "", "every level has stride 2")


@pytest.mark.parametrize("model", ["simple_unet", "simple_resunet"])
def test_the_pooling_networks_convolve_2x2_whatever_the_file_says(model):
    """The original passes neither KERNEL nor STRIDE to them, so even a stride of 1 is accepted."""
    old = LAST | {"MODEL": model, "STRIDE": 1}
    translation = translate(old)

    assert translation.options["model"] == model
    assert translation.values["model.kernel"] == 2
    assert row_of(old, "KERNEL").outcome == "dropped"
    assert "pooling networks of the original always have 2x2 kernels" in row_of(old, "KERNEL").detail
    assert "pooling networks of the original always halve by pooling" in row_of(old, "STRIDE").detail
    assert row_of(old, "MODEL")[2:] == ("kept", "model", f"model={model}: its kernel is 2x2 in the original")


@pytest.mark.parametrize(("mode", "upsampling"), [("simple", "nearest"), ("deconv", "transpose")])
@pytest.mark.parametrize("model", ["unet", "resunet"])
def test_networks_of_the_second_generation_use_pooling(model, mode, upsampling):
    """With UPSAMPLE_MODE but without KERNEL and STRIDE, unet means what was later called simple_unet."""
    old = SECOND | {"MODEL": model, "UPSAMPLE_MODE": mode}
    translation = translate(old)

    assert translation.options == {"model": f"simple_{model}", "filters": 8, "loss": "dice"}
    assert translation.values["model.kernel"] == 2
    assert translation.values["model.upsampling"] == upsampling
    assert row_of(old, "MODEL").outcome == "renamed"
    assert f"the earlier {model}, which pools and has 2x2 kernels" in row_of(old, "MODEL").detail
    assert ("in its shortcuts" in row_of(old, "MODEL").detail) == (model == "resunet")
    assert ("does not halve the feature maps" in row_of(old, "UPSAMPLE_MODE").detail) == (mode == "deconv")
    assert "KERNEL" not in [row.key for row in translation.rows]


@pytest.mark.parametrize("more", [{"KERNEL": 7}, {"STRIDE": 2}, {"MODEL": "simple_unet"}])
def test_files_of_the_last_generation_ignore_the_upsampling_mode(more):
    """Any key or value of the last generation is enough to recognise it."""
    old = SECOND | more

    assert translate(old).options["model"] == old["MODEL"]
    assert "model.upsampling" not in translate(old).values
    assert row_of(old, "UPSAMPLE_MODE").outcome == "dropped"
    assert "the original ignored it once it had KERNEL" in row_of(old, "UPSAMPLE_MODE").detail


def test_the_first_generation_had_one_network():
    """It is a residual U-Net without dropout, with the batch size as its filters, and with the Dice loss."""
    translation = translate(FIRST)

    assert translation.options == {"model": "resunet", "filters": 12, "loss": "dice"}
    assert translation.values["model.kernel"] == 7
    assert translation.values["model.dropout"] == 0
    assert row_of(FIRST, "MODEL").outcome == "added"
    assert (
        "the only network before this key existed; its stem had a 7x7 kernel, here 2x2" in row_of(FIRST, "MODEL").detail
    )
    assert row_of(FIRST, "FILTERS").detail == "filters=12: the batch size, before this key existed"
    assert row_of(FIRST, "LOSS").detail == "loss=dice: the only loss before this key existed"
    assert row_of(FIRST, "KERNEL_SIZE")[2:] == ("renamed", "model.kernel", "model.kernel=7")


def test_kernel_takes_precedence_over_kernel_size():
    """The original does not read KERNEL_SIZE once it has KERNEL."""
    old = LAST | {"KERNEL_SIZE": 3}

    assert translate(old).values["model.kernel"] == 5
    assert row_of(old, "KERNEL_SIZE")[2:] == ("dropped", "", "KERNEL takes precedence")


def test_missing_keys_get_the_defaults_of_the_original():
    """The report lists them as added, so that no default of this program applies."""
    translation = translate({key: LAST[key] for key in ("TARGET_SIZE", "MODEL", "NCLASSES", "N_DATA_BANDS")})

    assert translation.options == {"model": "unet", "filters": 8, "loss": "dice"}
    assert translation.values == {
        "model.kernel": 7,
        "model.dropout": 0.1,
        "model.dropout_change": 0.0,
        "model.dropout_kind": "standard",
        "model.dropout_on_up": False,
        "data.size": [64, 32],
        "data.classes": ["class_0", "class_1", "class_2"],
        "data.bands": ["red", "green", "blue"],
        "split.validation": 0.6,
        "augment.mode": "offline",
        "augment.copies": 1,
        "augment.rotation": 0.0,
        "augment.zoom": 0.0,
        "augment.shift_columns": 0.0,
        "augment.shift_rows": 0.0,
        "augment.flip_horizontal": False,
        "augment.flip_vertical": False,
        "schedule.start_rate": 1e-7,
        "schedule.max_rate": 1e-4,
        "schedule.min_rate": 1e-7,
        "schedule.rampup_epochs": 20,
        "schedule.sustain_epochs": 0,
        "schedule.decay": 0.9,
        "training.batch": 8,
        "training.epochs": 100,
        "training.patience": 10,
    }
    assert [row.outcome for row in translation.rows[:4]] == ["renamed", "kept", "renamed", "renamed"]
    assert {row.outcome for row in translation.rows[4:]} == {"added"}
    assert all(": " in row.detail and row.value == "" for row in translation.rows[4:])


@pytest.mark.parametrize(("filters", "option"), [(2, True), (12, True), (10, False), (0, False)])
def test_filters_select_an_option_of_the_group_if_there_is_one(filters, option):
    """``filters=`` on the command line can then replace it; it could not replace ``model.filters``."""
    translation = translate(LAST | {"FILTERS": filters})

    assert translation.options.get("filters") == (filters if option else None)
    assert translation.values.get("model.filters") == (None if option else filters)


def test_the_options_of_filters_are_those_of_the_group():
    """A new option of the group is known without a further change."""
    present = {int(path.stem) for path in (configuration_folder() / "filters").glob("*.yaml")}

    found = {filters for filters in range(1, 100) if "filters" in translate(LAST | {"FILTERS": filters}).options}

    assert found == present


@pytest.mark.parametrize(
    ("name", "loss"),
    [("cat", "cce"), ("categorical", "cce"), ("k", "kld"), ("kld", "kld"), ("dice", "dice"), ("hinge", "hinge")],
)
def test_a_loss_is_recognised_by_its_first_letters(name, loss):
    """The original compares only these."""
    assert translate(LAST | {"LOSS": name}).options["loss"] == loss


def test_dice_weights_are_inverted_as_in_the_original():
    """Each becomes one minus its share: 1, 1, 2 become 0.75, 0.75, 0.5."""
    values = translate(LAST | {"LOSS_WEIGHTS": [1, 1, 2]}).values

    assert values["loss.class_weights"] == [0.75, 0.75, 0.5]
    assert values["loss.weighting"] == "given"


@pytest.mark.parametrize(
    ("loss", "weights", "reason"),
    [
        ("dice", True, "it failed in the original, and Dice already weights all classes equally"),
        ("cat", True, "the original weighted only the Dice loss; set loss.weighting=frequency to weight this one"),
        ("cat", [1, 1, 2], "the original weighted only the Dice loss; set loss.weighting=frequency to weight this one"),
    ],
)
def test_weights_without_effect_in_the_original_are_dropped(loss, weights, reason):
    """Otherwise, they would change the training."""
    old = LAST | {"LOSS": loss, "LOSS_WEIGHTS": weights}

    assert row_of(old, "LOSS_WEIGHTS")[2:] == ("dropped", "", reason)
    assert not any(key.startswith("loss.") for key in translate(old).values)


def test_false_disables_class_weights():
    """The key is translated instead of dropped."""
    assert translate(LAST | {"LOSS_WEIGHTS": False}).values["loss.weighting"] == "none"


@pytest.mark.parametrize(
    ("count", "names"),
    [
        (1, ["band_1"]),
        (2, ["band_1", "band_2"]),
        (3, ["red", "green", "blue"]),
        (4, ["red", "green", "blue", "nir"]),
        (5, ["red", "green", "blue", "nir", "swir"]),
        (6, ["band_1", "band_2", "band_3", "band_4", "band_5", "band_6"]),
    ],
)
def test_bands_get_names(count, names):
    """Three to five bands get the usual names, any other number is numbered."""
    assert translate(LAST | {"N_DATA_BANDS": count}).values["data.bands"] == names


def test_one_class_becomes_two():
    """The second is everything else; masks often contain 0 and 255, so the report suggests a remap."""
    assert translate(LAST | {"NCLASSES": 1}).values["data.classes"] == ["class_0", "class_1"]
    assert "data.remap={0:0,255:1}" in row_of(LAST | {"NCLASSES": 1}, "NCLASSES").detail
    assert translate(LAST | {"NCLASSES": 2}).values["data.classes"] == ["class_0", "class_1"]
    assert "255" not in row_of(LAST | {"NCLASSES": 2}, "NCLASSES").detail


@pytest.mark.parametrize(
    ("remap", "note"),
    [
        ({"0": 1, "1": 0}, ": all at once; the original applied them one by one and mapped 0 to 0"),
        ({"0": 1, "1": 2, "2": 0}, ": all at once; the original applied them one by one and mapped 0 to 0, 1 to 0"),
        ({"0": 0, "1": 0, "2": 1}, ""),
    ],
)
def test_a_remap_that_the_original_applied_differently_is_reported(remap, note):
    """The original replaced one value after the other, so that a value could be replaced twice."""
    assert row_of(LAST | {"REMAP_CLASSES": remap}, "REMAP_CLASSES").detail.endswith("}" + note)


def test_a_rotation_below_one_degree_is_reported():
    """Many files have 0.05, as for the shifts, although the original uses degrees."""
    assert row_of(LAST | {"AUG_ROT": 0.05}, "AUG_ROT").detail.endswith(
        "in the original; below 1 there is almost no rotation"
    )
    assert row_of(LAST | {"AUG_ROT": 5}, "AUG_ROT").detail == "augment.rotation=5.0: in degrees"


@pytest.mark.parametrize("key", legacy_keys.DROPPED)
def test_a_key_without_an_equivalent_is_dropped_with_a_reason(key):
    """It has no effect, whatever its value."""
    old = LAST | {key: {"any": "value"}}

    assert row_of(old, key)[2:] == ("dropped", "", legacy_keys.DROPPED[key])
    assert translate(old).values == translate(LAST).values


def test_an_unknown_key_is_reported():
    """Otherwise, a misspelt key would silently leave a default in place."""
    assert row_of(LAST | {"X": 1}, "X") == ("X", "1", "dropped", "", "not in the original either")
    assert row_of(LAST | {"FILTRES": 1}, "FILTRES").detail == "not in the original either; did you mean FILTERS?"


def test_outcomes_distinguish_kept_and_renamed_keys():
    """A key is kept if neither its name nor its value changes, apart from case and group."""
    old = LAST | {"PATIENCE": 3, "MAX_EPOCHS": 9, "LOSS": "cat"}

    assert row_of(old, "PATIENCE") == ("PATIENCE", "3", "kept", "training.patience", "training.patience=3")
    assert row_of(old, "MAX_EPOCHS").outcome == "renamed"
    assert row_of(old, "LOSS") == ("LOSS", '"cat"', "renamed", "loss", "loss=cce")
    assert row_of(LAST, "LOSS").outcome == "kept"


def test_blank_lines_and_a_byte_order_mark_are_accepted():
    """Windows editors add the mark at the beginning."""
    content = json.dumps(LAST).encode()

    assert parse(content + b"\n  \r\n\t", "x") == LAST
    assert parse(b"\xef\xbb\xbf" + content, "x") == LAST


def test_surrogate_pairs_and_nested_lists_are_accepted():
    """A pair is one character, and lists and objects may be nested eight deep."""
    assert parse(b'{"MODEL": "\\ud83c\\udf0a"}', "x") == {"MODEL": "\N{WATER WAVE}"}
    assert parse(b'{"MODEL": ' + 7 * b"[" + 7 * b"]" + b"}", "x")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"MODEL": "unet",}', r"^a\.json is not valid JSON: .*line 1 column 1\d.*; correct the file\.$"),
        (b"", r"^a\.json is not valid JSON: .*; correct the file\.$"),
        (b"\xff\xfe\x00", r"^a\.json is not valid JSON: .*; correct the file\.$"),
        (b"[1, 2]", r"^a\.json has none of the keys of a Segmentation Gym configuration, such as TARGET_SIZE"),
        (b'{"model": "unet"}', r"^a\.json has none of the keys of a Segmentation Gym configuration"),
        (
            b'{"ROOT_STRING": "a\\ud800b"}',
            r"^a\.json contains the unpaired surrogate \\ud800; correct the file\.$",
        ),
        (b'{"MODEL": "unet", "\\udfff": 1}', r"^a\.json contains the unpaired surrogate \\udfff; correct the file\.$"),
        (b'{"X": ' + 8 * b"[" + 8 * b"]" + b"}", r"^a\.json has lists or objects nested more than 8 deep; correct"),
        (
            b'{"MODEL": ' + 100_000 * b"[",
            r"^a\.json has lists or objects nested more than 8 deep; correct the file",
        ),
    ],
)
def test_other_files_are_refused(content, message):
    """They are broken, or not a configuration of the original program."""
    with pytest.raises(ConfigError, match=message):
        parse(content, "a.json")
