"""What the API tells of finished runs and backtests, made of the JSON that they leave behind."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson

from flowsense.errors import InputError
from flowsense.evaluate.report import verdict
from flowsense.evaluate.results import SCHEMA
from flowsense.serve.wire import plain
from flowsense.served import says

Kind = Literal["run", "backtest", "paper"]
Stands = Literal["above", "level", "below", "unknown"]
Side = Literal["a", "b"] | None
Interval = tuple[float, float] | None
NOTHING = "doing nothing"  # what a backtest stands beside


@dataclass(frozen=True, slots=True)
class Score:
    """One of a run, beside the rule without learning that does best by it."""

    target: Annotated[str, says("like mid@500ms; of a backtest: net")]
    score: Annotated[
        str,
        says(
            "accuracy: of the side, on moved rows; mae: of sizes, in ticks; return: of a backtest, "
            "share of the capital after costs"
        ),
    ]
    value: float | None
    null: Annotated[str, says("that rule, in words; of a backtest: doing nothing")]
    beside: Annotated[float | None, says("its score on the same rows")]
    ci95: Annotated[Interval, says("of value - beside, paired; null: too little time for one")]
    stands: Annotated[
        Stands,
        says(
            "better: above, worse: below, where the interval leaves zero out; level: it does not; "
            "unknown: there is none. Of a backtest above: told apart from the luck of all trials"
        ),
    ]
    rows: Annotated[int, says("that count; of a backtest executions")]


@dataclass(frozen=True, slots=True)
class Page:
    """For people, complete in itself: it runs nothing and fetches nothing."""

    title: str
    path: Annotated[str, says("of the API")]


@dataclass(frozen=True, slots=True)
class Finished:
    """A run, a backtest or a paper account that has ended."""

    name: Annotated[str, says("its folder, within that of all runs")]
    kind: Kind
    when: Annotated[int, says("it was written", "ns UTC")]
    title: Annotated[str, says("what was found, in a line")] = ""
    model: Annotated[str, says("that was chosen; of a backtest strategy and model")] = ""
    instruments: tuple[str, ...] = ()
    scores: Annotated[
        tuple[Score, ...], says("by target, the one that its report leads with first")
    ] = ()
    pages: tuple[Page, ...] = ()
    why: Annotated[str, says("no more is told of it; empty: all is")] = ""


@dataclass(frozen=True, slots=True)
class Runs:
    """All that lie in a folder, newest first."""

    folder: Annotated[str, says("its own name")]
    runs: tuple[Finished, ...]
    left_out: Annotated[int, says("not listed: too many, or of odd names")]


@dataclass(frozen=True, slots=True)
class Difference:
    """One score of both."""

    score: str
    a: float | None
    b: float | None
    difference: Annotated[float | None, says("a - b")]
    ci95: Annotated[Interval, says("of the difference, paired; null: too little time for one")]
    p: Annotated[float | None, says("two-sided, of no difference", "probability")]
    better: Annotated[Side, says("outside of luck; null: zero lies in the interval")]


@dataclass(frozen=True, slots=True)
class InTurn:
    """What one who looked at all times would have known."""

    score: str
    better: Side
    at: Annotated[int | None, says("it was decided", "ns UTC")]
    blocks: Annotated[int, says("of time that count")]


@dataclass(frozen=True, slots=True)
class Beside:
    """One target."""

    target: str
    n: Annotated[int, says("moved rows; all rows of a magnitude or a regime")]
    rows: int
    verdict: Annotated[str, says("on the first of its scores")]
    scores: tuple[Difference, ...]
    in_turn: tuple[InTurn, ...]


@dataclass(frozen=True, slots=True)
class Spoken:
    """One of the two."""

    name: str
    model: Annotated[str, says("that it chose")]
    rows: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs on their common rows, as `flowsense compare` has it."""

    a: Spoken
    b: Spoken
    common: Annotated[int, says("rows of both, by target")]
    targets: tuple[Beside, ...]
    luck: Annotated[str, says("how many of all intervals would leave zero out by luck alone")]
    notes: tuple[str, ...]


def finished(name: str, kind: Kind, when: int, pages: tuple[Page, ...], text: bytes) -> Finished:
    """text: metrics.json of a run, sheet.json of the others. What is damaged is told as that."""
    tell, again = (of_run, "run") if kind == "run" else (of_backtest, "trade")
    try:
        content = orjson.loads(text)
        if content["schema"] != SCHEMA:
            raise InputError(f"its results are not of schema {SCHEMA}: {again} again")
        found = Finished(name, kind, when, pages=pages, **tell(content))
        plain(found)  # nothing in it is other than finite
    except InputError as error:
        return Finished(name, kind, when, pages=pages, why=f"{str(error).rstrip('.')}.")
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        why = f"its results are damaged: {again} again."
        return Finished(name, kind, when, pages=pages, why=why)
    return found


def of_run(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Of the model that it chose."""
    name, leading = verdict.chosen(metrics), verdict.shown(metrics)
    of = metrics["models"][name]
    order = sorted(of, key=lambda target: target != leading)
    return {
        "title": verdict.title(metrics),
        "model": name,
        "instruments": tuple(str(each["symbol"]) for each in metrics["data"]["instruments"]),
        "scores": tuple(score(target, of[target]) for target in order),
    }


def score(target: str, entry: Mapping[str, Any]) -> Score:
    key = verdict.main_key(entry)
    found = verdict.judge(entry, key)
    null = verdict.spoken(found.null)
    return Score(
        target, key, found.value, null, found.beside, found.interval, found.mark, int(entry["n"])
    )


def of_backtest(content: Mapping[str, Any]) -> dict[str, Any]:
    from flowsense.backtest.sheet import verdict as sheet

    measures, luck = content["measures"], content["verdict"]
    stands: Stands = "unknown" if luck is None else "level"
    if luck is not None and luck["found"] and measures["net"] > 0:
        stands = "above"
    fills = sum(int(each["fills"]) for each in content["by_instrument"].values())
    net = Score("net", "return", measures["net"], NOTHING, 0.0, None, stands, fills)
    return {
        "title": sheet.title(content),
        "model": str(content["name"]),
        "instruments": tuple(map(str, content["instruments"])),
        "scores": (net,),
    }


def comparison(names: tuple[str, str], found: Mapping[str, Any]) -> Comparison:
    """found: as `flowsense.train.pairs.pair` gives it, without where the files lie."""
    a, b = (
        Spoken(name, str(found[letter]["model"]), int(found[letter]["rows"]))
        for name, letter in zip(names, "ab", strict=True)
    )
    targets = tuple(beside(target, one) for target, one in found["targets"].items())
    notes = (*found["left_out"], *found["warnings"])
    return Comparison(a, b, found["common"], targets, found["luck"], notes)


def beside(target: str, one: Mapping[str, Any]) -> Beside:
    scores = tuple(Difference(name, **cell) for name, cell in one["cells"].items())
    return Beside(
        target, one["n"], one["rows"], one["verdict"], scores, tuple(in_turn(one["in_turn"]))
    )


def in_turn(found: Mapping[str, Any]) -> Iterator[InTurn]:
    for name, one in found.items():
        yield InTurn(name, one["better"], one["at"], one["blocks"])
