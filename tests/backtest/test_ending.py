from typing import NamedTuple

import numpy as np
import pytest
from backtest.candles import MINUTE, X, Y, flat, recording

from flowsense.backtest.ending import DEAF, MAKER, TAKER, Scored, ended, lots, plans, volumes, where
from flowsense.backtest.strategies.quote import Quote
from flowsense.errors import InputError
from flowsense.forecast import Target
from flowsense.schema import SECOND, Decimal, Instrument
from flowsense.simulate.market import Market, simulate
from flowsense.testing import Recording
from flowsense.train.config import RunConfig
from flowsense.train.run import run


class Rows(NamedTuple):
    instrument: np.ndarray
    book: np.ndarray


class Part(NamedTuple):
    rows: tuple


def shown(*pairs):
    """A tape of these (instrument, lots at the best bid)."""
    who, sizes = map(np.array, zip(*pairs, strict=True))
    return Part((Rows(who, {"bid_sz": sizes[:, None]}),))


def test_an_order_of_the_maker_is_a_tenth_of_what_stands_at_its_own_touch():
    """40 and 60 lots of the first, 900 of the second, nothing of the third."""
    tapes = [shown((0, 40), (0, 60), (2, 0)), shown((1, 900), (0, 10_000))]
    assert lots(tapes, 3) == (5, 90, 1)


def test_a_maker_quotes_as_many_lots_of_each_as_it_was_told():
    maker = Quote.of((5, 90))
    assert (maker.lots, maker.most) == ((5, 90), (25, 450))
    with pytest.raises(InputError, match="1 instruments, give lots for each"):
        maker.init((X,))
    for wrong in ({"lots": (1, 0)}, {"lots": ()}, {"lots": (1, 2), "most": (9, 9, 9)}):
        with pytest.raises(InputError, match="give lots and turn above 0"):
            Quote(**wrong)


def test_books_end_in_three_plans_and_bars_in_a_taker():
    book = Instrument("B", "v", Decimal(1, 0), Decimal(1, 0))
    made = Recording((book,), recording(flat(1)).events[:0])
    assert list(plans(Scored(made, [shown((0, 40))], 1, 9))) == [TAKER, MAKER, DEAF]
    (taker,) = plans(Scored(recording(flat(100)), (), 1, 9)).values()
    assert taker.frictions.share == 0.1 and (taker.start, taker.end) == (1, 9)


def test_bars_that_tell_no_volume_are_traded_in_any_size():
    both = np.concatenate([flat(1, 2), flat(3, 4, lots=0, start=2 * MINUTE)])
    both["instrument"] = [0, 0, 1, 1]
    silent = recording(both.view(flat(1).dtype), (X, Y), 1)
    assert not volumes(silent) and volumes(recording(flat(1, 2)))
    (taker,) = plans(Scored(silent, (), 1, 9)).values()
    assert taker.frictions.share is None


@pytest.mark.slow
def test_each_recording_of_which_rows_were_scored_is_traded():
    """Of two test recordings both; of what was learned from nothing."""
    made = [simulate(Market.tiny(), 200, seed=k) for k in range(3)]
    sources = [Recording(m.instruments, m.events, 2_000, f"m{k}") for k, m in enumerate(made)]
    config = RunConfig(("vote",), ("depth", "ofi"), targets=(Target("mid", SECOND),))
    done = run(sources[0], config, tests=tuple(sources[1:]))
    found = list(where(done, tuple(sources)))
    assert [one.source.name for one in found] == ["m1", "m2"]
    for one, m in zip(found, made[1:], strict=True):
        assert m.events["ts_recv"][0] < one.start < one.end <= m.events["ts_recv"][-1] + SECOND
    names = list(ended(done, tuple(sources)))
    assert names[0] == "taker 1 of 2" and names[-1] == "maker without forecasts 2 of 2"
