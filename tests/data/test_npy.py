"""Headers of arrays are checked against the size of the file before memory is allocated."""

import zipfile

import numpy as np
import pytest

from gym.data.npy import map_npy, read_npy, read_stored_arrays


@pytest.mark.parametrize("values", [np.arange(6).reshape(2, 3), np.asfortranarray(np.eye(3, 2)), np.zeros((0, 2, 2))])
def test_an_array_is_read_as_numpy_reads_it(tmp_path, values):
    """Order, type and shape are kept, of an empty array too."""
    np.save(tmp_path / "a.npy", values)

    read = read_npy(tmp_path / "a.npy")

    np.testing.assert_array_equal(read, np.load(tmp_path / "a.npy"))
    assert (read.dtype, read.shape) == (values.dtype, values.shape)


def test_a_mapped_array_is_read_only(tmp_path):
    """The file of a dataset is never changed."""
    np.save(tmp_path / "a.npy", np.arange(6))

    mapped = map_npy(tmp_path / "a.npy")

    assert mapped.tolist() == list(range(6))
    assert not mapped.flags.writeable


def save(path, shape, descr="<i8", content=b"\x00" * 48):
    """Write a header that does not fit its values."""
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})
        stream.write(content)


@pytest.mark.parametrize("shape", [(10**12,), (7,), (5,), (-2, -3), (2**62, 2**62), (True, 6)])
def test_a_shape_that_does_not_fit_is_refused(tmp_path, shape):
    """A huge one would exhaust the memory."""
    save(tmp_path / "a.npy", shape)

    for read in (read_npy, map_npy):
        with pytest.raises(ValueError, match=r"a\.npy has 48 bytes, but its shape|damaged header of an array"):
            read(tmp_path / "a.npy")


@pytest.mark.parametrize("descr", ["<U2", "|O", "|V8", [("a", "<i8")]])
def test_values_that_are_no_numbers_are_refused(tmp_path, descr):
    """Python objects among them, which would run code."""
    save(tmp_path / "a.npy", (6,), descr)

    with pytest.raises(ValueError, match=r"a\.npy holds .*, not numbers"):
        read_npy(tmp_path / "a.npy")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"PK\x03\x04", b"\x93NUMPY\x01\x00\xff\xff{", 200 * b"\xff"])
def test_a_damaged_header_is_refused(tmp_path, content):
    """Whatever NumPy raises becomes one kind of error."""
    (tmp_path / "a.npy").write_bytes(content)

    with pytest.raises(ValueError, match="damaged header of an array"):
        read_npy(tmp_path / "a.npy")


def test_a_compressed_archive_is_refused(tmp_path):
    """Checkpoints are stored uncompressed, so that no file can expand."""
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(1000))
    with pytest.raises(ValueError, match=r"a\.npy is compressed"):
        read_stored_arrays(tmp_path / "a.npz")

    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("b.npy", b"\x93NUMPY")
    with pytest.raises(ValueError, match="damaged header"):
        read_stored_arrays(tmp_path / "b.npz")
