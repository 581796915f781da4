"""R43: what cannot be, into risk, on the way that is served: nothing is recommended, and why."""

import numpy as np
import pytest

from flowsense.forecast import Veto
from flowsense.risk.breaker import Trip
from flowsense.schema import EVENT, LAST, SECOND, TRADE, Decimal, Instrument
from flowsense.serve.decisions import Decisions
from flowsense.serve.records import beat, example
from flowsense.serve.speaking import predictions
from flowsense.serve.swapping import push
from flowsense.sources.venues import Heard, How, venue
from flowsense.sources.venues.decoder import Decoder
from flowsense.testing.service import SPEC, TABLE, Simulated, fitted

LIES = {
    "NaN": (np.nan, Trip.PROBABILITY),
    "infinite": (np.inf, Trip.PROBABILITY),
    "above one": (1.5, Trip.PROBABILITY),
    "negative": (-0.5, Trip.PROBABILITY),
}


class Lying:
    """A fitted model, but for one probability of what it says when it is time to."""

    def __init__(self, model, value):
        self.model, self.value, self.quiet = model, value, 30
        self.targets, self.needs, self.init = model.targets, model.needs, model.init
        self.params = model.params

    def predict(self, state, tape):
        state, said = self.model.predict(state, tape)
        self.quiet -= len(said.ready)
        if self.quiet <= 0:
            said.ready[:] = True
            said.proba[:, 0, 2] = self.value
        return state, said


def served(model, events):
    """All that is told, and the breakers that are open in the end."""
    decisions, told = Decisions(model, SPEC, TABLE), []
    for one in push(decisions, events):
        told += predictions(one, TABLE, decisions.risk, len(told) + 1, "v")
    return told, decisions.risk.tripped(decisions.caution)


def sound(told):
    return all(0.0 <= p.position_size < 1.0 and np.isfinite(p.position_size) for p in told)


@pytest.mark.parametrize("lie", LIES)
def test_probabilities_that_cannot_be_open_a_breaker_and_recommend_nothing(lie):
    value, reason = LIES[lie]
    told, opened = served(Lying(fitted()[0], value), Simulated().events[:1_500])
    last = [p for p in told if p.ts == told[-1].ts]
    assert sound(told) and len(told) > 40
    assert not any(p.position_size or p.should_trade for p in told[32:])
    assert all(Veto.BREAKER.name.lower() in p.vetoes for p in last)
    assert reason in {r for one in opened for r in one.reasons}


def book(ts, lots):
    """One level of the bid again, at its price, with other lots."""
    out = example(0)[1:2].copy()
    out["ts_recv"] = out["ts_event"] = ts
    out["lots"], out["bits"] = lots, LAST
    return out


def stretch(seconds, moves):
    """A book whose mid stands; whose bid changes ten times a second, or never."""
    parts = [example(0)]
    for k in range(1, 10 * seconds):
        ts = SECOND + k * SECOND // 10
        parts.append(book(ts, 1 + k % 7) if moves else beat(ts))
    return np.concatenate(parts).view(EVENT)


@pytest.mark.parametrize(
    ("moves", "seconds", "reason"), [(True, 90, Trip.VARIANCE), (False, 30, Trip.STALE)]
)
def test_a_market_that_stands_still_opens_a_breaker_and_recommends_nothing(moves, seconds, reason):
    told, opened = served(fitted()[0], stretch(seconds, moves))
    assert sound(told) and not any(p.position_size or p.should_trade for p in told)
    assert Veto.BREAKER.name.lower() in told[-1].vetoes
    assert {one.reasons & reason for one in opened} == {reason}


@pytest.mark.parametrize("price", ["NaN", "Infinity", "-1", "0", "1e400"])
def test_a_price_that_is_none_never_reaches_the_engine(price):
    """Of a venue: its message is left out whole and counted, the next shows the hole."""
    spoken = venue("binance-usdm")
    table = (Instrument("BTCUSDT", "binance-usdm", Decimal(1, -1), Decimal(1, -3)),)
    decoder = Decoder(spoken, table)
    body = (
        '{"stream":"btcusdt@trade","data":{"e":"trade","E":1700000000000,"T":1700000000000,'
        f'"s":"BTCUSDT","t":1,"p":"{price}","q":"1","X":"MARKET","m":false}}}}'
    )
    decoder.hear(Heard(SECOND, How.OPENED, b"", ""))
    told = decoder.hear(Heard(2 * SECOND, How.MESSAGE, body.encode(), ""))
    assert not (told.events["action"] == TRADE).any()
    assert decoder.sink.counts["malformed message"] == 1
