"""Tests of npz archives: found, read without unpacking, and rejected by name if damaged or malicious."""

import io
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gym.core.errors import DataError
from gym.data.readers.archives import NpzFile, find_npz_files, list_arrays, read_arrays

IMAGE = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


def find(paths):
    """The files without their names."""
    files, left_out, skipped = find_npz_files(paths)
    assert skipped == {}
    return list(files.values()), left_out


def npz_bytes(**arrays):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def write_npz(path, **arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(npz_bytes(**(arrays or {"image": IMAGE})))
    return path


def write_zip(path, **entries):
    """A zip of named entries; None means an npz with an image."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, npz_bytes(image=IMAGE) if content is None else content)
    return path


def npy_bytes(descr, shape, data=b""):
    """An npy file with any header."""
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def write_raw(path, **entries):
    """An npz whose arrays are arbitrary bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(f"{name}.npy", content)
    return path


def test_npz_files_are_found_in_folders_and_zips(tmp_path):
    """They are sorted by stem; other files, hidden files and files added by macOS are ignored."""
    write_npz(tmp_path / "b.npz")
    write_npz(tmp_path / ".hidden.npz")
    (tmp_path / "notes.csv").write_text("x")
    entries = ["sub/c.npz", "a.NPZ", "__MACOSX/d.npz", "sub/.e.npz", ".f/g.npz", "h.npz/"]
    write_zip(tmp_path / "r.zip", **dict.fromkeys(entries), **{"meta.csv": "x"})

    files, left_out = find([tmp_path])

    release = tmp_path / "r.zip"
    assert files == [NpzFile(release, "a.NPZ"), NpzFile(tmp_path / "b.npz"), NpzFile(release, "sub/c.npz")]
    assert left_out == {}


def test_folders_are_searched_at_any_depth(tmp_path):
    """Each depth is sorted by name; hidden folders, those of macOS and links are ignored."""
    for place in ("b/2/x.npz", "b/10/y.npz", "a/deep/down/z.npz", ".git/g.npz", "a/.trash/t.npz", "__MACOSX/m.npz"):
        write_npz(tmp_path / place)
    write_zip(tmp_path / "b" / "1.zip", **{"x.npz": None})
    (tmp_path / "empty").mkdir()
    (tmp_path / "a" / "back").symlink_to(tmp_path, target_is_directory=True)

    files, left_out, skipped = find_npz_files([tmp_path])

    packed = tmp_path / "b" / "1.zip"
    places = {
        "x": NpzFile(packed, "x.npz"),
        "y": NpzFile(tmp_path / "b/10/y.npz"),
        "z": NpzFile(tmp_path / "a/deep/down/z.npz"),
    }
    assert (files, left_out) == (places, {})
    assert skipped == {f"{tmp_path}/b/2/x.npz": f"has the same contents as {packed}!x.npz, which is used."}


def test_a_location_has_a_readable_name_and_can_be_pickled(tmp_path):
    """Its stem has no folder or ending; zip entries made on Windows contain backslashes."""
    entry = NpzFile(Path("data/release.zip"), "sub/duck_2014.01_L8.npz")

    assert (entry.stem, str(entry)) == ("duck_2014.01_L8", "data/release.zip!sub/duck_2014.01_L8.npz")
    assert (NpzFile(Path("data/x.npz")).stem, str(NpzFile(Path("data/x.npz")))) == ("x", "data/x.npz")
    assert NpzFile(Path("r.zip"), "sub\\x.npz").stem == "x"
    assert pickle.loads(pickle.dumps(entry)) == entry  # noqa: S301 - our own bytes


def test_a_zip_may_have_any_name(tmp_path):
    """A download may have no ending."""
    release = write_zip(tmp_path / "release", **{"x.npz": None})

    assert find([release]) == ([NpzFile(release, "x.npz")], {})


def test_of_duplicates_the_first_path_wins(tmp_path):
    """Zip files of a release overlap; duplicates are skipped, whatever their alphabetical order."""
    first = write_zip(tmp_path / "z.zip", **{"x.npz": None, "other/x.npz": None})
    second = write_zip(tmp_path / "a.zip", **{"x.npz": None, "y.npz": None})

    files, left_out, skipped = find_npz_files([first, second])

    assert files == {"x": NpzFile(first, "x.npz"), "y": NpzFile(second, "y.npz")}
    reason = f"has the same contents as {first}!x.npz, which is used."
    assert left_out == {}
    assert skipped == {f"{first}!other/x.npz": reason, f"{second}!x.npz": reason}


def test_different_files_with_one_stem_are_all_used(tmp_path):
    """The original program numbers the files of each side from 0, so two folders may share names."""
    for folder, image in (("train_npzs", IMAGE), ("val_npzs", IMAGE + 1)):
        write_npz(tmp_path / folder / "set_noaug_nd_data_0.npz", image=image)
    packed = write_zip(tmp_path / "more.zip", **{"set_noaug_nd_data_0.npz": npz_bytes(image=IMAGE + 2)})

    files, left_out, skipped = find_npz_files([tmp_path / "train_npzs", tmp_path / "val_npzs", packed])

    assert list(files) == [f"{place}_set_noaug_nd_data_0" for place in ("more", "train_npzs", "val_npzs")]
    assert left_out == skipped == {}


@pytest.mark.parametrize("taken", ["a_x", "a_x_1"])
def test_names_never_collide(tmp_path, taken):
    """Two files with one stem are named by folder and stem, with a number if that name is taken."""
    places = {"first": write_npz(tmp_path / "p" / "a" / "x.npz", image=IMAGE)}
    places["second"] = write_npz(tmp_path / "q" / "a" / "x.npz", image=IMAGE + 1)
    places["third"] = write_npz(tmp_path / "p" / "a" / f"{taken}.npz", image=IMAGE + 2)

    for order in ([tmp_path / "p" / "a", tmp_path / "q" / "a"], [places["second"], tmp_path / "p" / "a"]):
        files = find_npz_files(order).files
        assert set(files.values()) == {NpzFile(path) for path in places.values()}
        assert files[taken] == NpzFile(places["third"])
        assert set(files) == {taken, *({"a_x_1", "a_x_2"} if taken == "a_x" else {"a_x", "a_x_2"})}


def test_of_duplicates_in_a_folder_the_first_by_name_wins(tmp_path):
    """The order of the disk does not matter."""
    for name in ("b.zip", "c.zip", "a.zip"):
        write_zip(tmp_path / name, **{"x.npz": None})

    files, _, skipped = find_npz_files([tmp_path])

    assert files == {"x": NpzFile(tmp_path / "a.zip", "x.npz")}
    assert list(skipped) == [f"{tmp_path / 'b.zip'}!x.npz", f"{tmp_path / 'c.zip'}!x.npz"]


def test_a_file_named_twice_is_read_once(tmp_path):
    """It is given in its folder and by itself, and nothing is left out."""
    path = write_npz(tmp_path / "x.npz")

    assert find([tmp_path, path]) == ([NpzFile(path)], {})


@pytest.mark.parametrize("name", ["../x.npz", "a/../../x.npz", "/abs/x.npz", "..\\x.npz", "C:\\x.npz"])
def test_entries_that_point_outside_the_zip_are_left_out(tmp_path, name):
    """Nothing is unpacked, so they are harmless, but not trustworthy."""
    release = write_zip(tmp_path / "r.zip", **{name: None, "good.npz": None})

    files, left_out = find([release])

    assert files == [NpzFile(release, "good.npz")]
    assert left_out == {f"{release}!{name}": "has a name that points outside the zip; create the zip again."}


def test_empty_and_encrypted_files_are_left_out(tmp_path):
    """They are left out with a reason, as is a folder named like an npz."""
    release = write_zip(tmp_path / "r.zip", **{"empty.npz": b"", "locked.npz": None})
    raw = bytearray(release.read_bytes())
    raw[raw.rindex(b"PK\x01\x02") + 8] |= 1  # the flags of the last entry of the directory
    release.write_bytes(raw)
    (tmp_path / "zero.npz").touch()
    (tmp_path / "folder.npz").mkdir()
    good = write_npz(tmp_path / "good.npz")

    files, left_out = find([tmp_path])

    assert files == [NpzFile(good)]
    assert left_out == {
        str(tmp_path / "folder.npz"): "is not a file; remove it.",
        f"{release}!empty.npz": "is empty (0 bytes); replace it.",
        f"{release}!locked.npz": "is encrypted; unpack the zip with its password and give the folder.",
        str(tmp_path / "zero.npz"): "is empty (0 bytes); replace it.",
    }
    with pytest.raises(DataError, match=r"r\.zip!locked\.npz cannot be read \(.*encrypted.*\); replace or remove it"):
        read_arrays(NpzFile(release, "locked.npz"), ["image"])


def test_a_damaged_zip_is_left_out_or_rejected_if_alone(tmp_path):
    """One failed download of several does not stop the work."""
    half = tmp_path / "half.zip"
    half.write_bytes(write_zip(tmp_path / "good.zip", **{"x.npz": None}).read_bytes()[:100])

    files, left_out = find([half, tmp_path / "good.zip"])

    assert files == [NpzFile(tmp_path / "good.zip", "x.npz")]
    assert left_out == {str(half): "cannot be opened as a zip (File is not a zip file); replace it."}
    with pytest.raises(
        DataError, match=r"no readable \.npz in .*half\.zip: .*half\.zip cannot be opened as a zip \(File is not"
    ):
        find([half])


def test_paths_without_npz_files_are_rejected(tmp_path):
    """A path does not exist, or a folder and a zip hold no npz."""
    with pytest.raises(
        DataError, match=r"nowhere does not exist; give a folder of \.npz files, an \.npz or a \.zip of them\.$"
    ):
        find([tmp_path / "nowhere"])
    empty = write_zip(tmp_path / "r.zip", **{"meta.csv": "x"})
    with pytest.raises(DataError, match=r"no readable \.npz in .*, .*r\.zip: give a folder of \.npz files, an"):
        find([tmp_path, empty])


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.dtype(">u2"), np.int64, np.float32, np.bool_, np.dtype("U3")]),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0),
    ),
    st.booleans(),
)
def test_arrays_written_by_numpy_round_trip(tmp_path_factory, array, by_columns):
    """Any type, shape and memory order is read, from a file and from a zip of files."""
    folder = tmp_path_factory.mktemp("round")
    content = npz_bytes(x=np.asfortranarray(array) if by_columns else array, y=IMAGE)
    (folder / "a.npz").write_bytes(content)
    write_zip(folder / "r.zip", **{"a.npz": content})

    for npz in (NpzFile(folder / "a.npz"), NpzFile(folder / "r.zip", "a.npz")):
        arrays = read_arrays(npz, ["x", "absent"])
        assert list(arrays) == ["x"]
        assert arrays["x"].dtype == array.dtype
        np.testing.assert_array_equal(arrays["x"], array)
        assert list_arrays(npz) == ["x", "y"]


