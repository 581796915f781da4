"""The form of FI-2010's files, on files of that form made here."""

import re

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.forecast import DOWN, FLAT, UP
from flowsense.train.fi2010.files import folds, holds, matrix, read

NAME = "{}_Dst_NoAuction_ZScore_CF_{}.txt"


def numbers(columns, seed=0):
    """149 lines: features, then classes 1, 2, 3 in turn."""
    rng = np.random.default_rng(seed)
    classes = np.tile(np.arange(columns) % 3 + 1, (5, 1))
    return np.vstack([rng.normal(size=(144, columns)).round(4), classes])


def write(path, whole):
    path.write_text("\n".join(" ".join(f"{x:.7e}" for x in line) for line in whole) + "\n")
    return path


def flat(path, columns):
    """All features 0, which is quick to write."""
    zeros = "0 " * columns
    path.write_text("\n".join([zeros] * 144 + [zeros.replace("0", "2")] * 5))


@pytest.fixture
def folder(tmp_path):
    for day in range(1, 10):
        flat(tmp_path / NAME.format("Train", day), 500 + 10 * day)
        flat(tmp_path / NAME.format("Test", day), 30 + day)
    return tmp_path


def test_a_column_is_a_row_with_bids_before_asks_and_classes_turned(tmp_path):
    whole = numbers(5)
    table = read([write(tmp_path / "a.txt", whole)])
    assert table.x.shape == (5, 40) and table.y.shape == (5, 5) and table.every == 10
    ask_px, ask_sz, bid_px, bid_sz = (whole[k:40:4, 2] for k in range(4))
    expected = np.concatenate([bid_px, bid_sz, ask_px, ask_sz])
    np.testing.assert_allclose(table.x[2], expected.astype(np.float32), rtol=1e-6)
    assert table.y[:, 0].tolist() == [UP, FLAT, DOWN, UP, FLAT]
    np.testing.assert_allclose(table.mid, (whole[0] + whole[2]) / 2, rtol=1e-6)


def test_days_stand_behind_each_other(tmp_path):
    paths = [write(tmp_path / f"{k}.txt", numbers(3 + k, k)) for k in range(3)]
    table = read(paths)
    assert len(table.x) == 3 + 4 + 5
    np.testing.assert_array_equal(table.x[3:7], read(paths[1:2]).x)


def test_seven_days_learn_and_three_test(folder):
    (fold,) = folds(folder, "split")
    assert (fold.learn, fold.stop) == (slice(0, 456 - 100), slice(456, 570 - 100))
    assert fold.test == slice(570, 570 + 37 + 38 + 39) and len(fold.table.x) == 684


def test_anchored_folds_learn_from_the_first_day_on(folder):
    found = list(folds(folder, "anchored"))
    assert [f.name for f in found][:2] == ["days 1, 2", "days 1-2, 3"] and len(found) == 9
    assert [f.test.start for f in found] == [500 + 10 * day for day in range(1, 10)]
    assert [f.test.stop - f.test.start for f in found] == [30 + day for day in range(1, 10)]


def test_only_some_horizons(folder):
    (fold,) = folds(folder, "split")
    some = fold.table.only((50, 10))
    np.testing.assert_array_equal(some.y, fold.table.y[:, [3, 0]])
    with pytest.raises(InputError, match="horizon 40: the labels are of 10, 20, 30, 50, 100"):
        fold.table.only((40,))


def test_a_missing_file_is_named(folder):
    (folder / NAME.format("Test", 9)).unlink()
    with pytest.raises(InputError, match="no Test_Dst_NoAuction_ZScore_CF_9"):
        next(folds(folder, "split"))


def test_two_files_of_one_fold_are_refused(folder):
    write(folder / "Test_Other_CF_9.txt", numbers(4))
    with pytest.raises(InputError, match="same fold"):
        next(folds(folder, "split"))


def test_a_folder_of_other_files_holds_none(tmp_path):
    (tmp_path / "notes.txt").write_text("1 2 3")
    assert not holds(tmp_path) and not holds(tmp_path / "notes.txt")
    write(tmp_path / NAME.format("Train", 7), numbers(3))
    assert holds(tmp_path)


def test_too_few_rows_are_refused(tmp_path):
    for what, days in (("Train", (7,)), ("Test", (7, 8, 9))):
        for day in days:
            write(tmp_path / NAME.format(what, day), numbers(50))
    with pytest.raises(InputError, match="200 rows are too few"):
        next(folds(tmp_path, "split"))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda w: w[:-1], "has 148 lines, not 149"),
        (lambda w: w.T, "has 6 lines, not 149, .*turn it by 90 degrees"),
        (lambda w: [*w, w[0]], "has 150 lines"),
        (lambda w: [w[0][:-1], *w[1:]], "line 2 has 6 numbers and line 1 has 5"),
        (lambda w: [[], *w[1:]], "line 1 has 0 numbers"),
        (lambda w: [*w[:3], w[3] * np.inf, *w[4:]], "line 4, column 1: -?inf is not a finite"),
        (lambda w: [*w[:-1], w[-1] - 1], "line 149, column 1: 0 is not 1, 2 or 3"),
        (lambda w: [*w[:-5], w[-5] + 0.5, *w[-4:]], "line 145, column 1: 1.5 is not"),
    ],
)
def test_another_form_is_refused(tmp_path, change, why):
    path = write(tmp_path / "a.txt", change(numbers(6)))
    with pytest.raises(InputError, match=why) as told:
        matrix(path)
    assert re.match(re.escape(str(path)), str(told.value))


def test_words_and_nothing_are_refused(tmp_path):
    path = write(tmp_path / "a.txt", numbers(6))
    path.write_text(path.read_text().replace("e+00", "e+0x", 1))
    with pytest.raises(InputError, match=r"line \d: could not convert"):
        matrix(path)
    path.write_text("")
    with pytest.raises(InputError, match="has 0 lines"):
        matrix(path)
    with pytest.raises(InputError, match="no such file"):
        matrix(tmp_path / "none.txt")
