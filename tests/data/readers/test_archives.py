"""Archives of strangers: found, read without unpacking, and refused by name where they are damaged or hostile."""

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


def find(places):
    """The members without their names."""
    members, left_out, passed_over = find_npz_files(places)
    assert passed_over == {}
    return list(members.values()), left_out


def npz_bytes(**arrays):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def write_npz(path, **arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(npz_bytes(**(arrays or {"image": IMAGE})))
    return path


def write_zip(path, **entries):
    """A zip of named entries; an npz with an image where only the name is given."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, npz_bytes(image=IMAGE) if content is None else content)
    return path


def npy_bytes(descr, shape, data=b""):
    """An npy file with any header."""
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def write_raw(path, **entries):
    """An npz whose arrays are any bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(f"{name}.npy", content)
    return path


def test_a_folder_gives_its_npz_and_those_in_its_zips(tmp_path):
    """By ascending stem, wherever they lie; other files, hidden ones and what a Mac adds are passed over."""
    write_npz(tmp_path / "b.npz")
    write_npz(tmp_path / ".hidden.npz")
    (tmp_path / "notes.csv").write_text("x")
    entries = ["sub/c.npz", "a.NPZ", "__MACOSX/d.npz", "sub/.e.npz", ".f/g.npz", "h.npz/"]
    write_zip(tmp_path / "r.zip", **dict.fromkeys(entries), **{"meta.csv": "x"})

    members, left_out = find([tmp_path])

    release = tmp_path / "r.zip"
    assert members == [NpzFile(release, "a.NPZ"), NpzFile(tmp_path / "b.npz"), NpzFile(release, "sub/c.npz")]
    assert left_out == {}


def test_folders_are_searched_at_any_depth(tmp_path):
    """By name at each depth, whatever the disk says first; hidden folders, a Mac's and links back are passed over."""
    for place in ("b/2/x.npz", "b/10/y.npz", "a/deep/down/z.npz", ".git/g.npz", "a/.trash/t.npz", "__MACOSX/m.npz"):
        write_npz(tmp_path / place)
    write_zip(tmp_path / "b" / "1.zip", **{"x.npz": None})
    (tmp_path / "empty").mkdir()
    (tmp_path / "a" / "back").symlink_to(tmp_path, target_is_directory=True)

    members, left_out, passed_over = find_npz_files([tmp_path])

    packed = tmp_path / "b" / "1.zip"
    places = {
        "x": NpzFile(packed, "x.npz"),
        "y": NpzFile(tmp_path / "b/10/y.npz"),
        "z": NpzFile(tmp_path / "a/deep/down/z.npz"),
    }
    assert (members, left_out) == (places, {})
    assert passed_over == {f"{tmp_path}/b/2/x.npz": f"holds the same as {packed}!x.npz, which is used."}


def test_a_member_says_where_it_is_and_travels_between_processes(tmp_path):
    """Its stem has no folder and no ending; entries of a zip made on Windows have backslashes."""
    inside = NpzFile(Path("data/release.zip"), "sub/duck_2014.01_L8.npz")

    assert (inside.stem, str(inside)) == ("duck_2014.01_L8", "data/release.zip!sub/duck_2014.01_L8.npz")
    assert (NpzFile(Path("data/x.npz")).stem, str(NpzFile(Path("data/x.npz")))) == ("x", "data/x.npz")
    assert NpzFile(Path("r.zip"), "sub\\x.npz").stem == "x"
    assert pickle.loads(pickle.dumps(inside)) == inside  # noqa: S301 - our own bytes


def test_a_zip_of_another_name_is_opened_too(tmp_path):
    """A download may have no ending."""
    release = write_zip(tmp_path / "release", **{"x.npz": None})

    assert find([release]) == ([NpzFile(release, "x.npz")], {})


def test_of_members_that_hold_the_same_the_first_place_wins(tmp_path):
    """Zip files of a release overlap: what is there already is passed over, whatever the order of the alphabet."""
    first = write_zip(tmp_path / "z.zip", **{"x.npz": None, "other/x.npz": None})
    second = write_zip(tmp_path / "a.zip", **{"x.npz": None, "y.npz": None})

    members, left_out, passed_over = find_npz_files([first, second])

    assert members == {"x": NpzFile(first, "x.npz"), "y": NpzFile(second, "y.npz")}
    reason = f"holds the same as {first}!x.npz, which is used."
    assert left_out == {}
    assert passed_over == {f"{first}!other/x.npz": reason, f"{second}!x.npz": reason}


def test_members_of_one_stem_that_differ_are_all_used(tmp_path):
    """The original numbers the files of each side from 0, so two folders of one project hold the same names."""
    for folder, image in (("train_npzs", IMAGE), ("val_npzs", IMAGE + 1)):
        write_npz(tmp_path / folder / "set_noaug_nd_data_0.npz", image=image)
    packed = write_zip(tmp_path / "more.zip", **{"set_noaug_nd_data_0.npz": npz_bytes(image=IMAGE + 2)})

    members, left_out, passed_over = find_npz_files([tmp_path / "train_npzs", tmp_path / "val_npzs", packed])

    assert list(members) == [f"{place}_set_noaug_nd_data_0" for place in ("more", "train_npzs", "val_npzs")]
    assert left_out == passed_over == {}


@pytest.mark.parametrize("taken", ["a_x", "a_x_1"])
def test_no_name_takes_the_place_of_another(tmp_path, taken):
    """Two of one stem are named by folder and stem, and by a number where that is a name already."""
    places = {"first": write_npz(tmp_path / "p" / "a" / "x.npz", image=IMAGE)}
    places["second"] = write_npz(tmp_path / "q" / "a" / "x.npz", image=IMAGE + 1)
    places["third"] = write_npz(tmp_path / "p" / "a" / f"{taken}.npz", image=IMAGE + 2)

    for order in ([tmp_path / "p" / "a", tmp_path / "q" / "a"], [places["second"], tmp_path / "p" / "a"]):
        members = find_npz_files(order).members
        assert set(members.values()) == {NpzFile(path) for path in places.values()}
        assert members[taken] == NpzFile(places["third"])
        assert set(members) == {taken, *({"a_x_1", "a_x_2"} if taken == "a_x" else {"a_x", "a_x_2"})}


def test_in_a_folder_the_first_by_name_wins(tmp_path):
    """However the disk lists them."""
    for name in ("b.zip", "c.zip", "a.zip"):
        write_zip(tmp_path / name, **{"x.npz": None})

    members, _, passed_over = find_npz_files([tmp_path])

    assert members == {"x": NpzFile(tmp_path / "a.zip", "x.npz")}
    assert list(passed_over) == [f"{tmp_path / 'b.zip'}!x.npz", f"{tmp_path / 'c.zip'}!x.npz"]


def test_a_file_named_twice_is_read_once(tmp_path):
    """In its folder and by itself: nothing is left out for that."""
    path = write_npz(tmp_path / "x.npz")

    assert find([tmp_path, path]) == ([NpzFile(path)], {})


@pytest.mark.parametrize("name", ["../x.npz", "a/../../x.npz", "/abs/x.npz", "..\\x.npz", "C:\\x.npz"])
def test_entries_that_lead_out_of_the_zip_are_left_out(tmp_path, name):
    """Nothing is unpacked, so they could do no harm; still they are no honest data."""
    release = write_zip(tmp_path / "r.zip", **{name: None, "good.npz": None})

    members, left_out = find([release])

    assert members == [NpzFile(release, "good.npz")]
    assert left_out == {f"{release}!{name}": "has a name that leads out of the zip; pack it anew."}


def test_empty_and_encrypted_members_are_left_out(tmp_path):
    """With the reason, beside the good ones; a folder named like an npz likewise."""
    release = write_zip(tmp_path / "r.zip", **{"empty.npz": b"", "locked.npz": None})
    raw = bytearray(release.read_bytes())
    raw[raw.rindex(b"PK\x01\x02") + 8] |= 1  # the flags of the last entry of the directory
    release.write_bytes(raw)
    (tmp_path / "zero.npz").touch()
    (tmp_path / "folder.npz").mkdir()
    good = write_npz(tmp_path / "good.npz")

    members, left_out = find([tmp_path])

    assert members == [NpzFile(good)]
    assert left_out == {
        str(tmp_path / "folder.npz"): "is no file; remove it.",
        f"{release}!empty.npz": "is empty (0 bytes); replace it.",
        f"{release}!locked.npz": "is encrypted; unpack it with its password and give the folder.",
        str(tmp_path / "zero.npz"): "is empty (0 bytes); replace it.",
    }
    with pytest.raises(DataError, match=r"r\.zip!locked\.npz cannot be read \(.*encrypted.*\); replace or remove it"):
        read_arrays(NpzFile(release, "locked.npz"), ["image"])


def test_a_damaged_zip_is_left_out_beside_others_and_refused_alone(tmp_path):
    """One bad download of several does not stop the work."""
    half = tmp_path / "half.zip"
    half.write_bytes(write_zip(tmp_path / "good.zip", **{"x.npz": None}).read_bytes()[:100])

    members, left_out = find([half, tmp_path / "good.zip"])

    assert members == [NpzFile(tmp_path / "good.zip", "x.npz")]
    assert left_out == {str(half): "cannot be opened as a zip (File is not a zip file); replace it."}
    with pytest.raises(
        DataError, match=r"not one \.npz to read in .*half\.zip: .*half\.zip cannot be opened as a zip \(File is not"
    ):
        find([half])


def test_nothing_to_read_is_refused(tmp_path):
    """A missing place, and a folder and a zip that hold no npz."""
    with pytest.raises(DataError, match=r"nowhere is missing; give a folder of \.npz files, an \.npz, or a \.zip"):
        find([tmp_path / "nowhere"])
    empty = write_zip(tmp_path / "r.zip", **{"meta.csv": "x"})
    with pytest.raises(DataError, match=r"not one \.npz to read in .*, .*r\.zip: give a folder of \.npz files, an"):
        find([tmp_path, empty])


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.dtype(">u2"), np.int64, np.float32, np.bool_, np.dtype("U3")]),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0),
    ),
    st.booleans(),
)
def test_what_numpy_wrote_comes_back(tmp_path_factory, array, by_columns):
    """Any type, shape and order in memory, from a file and from a zip of files."""
    folder = tmp_path_factory.mktemp("round")
    content = npz_bytes(x=np.asfortranarray(array) if by_columns else array, y=IMAGE)
    (folder / "a.npz").write_bytes(content)
    write_zip(folder / "r.zip", **{"a.npz": content})

    for member in (NpzFile(folder / "a.npz"), NpzFile(folder / "r.zip", "a.npz")):
        arrays = read_arrays(member, ["x", "absent"])
        assert list(arrays) == ["x"]
        assert arrays["x"].dtype == array.dtype
        np.testing.assert_array_equal(arrays["x"], array)
        assert list_arrays(member) == ["x", "y"]


