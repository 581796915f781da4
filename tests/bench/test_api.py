"""What of the predictions that were told came to those who listen, and how late."""

import numpy as np
import pytest

from flowsense.bench.api import INSTRUMENTS, delivered

LAST = 100 + 5 * INSTRUMENTS
TOLD = {n: n * 1_000_000 for n in range(1, LAST + 1)}


def frames(*missing):
    """Two listeners hear all but these, 2 ms and 4 ms after they were told."""
    heard = [n for n in TOLD if n not in missing]
    return np.array([(n, TOLD[n] + ms * 1_000_000) for n in heard for ms in (2, 4)])


def test_what_nobody_heard_was_not_kept():
    assert delivered(frames(), TOLD, 51, 2)["kept"] == 1.0
    assert delivered(frames(60, 70), TOLD, 51, 2)["kept"] == pytest.approx(48 / 50)


def test_a_delivery_is_from_the_telling_to_the_reading():
    found = delivered(frames(), TOLD, 1, 2)

    assert (found["delivery_p50_ms"], found["delivery_p99_ms"]) == (3.0, 4.0)
