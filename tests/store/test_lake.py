"""Manifests and names: what is not ours, or damaged, is refused in one sentence."""

import json
from shutil import copytree

import pytest
from lakes import B, fill, pieces, recording, two_days

from flowsense.errors import InputError
from flowsense.schema import EVERY, Decimal
from flowsense.store.lake import (
    Part,
    Span,
    connect,
    create,
    escaped,
    load,
    manifest,
    place,
    recordings,
    save,
    union,
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("filled") / "lake"
    return folder, fill(folder, pieces(two_days()))


@pytest.fixture
def lake(filled, tmp_path):
    """A copy of it, to be damaged."""
    return copytree(filled[0], tmp_path / "lake"), filled[1]


def test_a_manifest_is_read_as_it_was_written(lake):
    folder, done = lake
    assert recordings(folder) == (done,)
    other = recording("g", order=-1)
    save(folder, other)
    assert recordings(folder) == (other, done)


def test_a_folder_of_other_things_does_not_become_a_lake(tmp_path):
    (tmp_path / "mine").touch()
    with pytest.raises(InputError, match="holds something that is not a lake: name another"):
        create(tmp_path)
    with pytest.raises(InputError, match="is a file: name a folder"):
        create(tmp_path / "mine")
    with pytest.raises(InputError, match=r"is not a lake: make one with flowsense ingest"):
        recordings(tmp_path)


def test_a_lake_whose_maker_was_killed_is_begun_again(tmp_path):
    (tmp_path / ".lake.json.x7.draft").mkdir()
    create(tmp_path)
    assert recordings(tmp_path) == ()


@pytest.mark.parametrize(
    ("text", "why"), [("{", "damaged"), ("[]", "damaged"), ('{"format": 9}', "a lake of format 9")]
)
def test_a_mark_that_is_not_ours_is_refused(lake, text, why):
    (lake[0] / "lake.json").write_text(text)
    with pytest.raises(InputError, match=why):
        recordings(lake[0])


def resealed(change):
    """A manifest with these changes, its seal made anew: what only a hand can write."""
    from flowsense.store.lake import encode, seal

    body = encode(recording()) | change
    return json.dumps(body | {"sha256": seal(body)})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "a damaged manifest"),
        ("{}", "a damaged manifest"),
        ("[1]", "a damaged manifest"),
        (resealed({"format": 9}), "format 9, this version reads 1"),
        (resealed({"options": "other"}), "it is not what its SHA-256 says"),
        (resealed({"spans": [[1, 2, 3, [["events", 7, 1, 1, ""]]]]}), "it lists Part"),
        (resealed({"spans": [[1, 2, 3, [["../..", 0, 1, 1, ""]]]]}), "it lists Part"),
        (resealed({"spans": [[1, 2]]}), "a damaged manifest"),
        (resealed({"instruments": [1]}), "a damaged manifest"),
    ],
)
def test_a_manifest_that_is_damaged_is_named(lake, text, why):
    folder, done = lake
    path = manifest(folder, done)
    path.write_text(text)
    with pytest.raises(InputError, match=why) as told:
        recordings(folder)
    assert str(path) in str(told.value) and "\n" not in str(told.value)


def test_a_flipped_digit_in_a_manifest_is_found(lake):
    folder, done = lake
    path = manifest(folder, done)
    path.write_text(path.read_text().replace('"order": 0', '"order": 1'))
    with pytest.raises(InputError, match="it is not what its SHA-256 says"):
        load(path)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("GOOG", "GOOG"),
        ("BTC/USD", "BTC%2FUSD"),
        ("..", ".."),
        ("_x", "%5Fx"),
        ("a=b c", "a%3Db%20c"),
        ("é", "%C3%A9"),
        ("", ""),
    ],
)
def test_names_are_escaped_in_folders(name, folder):
    assert escaped(name) == folder


def test_no_name_leads_out_of_the_lake(tmp_path):
    odd = B._replace(symbol="../../..", venue="/etc")
    part = Part("events", 0, 1, 1, "")
    found = recording(table=(odd,))
    whole = type(found)(found.files, "", "f", (odd,), (), spans=(Span(0, 0, 0, (part,)),))
    path = place(tmp_path, whole, 0, part)
    assert path.resolve().is_relative_to(tmp_path.resolve())
    assert path.parent.parts[-3:] == ("venue=%2Fetc", "instrument=..%2F..%2F..", "day=1970-01-01")
    everyone = place(tmp_path, whole, 0, part._replace(kind="observations", instrument=EVERY))
    assert "__HIVE_DEFAULT_PARTITION__" in str(everyone)


def test_an_instrument_of_bars_alone_may_have_a_book_elsewhere():
    bars, cheap = B._replace(depth=0), B._replace(symbol="C", tick=Decimal(5, -3))
    found = [recording("a", (bars, cheap)), recording("b", (B,))]
    assert union(found) == (B, cheap)


def test_the_lake_connects(lake):
    assert connect(lake[0]).sql("SELECT count(*) FROM events").fetchall() == [(len(two_days()),)]
