import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.exchange.latency import Constant, Drawn, Lognormal, Recorded, checked

TS = np.arange(10, dtype=np.int64) * 1_000
ALL = (Constant(7), Lognormal(1_000, 0.5, 10), Drawn((1, 2, 3)), Recorded((0, 5_000), (10, 60)))


@pytest.mark.parametrize("latency", ALL, ids=("constant", "lognormal", "drawn", "recorded"))
def test_asked_in_pieces_it_is_the_same(latency):
    whole = latency.ns(TS, 3, 5)
    parts = [latency.ns(TS[:4], 3, 5), latency.ns(TS[4:], 7, 5)]
    assert whole.dtype == np.int64 and whole.tolist() == np.concatenate(parts).tolist()
    assert checked("order", latency) is latency and (whole >= 0).all()


def test_a_recorded_latency_is_linear_between_its_times():
    ts = np.array([-9, 0, 2_500, 4_000, 9_000])
    assert ALL[3].ns(ts, 0, 0).tolist() == [10, 10, 35, 50, 60]


def test_recorded_times_of_this_century_keep_their_nanoseconds():
    start = 1_700_000_000_000_000_000
    told = Recorded((start, start + 1_000), (0, 1_000)).ns(np.array([start + 333]), 0, 0)
    assert told.tolist() == [333]


def test_half_of_a_lognormal_is_below_its_median():
    waits = Lognormal(1_000, 0.5, 10).ns(np.zeros(20_000, np.int64), 0, 3)
    assert waits.min() >= 10 and abs((waits < 1_010).mean() - 0.5) < 0.02
    assert abs(np.log(waits - 10.0).std() - 0.5) < 0.02


@pytest.mark.parametrize(
    ("latency", "match"),
    [
        (Constant(-1), "wait_ns -1"),
        (Constant(2**61), "decades"),
        (Lognormal(5, float("nan")), "sigma nan"),
        (Drawn(()), "waits"),
        (Recorded((1, 2), (3,)), "one wait for each time"),
        (Recorded((2, 2), (3, 3)), "do not rise"),
    ],
)
def test_waits_that_cannot_be_are_refused(latency, match):
    with pytest.raises(InputError, match=match):
        checked("order", latency)


def test_a_latency_of_another_hand_passes():
    class Slow:
        def ns(self, ts, first, seed):
            return ts * 0 + 5

    assert isinstance(checked("order", Slow()), Slow)
