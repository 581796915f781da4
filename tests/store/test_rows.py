"""Columns on disk: what was sealed is there, what was not is cut off, damage is found."""

import json

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.schema import QUOTE
from flowsense.store.room import Room
from flowsense.store.rows import Column, Stored, Writer, decode, encode

PLAIN = {
    "a/ts": Column(np.dtype("i8"), ()),
    "a/X": Column(np.dtype("f4"), (3,)),
    "quote": Column(QUOTE, ()),
}


def part(n, value):
    quote = np.zeros(n, QUOTE)
    quote["mid2"] = value
    return {"a/ts": np.full(n, value), "a/X": np.full((n, 3), value, "f4"), "quote": quote}


def append(writer, n, value):
    for name, values in part(n, value).items():
        writer.append(name, values)


@pytest.fixture
def sealed(tmp_path):
    """Pieces of 5 and 0 and 2 rows, sealed; then one that was not."""
    writer = Writer(tmp_path, PLAIN)
    for n, value in ((5, 1), (0, 0), (2, 2)):
        append(writer, n, value)
    columns = writer.seal()
    append(writer, 9, 3)
    writer.close()
    return columns


def test_numpy_opens_what_was_sealed(tmp_path, sealed):
    Writer(tmp_path, sealed).close()
    X = np.load(tmp_path / "a/X.npy", mmap_mode="r")
    assert X.dtype == np.float32 and X[:, 1].tolist() == [1] * 5 + [2] * 2


def test_a_writer_goes_on_behind_the_last_seal(tmp_path, sealed):
    writer = Writer(tmp_path, sealed)
    append(writer, 3, 4)
    stored = Stored(tmp_path, writer.seal())
    writer.close()
    assert stored.whole("a/ts", Room()).tolist() == [1] * 5 + [2] * 2 + [4] * 3
    assert [len(piece) for piece in stored.read("quote")] == [5, 0, 2, 3]
    assert stored.piece("quote", 3, 7)["mid2"].tolist() == [4] * 3


def test_pieces_travel_as_json(sealed):
    assert decode(json.loads(json.dumps(encode(sealed))), PLAIN) == sealed
    with pytest.raises(ValueError, match="columns"):
        decode({"b": []}, PLAIN)


@pytest.mark.parametrize("name", PLAIN)
def test_every_damaged_byte_of_a_piece_is_found(name, tmp_path, sealed):
    Writer(tmp_path, sealed).close()
    path = tmp_path / f"{name}.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    stored = Stored(tmp_path, sealed)
    assert len(stored.piece(name, 0, 0)) == 5  # the others are whole
    with pytest.raises(InputError, match=r"npy: is damaged at row 5: prepare the rows again"):
        list(stored.read(name))


SPOILED = {
    "No such file": lambda path: path.unlink(),
    "has 172 bytes, not 184": lambda path: path.write_bytes(path.read_bytes()[:-12]),
    "is of other columns": lambda path: np.save(path, np.zeros((7, 4), "f4")),
}


@pytest.mark.parametrize("sentence", SPOILED)
def test_files_that_are_not_those_written_are_refused(sentence, tmp_path):
    writer = Writer(tmp_path, {"X": Column(np.dtype("f4"), (2,))})
    writer.append("X", np.zeros((7, 2)))
    columns = writer.seal()
    writer.close()
    SPOILED[sentence](tmp_path / "X.npy")
    with pytest.raises(InputError, match=sentence):
        Stored(tmp_path, columns)


def test_an_array_in_a_room_keeps_what_it_holds_when_its_pages_are_given_back(tmp_path):
    room = Room(tmp_path)
    array = room.zeros((3, 4), np.float32)
    array[1] = 7
    room.release()
    assert array.sum() == 28 and not list(tmp_path.iterdir())  # the file has no name
    joined = room.joined([array, array], np.array([True, False, False, True]))
    assert joined.shape == (6, 2) and joined[4].tolist() == [7, 7]
    assert room.zeros((0, 4), np.bool_).shape == (0, 4) and Room().zeros((2,), "i8").sum() == 0


def test_what_is_written_into_a_mapped_file_stays_in_memory(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(5))
    before = (tmp_path / "x.npy").read_bytes()
    array = Room().opened(tmp_path / "x.npy", np.dtype("i8"), (5,), 128)
    array[0] = 9
    assert array.tolist() == [9, 1, 2, 3, 4] and (tmp_path / "x.npy").read_bytes() == before


def test_a_room_that_is_not_there_is_told(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        Room(tmp_path / "none").zeros((3,), np.int8)


def test_many_arrays_share_few_files(tmp_path):
    room = Room(tmp_path)
    arrays = [room.zeros((k + 1, 3), np.int32) for k in range(500)]
    for k, array in enumerate(arrays):
        array += k
    room.release()
    assert len(room.maps) == 1
    assert all(array.shape == (k + 1, 3) and (array == k).all() for k, array in enumerate(arrays))
