"""A ring of columns: what is kept is found by number, what is not is left out."""

import numpy as np
import pytest

from flowsense.serve.board import wire
from flowsense.serve.board.columns import Column
from flowsense.serve.board.kept import Kept, frames, holes


def column(number):
    return Column(3, number, 3, bytes([number % 256]) * 8, None)


def kept(numbers, size=10):
    made = Kept(size)
    for n in numbers:
        made.put(column(n))
    return made


@pytest.mark.parametrize(
    ("first", "last", "found"),
    [(0, 99, [*range(15, 20), *range(22, 25)]), (18, 22, [18, 19, 22]), (20, 21, []), (25, 30, [])],
)
def test_columns_are_found_by_number_and_a_hole_stays_one(first, last, found):
    made = kept([*range(20), *range(22, 25)])

    assert [c.number for c in made.get(first, last)] == found
    assert made.newest == 24


def test_nothing_is_found_before_the_first():
    assert kept([]).get(0, 10**12) == []


def test_frames_have_a_head_and_at_most_so_many_columns():
    sent = frames([column(n) for n in range(1_000)], 5)

    heads = [np.frombuffer(one, wire.HEAD, 1)[0] for one in sent]
    assert [(int(h["count"]), int(h["bucket"]), int(h["instrument"])) for h in heads] == [
        (600, 5, 3),
        (400, 5, 3),
    ]
    assert [len(one) for one in sent] == [
        wire.HEAD.itemsize + 8 * 600,
        wire.HEAD.itemsize + 8 * 400,
    ]


@pytest.mark.parametrize(
    ("numbers", "first", "last", "found"),
    [
        ([5, 6, 8], 5, 8, [(7, 7)]),
        ([5, 6], 3, 9, [(3, 4), (7, 9)]),
        ([], 1, 2, [(1, 2)]),
        ([], 3, 2, []),
        ([5], -(10**15), 5, [(-(10**15), 4)]),
    ],
)
def test_holes_are_what_is_left_out_however_much_was_asked_for(numbers, first, last, found):
    assert holes(numbers, first, last) == found
