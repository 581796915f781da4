import pytest

from flowsense.errors import InputError
from flowsense.store.atomic import aside, current, ensure_writable, replacing


def test_a_file_is_replaced_and_nothing_else_stays(tmp_path):
    path = tmp_path / "new" / "a.txt"
    for text in ("one", "two"):
        with replacing(path) as draft:
            draft.write_text(text)
    assert path.read_text() == "two"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_is_replaced_whole(tmp_path):
    path = tmp_path / "run"
    for name in ("old", "new"):
        with replacing(path) as draft:
            (draft / "inner").mkdir(parents=True)
            (draft / "inner" / name).touch()
    assert [p.name for p in path.rglob("*")] == ["inner", "new"]
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_old_one(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(path) as draft:
        draft.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_died_between_its_renames_left_the_old_folder_aside(tmp_path):
    path = tmp_path / "run"
    aside(path).mkdir()
    assert current(path) == aside(path)
    with replacing(path) as draft:
        draft.mkdir()
    assert current(path) == path
    assert not aside(path).exists()


def test_a_file_where_a_folder_should_be_is_named(tmp_path):
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "run"
    with pytest.raises(InputError, match=r"file/run: cannot be written: Not a directory"):
        ensure_writable(place)
    with pytest.raises(InputError, match=r"a.txt: cannot be written"), replacing(place / "a.txt"):
        pass


def test_a_full_disk_is_named(tmp_path):
    path = tmp_path / "a.txt"
    why = r"a.txt: cannot be written: No space .*bytes free"
    with pytest.raises(InputError, match=why), replacing(path), open("/dev/full", "w") as full:
        full.write("x")
    assert not list(tmp_path.iterdir())


def test_ensure_writable_asks_where_the_folder_would_be_and_leaves_nothing(tmp_path):
    ensure_writable(tmp_path / "a" / "b")
    assert not list(tmp_path.iterdir())


def test_other_errors_of_the_system_pass(tmp_path):
    with pytest.raises(ConnectionError), replacing(tmp_path / "a"):
        raise ConnectionError