def test_uncompressed_files_and_long_headers_are_read(tmp_path):
    """Doodler's first versions did not compress; format 2.0 has room for many fields."""
    np.savez(tmp_path / "plain.npz", image=IMAGE)
    header = repr({"descr": "|u1", "fortran_order": False, "shape": (2, 4, 3)}).encode().ljust(300) + b"\n"
    second = b"\x93NUMPY\x02\x00" + struct.pack("<I", len(header)) + header + IMAGE.tobytes()
    write_raw(tmp_path / "second.npz", image=second)

    for name in ("plain", "second"):
        image = read_arrays(NpzFile(tmp_path / f"{name}.npz"), ["image"])["image"]
        np.testing.assert_array_equal(image, IMAGE)


def test_files_of_python_2_are_read_in_silence(tmp_path):
    """Its long integers stand in the header as 2L."""
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (2L, 4L, 3L)}"
    path = write_raw(
        tmp_path / "x.npz", image=b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + IMAGE.tobytes()
    )

    np.testing.assert_array_equal(read_arrays(NpzFile(path), ["image"])["image"], IMAGE)


def test_only_wanted_arrays_are_looked_at(tmp_path):
    """A settings array of objects beside image and label does no harm."""
    path = write_npz(tmp_path / "x.npz", image=IMAGE, settings=np.array([{"a": 1}, None]))

    np.testing.assert_array_equal(read_arrays(NpzFile(path), ["image"])["image"], IMAGE)


