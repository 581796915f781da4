import numpy as np
import pytest
from backtest.candles import MINUTE, bars, flat, recording

from flowsense.backtest.bars import Frictions
from flowsense.backtest.closes import Settings, backtest
from flowsense.backtest.strategies.bracket import Bracket
from flowsense.errors import InputError
from flowsense.forecast import SIGNAL
from flowsense.schema import zeros

FREE = Settings(1e6, Frictions(0, 0, None))
QUIET = (100, 100, 100, 100, 1000)


def signal(ts=MINUTE, side=1, horizon=60 * MINUTE, stop=95, target=110, size=0.5):
    out = zeros(SIGNAL, 1)
    out["ts"], out["side"], out["horizon"], out["size"] = ts, side, horizon, size
    out["stop2"], out["target2"] = 2 * stop, 2 * target
    return out


def traded(made, *signals, settings=FREE, lots=10):
    """(price, signed lots) of what was executed, and the result."""
    result = backtest(
        recording(made), Bracket(lots), settings, np.concatenate(signals).view(SIGNAL)
    )
    f = result.fills
    return list(zip(f["price"].tolist(), (f["side"] * f["lots"]).tolist(), strict=True)), result


def test_a_stop_is_hit_within_a_bar():
    fills, result = traded(bars(QUIET, QUIET, (100, 100, 90, 99, 1000), QUIET), signal())
    assert fills == [(100, 10), (95, -10)] and result.orders["open"] == 0


def test_a_stop_is_there_in_the_bar_of_its_entry():
    assert traded(bars(QUIET, (100, 100, 90, 99, 1000), QUIET), signal())[0] == [
        (100, 10),
        (95, -10),
    ]


def test_a_target_waits_from_the_close_after_the_entry():
    made = bars(QUIET, (100, 120, 100, 100, 1000), (100, 120, 100, 115, 1000), QUIET)
    fills, result = traded(made, signal())
    assert fills == [(100, 10), (110, -10)] and result.orders["open"] == 0


def test_shorts_are_mirrored():
    made = bars(QUIET, QUIET, (100, 100, 80, 90, 1000), QUIET)
    assert traded(made, signal(side=-1, stop=105, target=90))[0] == [(100, -10), (90, 10)]


def test_its_horizon_and_what_opposes_it_end_it():
    fills, result = traded(flat(*[100] * 6), signal(horizon=2 * MINUTE))
    assert fills == [(100, 10), (100, -10)]
    assert (result.fills["ts"] // MINUTE).tolist() == [1, 3] and result.orders["open"] == 0
    fills, _ = traded(flat(*[100] * 6), signal(), signal(ts=3 * MINUTE, side=-1))
    assert fills == [(100, 10), (100, -10)]


def test_what_a_hole_took_goes_out_again():
    """Two hours without a bar: stop and target are cancelled, the position is not."""
    late = 4 * MINUTE + 120 * MINUTE
    made = np.concatenate(
        [bars(QUIET, QUIET, QUIET, QUIET), bars(QUIET, (100, 100, 90, 99, 1000), QUIET, start=late)]
    ).view(bars(QUIET).dtype)
    fills, result = traded(made, signal(horizon=500 * MINUTE))
    assert fills == [(100, 10), (95, -10)]
    assert result.orders["no book"] == 2 and result.orders["open"] == 0


def test_an_entry_that_nobody_took_leaves_no_stop():
    made = bars(QUIET, (100, 100, 100, 100, 0), QUIET, QUIET)
    fills, result = traded(made, signal(), settings=Settings(1e6, Frictions(0, 0, 0.1)))
    assert not fills and result.orders["open"] == 0 and result.orders["no counterpart"] == 1


def test_a_part_of_an_entry_has_a_target_of_its_size():
    made = bars(QUIET, (100, 100, 100, 100, 40), QUIET, (100, 120, 100, 100, 1000), QUIET)
    fills, _ = traded(made, signal(), settings=Settings(1e6, Frictions(0, 0, 0.1)))
    assert fills == [(100, 4), (110, -4)]


def test_the_size_of_the_signal_is_a_share_of_the_equity():
    fills, _ = traded(flat(100, 100, 100), signal(), lots=0)
    assert fills == [(100, 5_000)]


def test_vetoes_and_wrong_lots_are_heeded():
    vetoed = signal()
    vetoed["vetoes"] = 1
    assert traded(flat(100, 100, 100), vetoed)[0] == []
    with pytest.raises(InputError, match="bracket: lots -1: give 0 or more"):
        Bracket(-1)
