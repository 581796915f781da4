"""Bytes from anywhere: the hash of a checkpoint may be right and its author an enemy."""

import io
import pickle
import struct
import zipfile

import numpy as np
import pytest

from flowsense.store.checkpoint import CheckpointError, pack, unpack

ARRAYS = {
    "a/f": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "records": np.zeros(2, np.dtype([("x", "i8"), ("y", "f4", 3)])),
    "empty": np.zeros((0, 5), np.int32),
    "nothing": np.zeros(3, np.dtype([])),
    "text": np.array("abc"),
    "file": np.array([True]),
}


def npz(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def npy(shape, descr="'<f8'", data=b"", version=1):
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    size = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + size + header + data


def test_arrays_come_back_bit_equal_and_the_same_arrays_are_the_same_bytes():
    out = unpack(pack(ARRAYS))
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(out[name], array, strict=True)
    assert list(out) == list(ARRAYS)
    assert pack(ARRAYS) == pack({k: v.copy(order="K") for k, v in ARRAYS.items()})


def test_what_numpy_saved_is_read():
    buffer = io.BytesIO()
    np.savez(buffer, w=np.arange(3))
    assert unpack(buffer.getvalue())["w"].tolist() == [0, 1, 2]


def test_objects_are_not_packed():
    with pytest.raises(ValueError, match="Object arrays"):
        pack({"a": np.array([object()])})


def test_a_pickle_is_never_run(tmp_path):
    canary = tmp_path / "canary"

    class Payload:
        def __reduce__(self):
            return (open, (str(canary), "w"))

    pickle.loads(pickle.dumps(Payload())).close()
    assert canary.exists()  # the payload works
    canary.unlink()
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, w=np.array([Payload()], object))
    for data in (buffer.getvalue(), npz(**{"w.npy": pickle.dumps(Payload())})):
        with pytest.raises(CheckpointError):
            unpack(data)
    assert not canary.exists()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a readable npz"),
        (pickle.dumps([1]), "not a readable npz"),
        (npz(**{"../w.npy": npy((0,))}), "not allowed"),
        (npz(**{"/w.npy": npy((0,))}), "not allowed"),
        (npz(**{"a/../../w.npy": npy((0,))}), "not allowed"),
        (npz(**{"w.pkl": b""}), "not allowed"),
        (npz(**{"w.npy": npy((1 << 60,))}), "does not fit"),
        (npz(**{"w.npy": npy((1 << 62, 1 << 62))}), "does not fit"),
        (npz(**{"w.npy": npy((-1,))}), "does not fit"),
        (npz(**{"w.npy": npy((-1, -1), data=bytes(8))}), "does not fit"),
        (npz(**{"w.npy": npy((1,), data=bytes(9))}), "does not fit"),
        (npz(**{"w.npy": npy((1,), "'|O'", bytes(8))}), "objects are not allowed"),
        (npz(**{"w.npy": npy((1,), "[('a', '|O')]", bytes(8))}), "objects are not allowed"),
        (npz(**{"w.npy": npy((1,), version=3)}), "npy version"),
        (npz(**{"w.npy": npy("(" * 60_000)}), "not a readable npz"),
        (npz(**{"w.npy": npy("-" * 60_000 + "1")}), "not a readable npz"),
        (npz(**{"w.npy": npy("1+" * 30_000 + "1")}), "not a readable npz"),
        (npz(**{"w.npy": npy("(1,)", "'" + "x" * 1_000_000 + "'", version=2)}), "header above"),
        (npz(**{"w.npy": b"\x93NUMPY"}), "not a readable npz"),
    ],
)
def test_what_is_not_ours_is_refused(data, why):
    with pytest.raises(CheckpointError, match=why):
        unpack(data)


def test_a_bomb_is_refused_before_it_opens():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w.npy", npy((1 << 20,), data=bytes(8 << 20)))
    assert len(buffer.getvalue()) < 20_000
    with pytest.raises(CheckpointError, match="is compressed"):
        unpack(buffer.getvalue())


def test_members_that_share_their_bytes_are_refused():
    data = npz(**{f"{k}.npy": npy((1000,), data=bytes(8000)) for k in "abcdefgh"})
    directory = data.index(b"PK\x01\x02")
    first = data.index(b"PK\x03\x04", 1)
    entries = bytearray(data[directory:])
    for at in range(len(entries) - 46):
        if entries[at : at + 4] == b"PK\x01\x02":
            entries[at + 42 : at + 46] = bytes(4)  # all begin at the first
    entries[-6:-2] = struct.pack("<I", first)
    with pytest.raises(CheckpointError, match=r"more bytes than there are|not a readable npz"):
        unpack(data[:first] + bytes(entries))


def test_two_of_one_name_are_refused():
    with pytest.warns(UserWarning, match="Duplicate"):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("w.npy", npy((0,)))
            archive.writestr("w.npy", npy((0,)))
    with pytest.raises(CheckpointError, match="same name"):
        unpack(buffer.getvalue())


@pytest.mark.parametrize("times", [200, pytest.param(2_000, marks=pytest.mark.slow)])
def test_random_damage_is_refused_or_harmless(times):
    """Without the hashes in front: at worst other numbers, never another exception."""
    data, rng, refused = pack(ARRAYS), np.random.default_rng(0), 0
    for _ in range(times):
        wrong = bytearray(data)
        for at in rng.integers(len(data), size=int(rng.integers(1, 4))):
            wrong[at] = int(rng.integers(256))
        try:
            unpack(bytes(wrong))
        except CheckpointError:
            refused += 1
    assert refused > times / 2
