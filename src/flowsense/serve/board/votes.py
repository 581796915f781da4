"""Who says what of the newest row: members of an ensemble, or the one model."""

from collections.abc import Mapping
from dataclasses import replace

from flowsense.ensemble.council import Absent, Reason
from flowsense.ensemble.members import Ensemble
from flowsense.forecast import DOWN, FLAT, UP, Forecast
from flowsense.schema import MILLISECOND
from flowsense.serve.board.told import Vote, VotesNow
from flowsense.serve.decisions import Decided
from flowsense.serve.swapping import Loaded
from flowsense.serve.voices import Members
from flowsense.served import Prediction

WORDS = {
    Reason.RAISED: "it raised an error",
    Reason.UNSOUND: "what it said is no forecast",
    Reason.LATE: "late",
    Reason.HUNG: "it hangs",
    Reason.LOST: "it never took these rows in",
}


def votes(
    said: Prediction,
    one: Decided,
    r: int,
    loaded: Loaded,
    weights: Mapping[str, float],
    spoke: Mapping[str, int],
) -> VotesNow:
    """Of row r. spoke: ts of the row that each member last spoke of, ns; weights: shares."""
    model, place = loaded.model.model, loaded.decisions.risk.place
    ensemble = model if isinstance(model, Ensemble) and one.each else None
    if ensemble is None:
        alone = vote(loaded.about.name, one.forecast, r, place, 1.0, 0.0)
        return VotesNow(
            said.venue, said.symbol, said, said.should_trade, (alone,), int(alone.state == "ok"), 1
        )
    absent = {a.member: a for a in one.absent}
    told = list[Vote]()
    for name, forecast in zip(ensemble.names, one.each, strict=True):
        age = (said.ts - spoke[name]) / MILLISECOND if name in spoke else None
        if forecast is None or name in absent:
            told.append(missing(name, absent.get(name), age))
        else:
            told.append(vote(name, forecast, r, place, weights.get(name), age))
    heard = tuple(shared(told))
    answered = sum(v.state != "left out" for v in heard)
    needed = needs(loaded, len(heard))
    return VotesNow(said.venue, said.symbol, said, said.should_trade, heard, answered, needed)


def vote(
    name: str, said: Forecast, r: int, place: int, weight: float | None, age: float | None
) -> Vote:
    if not said.ready[r, place]:
        return Vote(name, "warming up", "", None, None, None, None, None, age)
    p, value = said.proba[r, place].tolist(), float(said.value[r, place])
    return Vote(name, "ok", "", p[DOWN], p[FLAT], p[UP], value, weight, age)


def missing(name: str, why: Absent | None, age: float | None) -> Vote:
    words = "it was not asked" if why is None else WORDS[why.reason]
    detail = f": {why.detail}" if why is not None and why.detail else ""
    return Vote(name, "left out", f"{words}{detail}", None, None, None, None, None, age)


def shared(told: list[Vote]) -> list[Vote]:
    """Weights of those who are heard, together 1."""
    whole = sum(v.weight or 0.0 for v in told if v.state == "ok")
    if whole <= 0:
        return told
    return [v if v.weight is None else replace(v, weight=v.weight / whole) for v in told]


def needs(loaded: Loaded, count: int) -> int:
    """Members that have to answer."""
    voice = loaded.decisions.voice
    return voice.panel.council.quorum if isinstance(voice, Members) else count // 2 + 1
