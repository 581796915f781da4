"""How far files have been read, seen from outside."""

import pytest

from flowsense.sources.position import Position


@pytest.fixture
def files(tmp_path):
    paths = (tmp_path / "a", tmp_path / "b")
    for path, size in zip(paths, (3_000, 1_000), strict=True):
        path.write_bytes(bytes(size))
    return paths


def test_nothing_read_is_not_told(files):
    assert Position(files).share() is None


def test_open_files_count_as_far_as_they_are_read(files):
    position = Position(files)
    with files[0].open("rb", buffering=0) as a:
        a.read(1_000)
        assert position.share() == 0.25
        with files[1].open("rb", buffering=0) as b:
            b.read(500)
            assert position.share() == 0.375
        assert position.share() == 0.5  # b was seen, and is closed


def test_going_back_unreads_nothing(files):
    position = Position(files)
    with files[0].open("rb", buffering=0) as a:
        a.read(3_000)
        assert position.share() == 0.75
        a.seek(0)
        assert position.share() == 0.75


def test_without_descriptors_to_look_at_it_is_not_told(files, monkeypatch, tmp_path):
    monkeypatch.setattr("flowsense.sources.position.DESCRIPTORS", tmp_path / "none")
    with files[0].open("rb", buffering=0) as a:
        a.read(1_000)
        assert Position(files).share() is None


def test_empty_files_are_not_told(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    assert Position((tmp_path / "empty",)).share() is None