def test_uncompressed_files_and_long_headers_are_read(tmp_path):
    """The first versions of Doodler did not compress, and format 2.0 allows many fields."""
    np.savez(tmp_path / "plain.npz", image=IMAGE)
    header = repr({"descr": "|u1", "fortran_order": False, "shape": (2, 4, 3)}).encode().ljust(300) + b"\n"
    second = b"\x93NUMPY\x02\x00" + struct.pack("<I", len(header)) + header + IMAGE.tobytes()
    write_raw(tmp_path / "second.npz", image=second)

    for name in ("plain", "second"):
        image = read_arrays(NpzFile(tmp_path / f"{name}.npz"), ["image"])["image"]
        np.testing.assert_array_equal(image, IMAGE)


def test_files_of_python_2_are_read_without_a_warning(tmp_path):
    """Their headers contain long integers such as 2L."""
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (2L, 4L, 3L)}"
    path = write_raw(
        tmp_path / "x.npz", image=b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + IMAGE.tobytes()
    )

    np.testing.assert_array_equal(read_arrays(NpzFile(path), ["image"])["image"], IMAGE)


def test_only_requested_arrays_are_read(tmp_path):
    """An array of settings with objects does no harm."""
    path = write_npz(tmp_path / "x.npz", image=IMAGE, settings=np.array([{"a": 1}, None]))

    np.testing.assert_array_equal(read_arrays(NpzFile(path), ["image"])["image"], IMAGE)