def test_what_is_no_array_is_not_named(tmp_path):
    """Somebody may have packed a note along."""
    path = write_npz(tmp_path / "x.npz")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("note.txt", "x")

    assert list_arrays(NpzFile(path)) == ["image"]
    assert read_arrays(NpzFile(path), ["note.txt"]) == {}


def test_objects_are_never_unpickled(tmp_path):
    """What stands in their pickle is not run."""

    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    path = write_npz(tmp_path / "x.npz", label=np.array([Trap()], dtype=object))

    with pytest.raises(DataError, match=r"label of .*x\.npz holds Python objects, which are never loaded; save it as"):
        read_arrays(NpzFile(path), ["label"])
    assert not (tmp_path / "sprung").exists()


def test_damaged_files_are_named(tmp_path):
    """Cut short, no npz at all, gone, or with a byte changed."""
    whole = write_npz(tmp_path / "whole.npz", label=np.random.default_rng(0).integers(0, 255, (64, 64))).read_bytes()
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 0xFF
    contents = {"half": whole[: len(whole) // 2], "text": b"not an npz", "changed": bytes(changed)}
    for name, content in contents.items():
        (tmp_path / f"{name}.npz").write_bytes(content)

    for name in (*contents, "gone"):
        with pytest.raises(DataError, match=rf"{name}\.npz cannot be read \(.+\); replace or remove it"):
            read_arrays(NpzFile(tmp_path / f"{name}.npz"), ["label"])


def test_an_error_without_words_is_named_by_its_kind(tmp_path, monkeypatch):
    """As of a machine with too little memory."""
    path = write_npz(tmp_path / "x.npz")

    def exhaust(*_, **__):
        raise MemoryError

    monkeypatch.setattr(np.lib.format, "read_array", exhaust)
    with pytest.raises(DataError, match=r"x\.npz cannot be read \(MemoryError\); replace or remove it"):
        read_arrays(NpzFile(path), ["image"])


def test_a_damaged_member_of_a_zip_is_named_with_its_zip(tmp_path):
    """An entry that is no npz, and one that is not there."""
    release = write_zip(tmp_path / "r.zip", **{"x.npz": b"not an npz"})

    for entry in ("x.npz", "y.npz"):
        with pytest.raises(DataError, match=rf"r\.zip!{entry} cannot be read \(.+\); replace or remove it"):
            list_arrays(NpzFile(release, entry))


def test_an_array_shorter_or_longer_than_its_shape_is_refused(tmp_path):
    """Even where the header promises what could be had."""
    for name, data in {"short": b"123", "long": b"12345"}.items():
        path = write_raw(tmp_path / f"{name}.npz", label=npy_bytes("|u1", (2, 2), data))
        with pytest.raises(
            DataError, match=rf"label of .*{name}\.npz has {len(data)} bytes where its shape \(2, 2\) needs 4; replace"
        ):
            read_arrays(NpzFile(path), ["label"])


def test_an_oversized_array_costs_nothing(tmp_path):
    """Whether npy header, zip, or a zip around it declares the size, it is refused before it is decompressed."""
    size = 1 << 26
    entry = write_zip(tmp_path / "r.zip", **{"bomb.npz": bytes(size)})
    whole, lying, much = tmp_path / "whole.npz", tmp_path / "lying.npz", tmp_path / "much.npz"
    cases = [
        (write_raw(whole, x=npy_bytes("|u1", (size,), bytes(size))), "", f"would take {size} bytes, over the limit of"),
        (write_raw(lying, x=npy_bytes("|u1", (size, size), b"1")), "", f"would take {size**2} bytes, over the limit"),
        (
            write_raw(much, x=npy_bytes("|u1", (1,), bytes(size))),
            "",
            rf"has {size} bytes where its shape \(1,\) needs 1",
        ),
        (entry, "bomb.npz", f"would take {size} bytes, over the limit of 1048576; cut the image into smaller ones"),
    ]
    for path, inside, message in cases:
        tracemalloc.start()
        with pytest.raises(DataError, match=message):
            read_arrays(NpzFile(path, inside), ["x"], size_limit=1 << 20)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1 << 20, path


def test_many_texts_of_no_length_are_no_way_round_the_limit(tmp_path):
    """A type of zero bytes has no size, but a list of its items has."""
    path = write_raw(tmp_path / "x.npz", classes=npy_bytes("<U0", (1 << 40,)))

    with pytest.raises(DataError, match=r"classes of .* would take 1099511627776 bytes, over the limit of 2147483648"):
        read_arrays(NpzFile(path), ["classes"])


def test_an_array_of_exactly_the_limit_is_read(tmp_path):
    """The limit is of the array, its header not counted."""
    path = write_npz(tmp_path / "x.npz", image=IMAGE)

    assert read_arrays(NpzFile(path), ["image"], size_limit=24)["image"].shape == IMAGE.shape
    with pytest.raises(DataError, match=r"image of .* would take 24 bytes, over the limit of 23"):
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
def test_hostile_headers_are_refused_as_data(tmp_path, header):
    """Whatever NumPy makes of them, the user reads one line with the file in it."""
    npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"1234"
    path = write_raw(tmp_path / "x.npz", label=npy)

    with pytest.raises(DataError, match=r"x\.npz") as caught:
        read_arrays(NpzFile(path), ["label"])
    assert "\n" not in str(caught.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(changes=st.dictionaries(st.floats(0, 1, exclude_max=True), st.integers(1, 255), min_size=1, max_size=4))
@example(changes={0.0: 1})
def test_no_change_of_bytes_gives_a_traceback_or_other_pixels(tmp_path, changes):
    """A file with any bytes changed is read right, or not found, or refused by name."""
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
    """Four files of Doodler, one of them saved twice."""
    members, left_out = find([real_data / "doodler"])

    assert (len(members), left_out) == (4, {})
    for member in members:
        with np.load(member.path) as whole:
            assert list_arrays(member) == whole.files
            arrays = read_arrays(member, whole.files)
            assert list(arrays) == whole.files
            for key in whole.files:
                np.testing.assert_array_equal(arrays[key], whole[key])
