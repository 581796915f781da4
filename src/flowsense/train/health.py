"""What is wrong with a recording, finding by finding, and whether it matters.

A finding is judged by its share: of the time that the instrument was heard, of its records, its
trades, its bars or its values. Above `look` somebody should look at it, above `broken` do not
forecast from it; both are in `RULES`. The clock is judged by its median: `CLOCK` and `APART`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from flowsense.features.health import Health, quantile
from flowsense.features.health_events import (
    BOTH,
    GAPS,
    LOST,
    NAMES,
    SILENCE,
    SILENT,
    UNKNOWN,
    WHOLE,
)
from flowsense.features.health_told import BAR_NAMES, TOLD_NAMES
from flowsense.schema import SECOND, Instrument
from flowsense.sources import Counted, Source, chunks, kinds_of
from flowsense.sources.merge import Merged
from flowsense.train.progress import Progress, silent

Verdict: TypeAlias = Literal["fine", "look", "broken"]
Of: TypeAlias = Literal["time", "records", "trades", "bars", "values", "sequence", "messages"]


class Rule(NamedTuple):
    of: Of
    look: float  # above this share; inf: never
    broken: float
    unit: str = ""  # of total and worst: s, ticks, numbers
    what: str = ""


RULES: dict[str, Rule] = {
    "gap": Rule("records", 0, 0.001, "", "told by the source: something was lost there"),
    "lost": Rule("time", 0, 0.1, "s", "from a gap to the next snapshot"),
    "crossed": Rule("time", 0, 0.01, "s", "whole book, the bid above the ask"),
    "locked": Rule("time", 0.001, 0.1, "s", "whole book, the bid at the ask"),
    "one-sided": Rule("time", 0.01, 0.5, "s", "one side empty"),
    "empty": Rule("time", 0.001, 0.5, "s", "both sides empty"),
    "auction": Rule("time", inf, inf, "s", "said by the venue"),
    "halted": Rule("time", inf, inf, "s", "said by the venue"),
    "sequence hole": Rule("sequence", 0, 0.01, "numbers", "where 99 % of its steps are by one"),
    "sequence falls": Rule("records", 0, 0.01, "numbers", "goes back"),
    "time goes back": Rule("records", 0, 0.05, "s", "the exchange's, of the book or of trades"),
    "repeat": Rule("records", 0, 0.01, "", "a record that was told before"),
    "alike": Rule("trades", 0.5, inf, "", "trades equal to the one before, without a number"),
    "receive clock stands": Rule("records", 0, 0.01, "s", "for over 1 s at the exchange"),
    "silent": Rule("time", 0, 0.5, "s", "over 60 s while others are heard"),
    "off market": Rule("trades", 0, 0.01, "ticks", "beyond the touch by 10 spreads and 0.5 %"),
    "beyond the touch": Rule("trades", inf, inf, "ticks", "of the last whole book"),
    "inside the spread": Rule("trades", inf, inf, "", "hidden, or the book is older"),
    "unknown side": Rule("trades", 0.1, inf, "", "trades without an aggressor"),
    "impossible size": Rule("records", 0, 0, "", "below 0, 0 where it may not be, above 2**53"),
    "huge trade": Rule("trades", 0, inf, "", "above 1,000 times the median"),
    "missing bars": Rule("bars", 0, 0.5, "bars", "intervals without one"),
    "bar without volume": Rule("bars", 0.05, 0.5, "", ""),
    "open or close outside": Rule("bars", 0, 0, "", "of low and high"),
    "jump": Rule("bars", 0, 0.01, "%", "from close to close by over 10 %"),
    "revised": Rule("values", 0, inf, "", "told again of the same time"),
    "told late": Rule("values", 0, 0.05, "s", "after one of a later time"),
    "irregular messages": Rule("messages", 0, 0.1, "", "left out or mended by the decoder"),
    "pause": Rule("time", 0, inf, "s", "nothing was heard for over 60 s"),
}
CLOCK = SECOND, 60 * SECOND  # median lag: look, broken; below 0 is always looked at
APART = SECOND // 10  # between medians of two instruments: look
REGULAR = re.compile(r"\S+|message .|end of session|packet of session .*")  # names of messages
NUMBERED = 0.99  # of the steps of a sequence are by one, or it has no holes to speak of
HUGE = 10  # octaves above the median


@dataclass(frozen=True)
class Finding:
    about: str  # instrument, kind of observation, or "all"
    name: str
    count: int
    share: float
    of: str
    verdict: Verdict
    first: int = 0  # ns UTC, as received
    sequence: int = 0  # or row, of the first
    total: float = 0.0
    worst: float = 0.0
    unit: str = ""


@dataclass(frozen=True)
class Stream:
    """One instrument, or one kind of observation."""

    name: str
    venue: str
    records: int
    trades: int
    bars: int
    first: int
    last: int
    per_second: float
    spread: float | None  # ticks, mean over whole books
    lag: dict[str, float] | None  # s, of 1 %, 50 % and 99 %; None where the feed tells none
    timeline: dict[str, list[Any]]

    @property
    def about(self) -> str:
        """As findings name it."""
        return f"{self.name} {self.venue}".strip()


@dataclass(frozen=True)
class Report:
    """What `flowsense doctor data` prints, draws and writes."""

    source: str
    width: float  # s of one bin of the timelines
    start: int
    streams: tuple[Stream, ...]
    findings: tuple[Finding, ...]
    counts: dict[str, dict[str, int]]  # what decoders have met, by recording

    @property
    def verdict(self) -> Verdict:
        """The worst of all findings."""
        found = {f.verdict for f in self.findings}
        return "broken" if "broken" in found else "look" if "look" in found else "fine"

    def json(self) -> dict[str, Any]:
        return {"schema": 1, "verdict": self.verdict} | asdict(self)


def examined(source: Source, progress: Progress = silent) -> Report:
    """One pass. Raises InputError for what cannot be read."""
    health, done = Health(source.instruments, kinds_of(source)), 0
    for chunk in chunks(source):
        health.push(chunk)
        done += len(chunk.events) + len(chunk.bars)
        progress("examining", done, None)
    return report(health, source.name, counts(source))


def counts(source: Source) -> dict[str, dict[str, int]]:
    parts = source.sources if isinstance(source, Merged) else (source,)
    return {s.name: dict(s.counts) for s in parts if isinstance(s, Counted)}


def report(health: Health, name: str, counts: Mapping[str, Mapping[str, int]]) -> Report:
    """Of all that was pushed until now; the fold can go on."""
    world = health.arrays["world"][0]
    found = [*pauses(health)]
    streams = []
    for j, instrument in enumerate(health.instruments):
        state, bars = settled(health, j), health.arrays["bars"][j]
        if state["events"] or bars["bars"]:
            streams.append(stream(instrument, state, bars))
        found += [*of_events(instrument, state), *of_bars(instrument, bars)]
    for kind, told in zip(health.kinds, health.arrays["told"], strict=True):
        streams += [*of_kind(kind, told)]
        found += [*of_told(kind, told)]
    found += [*apart(streams), *irregular(counts)]
    width, start = int(world["width"]) / SECOND, int(world["first"])
    return Report(
        name, width, start, tuple(streams), tuple(found), {k: dict(v) for k, v in counts.items()}
    )


def settled(health: Health, j: int) -> Any:
    """A copy of the state with what is still going on added up to the end."""
    world, s = health.arrays["world"][0], health.arrays["state"][j].copy()
    if not s["events"]:
        return s
    if s["condition"] == LOST and s["since"] == s["last"]:  # where its recording ended
        for k in (GAPS, LOST):
            s["found"][k]["count"] -= 1
            if not s["found"][k]["count"]:
                s["bins"]["conditions"] &= ~(1 << k)
        return s
    end, f = int(world["latest"]), s["found"][s["condition"]]
    lasted = end - int(s["since"])
    f["total"] += lasted
    f["worst"] = max(int(f["worst"]), lasted)
    mark(s, world, int(s["since"]), end, int(s["condition"]))
    quiet = end - int(s["last"]) - int(world["paused"] - s["paused"])
    if quiet > SILENCE:
        f = s["found"][SILENT]
        if not f["count"]:
            f["ts"] = end
        f["count"] += 1
        f["total"] += quiet
        f["worst"] = max(int(f["worst"]), quiet)
        mark(s, world, int(s["last"]), end, SILENT)
    return s


def mark(s: Any, world: Any, start: int, end: int, k: int) -> None:
    a, b = ((ts - int(world["first"])) // int(world["width"]) for ts in (start, end))
    s["bins"]["conditions"][max(a, 0) : b + 1] |= 1 << k


def judged(
    about: str, name: str, f: Any, base: float, share: float | None = None
) -> Iterator[Finding]:
    """A finding where there is anything to tell."""
    if not f["count"]:
        return
    rule = RULES[name]
    scale = {"s": SECOND, "%": 100}.get(rule.unit, 1)
    total, worst = float(f["total"]) / scale, float(f["worst"]) / scale
    if share is None:
        share = (float(f["total"]) if rule.of == "time" else float(f["count"])) / max(base, 1)
    verdict: Verdict = "broken" if share > rule.broken else "look" if share > rule.look else "fine"
    yield Finding(
        about,
        name,
        int(f["count"]),
        share,
        rule.of,
        verdict,
        int(f["ts"]),
        int(f["sequence"]),
        total,
        worst,
        rule.unit,
    )


def named(instrument: Instrument) -> str:
    return f"{instrument.symbol} {instrument.venue}"


def of_events(instrument: Instrument, s: Any) -> Iterator[Finding]:
    who, found = named(instrument), s["found"]
    span = float(s["last"] - s["first"])
    bases = {"time": span, "records": float(s["events"]), "trades": float(s["trades"])}
    for k, name in enumerate(NAMES):
        if k not in (UNKNOWN, WHOLE) and (k != LOST or found[k]["total"]):
            yield from judged(who, name, found[k], bases[RULES[name].of])
    yield from sequences(who, s["track"], bases["records"])
    unknown = one(int(s["unknown_side"]))
    yield from judged(who, "unknown side", unknown, bases["trades"])
    yield from judged(who, "huge trade", one(huge(s["sizes"])), bases["trades"])
    yield from clock(who, s["lag"])


def one(count: int) -> dict[str, int]:
    return {"count": count, "ts": 0, "sequence": 0, "total": 0, "worst": 0}


def huge(sizes: Any) -> int:
    """Trades so many octaves above the median."""
    if not sizes.sum():
        return 0
    median = int(np.searchsorted(np.cumsum(sizes), sizes.sum() / 2))
    return int(sizes[median + HUGE :].sum())


def sequences(who: str, tracks: Any, records: float) -> Iterator[Finding]:
    """Holes of both together where they are numbered so, else of each that is."""
    numbered = [bool(t["rises"]) and t["ones"] >= NUMBERED * t["rises"] for t in tracks]
    for k in (BOTH,) if numbered[BOTH] else range(BOTH):
        if numbered[k]:
            yield from judged(who, "sequence hole", tracks[k]["hole"], float(tracks[k]["rises"]))
    for t in tracks[:BOTH]:
        yield from judged(who, "sequence falls", t["falls"], records)


def lag_of(lag: Any) -> dict[str, float] | None:
    """s; None where every record has one and the same time of both clocks."""
    at = np.flatnonzero(lag)
    if not len(at) or (len(at) == 1 and at[0] == len(lag) // 2):
        return None
    shares = {"1 %": 0.01, "50 %": 0.5, "99 %": 0.99}
    return {name: (quantile(lag, share) or 0) / SECOND for name, share in shares.items()}


def clock(who: str, lag: Any) -> Iterator[Finding]:
    told = lag_of(lag)
    if told is None:
        return
    median, n = told["50 %"] * SECOND, int(lag.sum())
    broken, looked = abs(median) > CLOCK[1], median < 0 or median > CLOCK[0]
    verdict: Verdict = "broken" if broken else "look" if looked else "fine"
    worst = told["99 %"] - told["1 %"]
    if verdict != "fine":
        yield Finding(who, "clock skew", n, 1.0, "records", verdict, 0, 0, worst, told["50 %"], "s")


def apart(streams: list[Stream]) -> list[Finding]:
    """Clocks of two instruments that tell different times."""
    told = [(s.lag["50 %"], s.name) for s in streams if s.lag is not None and s.records]
    if not told or (max(told)[0] - min(told)[0]) * SECOND <= APART:
        return []
    (low, a), (high, b) = min(told), max(told)
    about = f"{b} against {a}"
    return [
        Finding(about, "clocks apart", 1, 1.0, "records", "look", 0, 0, high - low, high - low, "s")
    ]


def of_bars(instrument: Instrument, b: Any) -> Iterator[Finding]:
    for name, f in zip(BAR_NAMES, b["found"], strict=True):
        if name == "bar without volume" and f["count"] == b["bars"]:
            continue  # the table has none
        missing = float(f["total"]) / max(float(b["bars"] + f["total"]), 1)
        share = missing if name == "missing bars" else None
        yield from judged(named(instrument), name, f, float(b["bars"]), share)


def of_told(kind: str, told: Any) -> Iterator[Finding]:
    for t in told:
        for name, f in zip(TOLD_NAMES, t["found"], strict=True):
            yield from judged(kind, name, f, float(t["values"]))


def pauses(health: Health) -> Iterator[Finding]:
    world = health.arrays["world"][0]
    yield from judged("all", "pause", world["pause"], float(world["latest"] - world["first"]))


def irregular(counts: Mapping[str, Mapping[str, int]]) -> Iterator[Finding]:
    for name, met in counts.items():
        odd = sum(n for what, n in met.items() if not REGULAR.fullmatch(what))
        yield from judged(Path(name).name, "irregular messages", one(odd), float(sum(met.values())))


def stream(instrument: Instrument, s: Any, bars: Any) -> Stream:
    alone = not s["booked"] and not s["trades"]  # else where its source ends is an event
    first, last = (int((bars if bars["bars"] and alone else s)[k]) for k in ("first", "last"))
    records = 0 if bars["bars"] and alone else int(s["events"])
    spread = float(s["spread"]) / float(s["books"]) if s["books"] else None
    return Stream(
        instrument.symbol,
        instrument.venue,
        records,
        int(s["trades"]),
        int(bars["bars"]),
        first,
        last,
        rate(records, first, last),
        spread,
        lag_of(s["lag"]),
        timeline(s["bins"]),
    )


def of_kind(kind: str, told: Any) -> Iterator[Stream]:
    if n := int(told["values"].sum()):
        there = told[told["values"] > 0]
        first, last = int(there["first"].min()), int(there["last"].max())
        lag = lag_of(there["lag"].sum(0))
        yield Stream(kind, "", n, 0, 0, first, last, rate(n, first, last), None, lag, {})


def rate(n: int, first: int, last: int) -> float:
    return n / max((last - first) / SECOND, 1e-9) if last > first else 0.0


def timeline(bins: Any) -> dict[str, list[Any]]:
    """Lists of BINS: records, mean spread (ticks) and lag (s), or None, and what was found."""

    def mean(total: str, of: str, scale: float = 1.0) -> list[float | None]:
        pairs = zip(bins[total].tolist(), bins[of].tolist(), strict=True)
        return [x / n * scale if n else None for x, n in pairs]

    told = {name: ((bins["conditions"] >> k) & 1).tolist() for k, name in enumerate(NAMES)}
    return {
        "records": bins["events"].tolist(),
        "spread": mean("spread", "books"),
        "lag": mean("lag", "lags", 1e-6),
        **{name: shown for name, shown in told.items() if any(shown)},
    }