def test_entries_that_are_not_arrays_are_ignored(tmp_path):
    """A file may contain a note."""
    path = write_npz(tmp_path / "x.npz")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("note.txt", "x")

    assert list_arrays(NpzFile(path)) == ["image"]
    assert read_arrays(NpzFile(path), ["note.txt"]) == {}


def test_objects_are_never_unpickled(tmp_path):
    """Their pickle is not executed."""

    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    path = write_npz(tmp_path / "x.npz", label=np.array([Trap()], dtype=object))

    with pytest.raises(
        DataError,
        match=r"label of .*x\.npz holds Python objects, which are never loaded; save plain numbers or strings",
    ):
        read_arrays(NpzFile(path), ["label"])
    assert not (tmp_path / "sprung").exists()


def test_damaged_files_are_rejected_by_name(tmp_path):
    """They are cut short, not npz at all, missing, or have one byte changed."""
    whole = write_npz(tmp_path / "whole.npz", label=np.random.default_rng(0).integers(0, 255, (64, 64))).read_bytes()
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 0xFF
    contents = {"half": whole[: len(whole) // 2], "text": b"not an npz", "changed": bytes(changed)}
    for name, content in contents.items():
        (tmp_path / f"{name}.npz").write_bytes(content)

    for name in (*contents, "gone"):
        with pytest.raises(DataError, match=rf"{name}\.npz cannot be read \(.+\); replace or remove it"):
            read_arrays(NpzFile(tmp_path / f"{name}.npz"), ["label"])


def test_an_error_without_a_message_is_named_by_its_type(tmp_path, monkeypatch):
    """A machine with too little memory raises one."""
    path = write_npz(tmp_path / "x.npz")

    def exhaust(*_, **__):
        raise MemoryError

    monkeypatch.setattr(np.lib.format, "read_array", exhaust)
    with pytest.raises(DataError, match=r"x\.npz cannot be read \(MemoryError\); replace or remove it"):
        read_arrays(NpzFile(path), ["image"])


def test_a_damaged_npz_of_a_zip_is_named_with_its_zip(tmp_path):
    """An entry is not an npz, or missing."""
    release = write_zip(tmp_path / "r.zip", **{"x.npz": b"not an npz"})

    for entry in ("x.npz", "y.npz"):
        with pytest.raises(DataError, match=rf"r\.zip!{entry} cannot be read \(.+\); replace or remove it"):
            list_arrays(NpzFile(release, entry))


def test_an_array_that_does_not_fit_its_shape_is_rejected(tmp_path):
    """It is shorter or longer than its header declares."""
    for name, data in {"short": b"123", "long": b"12345"}.items():
        path = write_raw(tmp_path / f"{name}.npz", label=npy_bytes("|u1", (2, 2), data))
        with pytest.raises(
            DataError, match=rf"label of .*{name}\.npz has {len(data)} bytes, but its shape \(2, 2\) needs 4; replace"
        ):
            read_arrays(NpzFile(path), ["label"])


def test_an_oversized_array_is_rejected_before_it_is_decompressed(tmp_path):
    """The size is declared by the npy header, the zip, or an outer zip."""
    size = 1 << 26
    entry = write_zip(tmp_path / "r.zip", **{"bomb.npz": bytes(size)})
    whole, lying, much = tmp_path / "whole.npz", tmp_path / "lying.npz", tmp_path / "much.npz"
    cases = [
        (
            write_raw(whole, x=npy_bytes("|u1", (size,), bytes(size))),
            "",
            f"would take {size} bytes, which exceeds the limit of",
        ),
        (
            write_raw(lying, x=npy_bytes("|u1", (size, size), b"1")),
            "",
            f"would take {size**2} bytes, which exceeds the limit",
        ),
        (
            write_raw(much, x=npy_bytes("|u1", (1,), bytes(size))),
            "",
            rf"has {size} bytes, but its shape \(1,\) needs 1",
        ),
        (
            entry,
            "bomb.npz",
            f"would take {size} bytes, which exceeds the limit of 1048576; cut the image into smaller ones",
        ),
    ]
    for path, entry, message in cases:
        tracemalloc.start()
        with pytest.raises(DataError, match=message):
            read_arrays(NpzFile(path, entry), ["x"], size_limit=1 << 20)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1 << 20, path


def test_many_empty_strings_do_not_evade_the_limit(tmp_path):
    """Their type has zero bytes, but a list of them takes memory."""
    path = write_raw(tmp_path / "x.npz", classes=npy_bytes("<U0", (1 << 40,)))

    with pytest.raises(
        DataError, match=r"classes of .* would take 1099511627776 bytes, which exceeds the limit of 2147483648"
    ):
        read_arrays(NpzFile(path), ["classes"])


def test_an_array_of_exactly_the_limit_is_read(tmp_path):
    """The header does not count."""
    path = write_npz(tmp_path / "x.npz", image=IMAGE)

    assert read_arrays(NpzFile(path), ["image"], size_limit=24)["image"].shape == IMAGE.shape
    with pytest.raises(DataError, match=r"image of .* would take 24 bytes, which exceeds the limit of 23"):
        read_arrays(NpzFile(path), ["image"], size_limit=23)


HOSTILE_HEADERS = [
    b"{'descr': '|u1', 'fortran_order': False, 'shape': (-2, -2)}",
    b"{'descr': '|u1', 'fortran_order': False, 'shape': (4L)}",
    b"{'descr': 'nonsense', 'fortran_order': False, 'shape': (4,)}",
    b"{'descr': ('|u1', -4), 'fortran_order': False, 'shape': (1,)}",
    b"{'descr': [('a', '|u1'), 1], 'fortran_order': False, 'shape': (4,)}",
    b"{'descr': '|u1', 'fortran_order': False",
    b"(" * 500,
    b"-" * 9000 + b"1",
    b"__import__('os').getcwd()",
    b"\xff" * 40,
    b"'''",
]


@pytest.mark.parametrize("header", HOSTILE_HEADERS)
def test_malicious_headers_raise_a_data_error(tmp_path, header):
    """Whatever NumPy raises, the user reads one line with the file in it."""
    npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"1234"
    path = write_raw(tmp_path / "x.npz", label=npy)

    with pytest.raises(DataError, match=r"x\.npz") as caught:
        read_arrays(NpzFile(path), ["label"])
    assert "\n" not in str(caught.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(changes=st.dictionaries(st.floats(0, 1, exclude_max=True), st.integers(1, 255), min_size=1, max_size=4))
@example(changes={0.0: 1})
def test_changed_bytes_cause_neither_a_traceback_nor_other_pixels(tmp_path, changes):
    """A changed file is read correctly, lacks an array, or is rejected by name."""
    content = bytearray(npz_bytes(label=IMAGE, image=IMAGE))
    for share, change in changes.items():
        content[int(share * len(content))] ^= change
    path = tmp_path / "x.npz"
    path.write_bytes(content)

    arrays, refusal = {}, f"{path} in one line"
    try:
        arrays = read_arrays(NpzFile(path), ["label", "image"])
    except DataError as error:
        refusal = str(error)

    assert str(path) in refusal
    assert "\n" not in refusal
    for array in arrays.values():
        np.testing.assert_array_equal(array, IMAGE)


def test_the_real_files_read_as_numpy_reads_them(real_data):
    """Four files of Doodler, one of which was saved twice."""
    files, left_out = find([real_data / "doodler"])

    assert (len(files), left_out) == (4, {})
    for npz in files:
        with np.load(npz.path) as whole:
            assert list_arrays(npz) == whole.files
            arrays = read_arrays(npz, whole.files)
            assert list(arrays) == whole.files
            for key in whole.files:
                np.testing.assert_array_equal(arrays[key], whole[key])
