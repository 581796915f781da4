"""Whatever is cut off a journal or changed in it, what is read is what was appended, or refused."""

from shutil import copytree

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.store.journal import BEGIN, HEAD, Journal

PUSHED = tuple(bytes([65 + k]) * k for k in range(6))


@pytest.fixture
def folder(tmp_path):
    """Six records, with states after the second and the fourth."""
    place = tmp_path / "journal"
    place.mkdir()
    journal = Journal(place)
    journal.recover()
    for k, content in enumerate(PUSHED, 1):
        journal.append(content)
        if k in (2, 4):
            journal.save(b"".join(PUSHED[:k]))
    journal.close()
    return place


def recovered(folder):
    journal = Journal(folder)
    try:
        return journal.recover()
    finally:
        journal.close()


def whole(found):
    """All that was appended, as a state and what followed it say."""
    return found.state + b"".join(found.pushed)


def test_what_was_appended_comes_back_after_the_last_state(folder):
    found = recovered(folder)
    assert found == (b"".join(PUSHED[:4]), PUSHED[4:], 0, ())
    names = [path.name for path in sorted(folder.iterdir())]
    assert names == ["00000001.records", "00000001.state", "00000002.records", "00000002.state"]


def test_appending_goes_on_where_it_was_left(folder):
    journal = Journal(folder)
    journal.recover()
    journal.append(b"more")
    journal.append(b"wrong")
    journal.take_back(b"wrong")
    journal.close()
    assert recovered(folder).pushed == (*PUSHED[4:], b"more")


def test_nothing_is_recovered_from_an_empty_folder(tmp_path):
    assert recovered(tmp_path) == (BEGIN, (), 0, ())


def test_a_journal_that_is_cut_anywhere_gives_what_was_whole(folder, tmp_path):
    data = (folder / "00000002.records").read_bytes()
    ends = [0, HEAD.size + 4, len(data)]
    for size in range(len(data)):
        place = copytree(folder, tmp_path / f"cut{size}")
        (place / "00000002.records").write_bytes(data[:size])
        found = recovered(place)
        n = sum(end <= size for end in ends) - 1
        assert found.pushed == PUSHED[4 : 4 + n] and found.cut == size - ends[n]
        assert (place / "00000002.records").stat().st_size == ends[n]


def test_a_state_that_is_cut_anywhere_is_passed_over(folder, tmp_path):
    data = (folder / "00000002.state").read_bytes()
    for size in range(len(data)):
        place = copytree(folder, tmp_path / f"cut{size}")
        (place / "00000002.state").write_bytes(data[:size])
        found = recovered(place)
        assert whole(found) == b"".join(PUSHED) and found.passed == ("00000002.state",)


def test_a_changed_byte_loses_the_last_record_at_most_or_is_refused(folder, tmp_path):
    rng = np.random.default_rng(0)
    for path in folder.iterdir():
        data = bytearray(path.read_bytes())
        for at in range(len(data)):
            place = copytree(folder, tmp_path / f"{path.name}{at}")
            changed = data.copy()
            changed[at] ^= int(rng.integers(1, 256))
            (place / path.name).write_bytes(changed)
            try:
                found = whole(recovered(place))
            except InputError as error:
                assert "damaged at byte" in str(error)
            else:
                assert found in (b"".join(PUSHED), b"".join(PUSHED[:5]))


def test_damage_before_the_end_is_told_and_nothing_is_changed(folder):
    path = folder / "00000002.records"
    data = bytearray(path.read_bytes())
    data[HEAD.size] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"00000002.records: damaged at byte 0: .* another folder"):
        recovered(folder)
    assert path.read_bytes() == data


def test_a_damaged_end_of_a_file_that_was_finished_is_no_torn_end(folder):
    (folder / "00000002.state").write_bytes(b"")
    with (folder / "00000001.records").open("ab") as file:
        file.truncate((folder / "00000001.records").stat().st_size - 1)
    with pytest.raises(InputError, match=r"00000001.records: damaged at byte"):
        recovered(folder)


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        (["00000002.state", "00000001.records"], "00000001.records: is missing"),
        (["00000001.state", "00000002.state"], "00000001.state cannot be read"),
    ],
)
def test_files_that_are_missing_are_told(folder, gone, told):
    for name in gone:
        (folder / name).unlink()
    with pytest.raises(InputError, match=told):
        recovered(folder)


def test_two_damaged_states_are_told(folder):
    for name in ("00000001.state", "00000002.state"):
        (folder / name).write_bytes(b"RECO")
    with pytest.raises(InputError, match=r"00000002.state and 00000001.state cannot be read"):
        recovered(folder)


def test_a_record_that_was_taken_out_is_missed(folder):
    path = folder / "00000002.records"
    path.write_bytes(path.read_bytes()[HEAD.size + 4 :])
    with pytest.raises(InputError, match="record 5 at byte 0, not 4: one is missing"):
        recovered(folder)


def test_what_cannot_be_written_is_not_kept(folder, monkeypatch):
    journal = Journal(folder)
    journal.recover()
    monkeypatch.setattr("os.write", full)
    with pytest.raises(InputError, match=r"00000002.records: cannot be written: No space left"):
        journal.append(b"lost")
    monkeypatch.undo()
    journal.append(b"kept")
    journal.close()
    assert recovered(folder).pushed == (*PUSHED[4:], b"kept")


def full(file, data):
    raise OSError(28, "No space left on device")
