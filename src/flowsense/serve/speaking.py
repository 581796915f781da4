"""What was decided, as it is told: plain numbers, finite, prices in the venue's units."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowsense.ensemble.opinions import AGREEMENT, REGIME
from flowsense.forecast import Forecast, Signal
from flowsense.live.feed import Feed
from flowsense.risk.desk import Risk
from flowsense.schema import WHOLE, Instrument
from flowsense.serve import Feed as FeedStatus
from flowsense.serve import Likelihood, Prediction
from flowsense.serve.decisions import Decided, Spent
from flowsense.serve.inbox import Times

FINER = 3  # decimals of a price beyond those of its tick


def predictions(
    decided: Decided, table: tuple[Instrument, ...], risk: Risk, sequence: int, version: str
) -> list[Prediction]:
    """One for each decision row, numbered from `sequence`."""
    out, rows = list[Prediction](), decided.tape.rows[0]
    for r, ts in enumerate(rows.ts.tolist()):
        instrument, signal = table[int(rows.instrument[r])], Signal.of(decided.signals[r])
        tick, aux = float(instrument.tick), decided.forecast.aux
        digits = FINER - min(instrument.tick.exponent, 0)
        quote = rows.quote[r]
        mid2 = int(quote["mid2"]) if quote["state"] == WHOLE else 0
        one = Prediction(
            sequence=sequence + r,
            ts=ts,
            symbol=instrument.symbol,
            venue=instrument.venue,
            target=str(risk.target),
            direction=signal.direction,
            confidence=signal.confidence,
            position_size=signal.size,
            magnitude=signal.magnitude,
            mid=round(mid2 / 2 * tick, digits),
            stop=round(signal.stop * tick, digits),
            take_profit=round(signal.target * tick, digits),
            reward_risk=signal.reward_risk,
            vetoes=signal.vetoes,
            forecasts=likelihoods(decided.forecast, r),
            stale=bool(decided.stale[r]),
            model_version=version,
            regime=named(risk.regimes, aux.get(REGIME), r),
            agreement=float(aux[AGREEMENT][r, risk.place]) if AGREEMENT in aux else None,
            abstained=tuple(f"{one.member}: {one.reason.name.lower()}" for one in decided.absent),
            neutral=decided.reason,
        )
        out.append(one)
    return out


def likelihoods(forecast: Forecast, r: int) -> tuple[Likelihood, ...]:
    """Of one row."""
    proba, value, ready = (x[r].tolist() for x in (forecast.proba, forecast.value, forecast.ready))
    each = zip(forecast.targets, proba, value, ready, strict=True)
    return tuple(Likelihood(str(t), p[0], p[1], p[2], v, known) for t, p, v, known in each)


def named(names: tuple[str, ...], said: NDArray[Any] | None, r: int) -> dict[str, float]:
    """Probabilities of regimes; {} where nothing is said of them."""
    if said is None or not np.isfinite(said[r]).all() or not said[r].any():
        return {}
    return dict(zip(names, map(float, said[r]), strict=True))


def latencies(
    heard: Times, begun: float, done: float, spent: Spent, now: float
) -> dict[str, float]:
    """us from the socket to here, of the message that closed a row."""
    return {
        "decode": round((heard.decoded - heard.read) * 1e6, 1),
        "queue": round((begun - heard.decoded) * 1e6, 1),
        "fold": spent.features / 1e3,
        "models": spent.models / 1e3,
        "risk": spent.risk / 1e3,
        "publish": round((now - done) * 1e6, 1),
        "total": round((now - heard.read) * 1e6, 1),
    }


def described(feed: Feed) -> FeedStatus:
    sink = feed.decoder.sink
    return FeedStatus(
        venue=feed.venue.name,
        symbols=feed.decoder.symbols,
        state=feed.state,
        since=feed.since,
        messages=feed.messages,
        events=feed.events,
        reconnects=max(feed.connections - 1, 0),
        gaps=sink.counts["gap"],
        malformed=sink.counts["malformed message"],
        last=feed.last,
        why=feed.why,
        barred=feed.barred,
    )
