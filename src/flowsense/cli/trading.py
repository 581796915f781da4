"""Options of the commands that trade, and what they ask for."""

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowsense.cli.reading import Text
from flowsense.cli.shared import Shared
from flowsense.errors import InputError

if TYPE_CHECKING:
    from flowsense.backtest import Strategy
    from flowsense.backtest.arms import Plan
    from flowsense.backtest.bars import Frictions
    from flowsense.exchange.client import Terms
    from flowsense.exchange.replay import Rules
    from flowsense.schema import Instrument

BP, WHOLE = 1e-4, 1e4  # one basis point, and how many are all of it
REWARD = 1e3  # for the risk, at most
MOST = 1e18  # of an amount, whatever the currency
NAMED = {"strategy": ("follow", "quote"), "queue": ("risk-averse", "probabilistic")}
FEES, DEEP, BARE = (
    ("maker", "taker", "rebate"),
    ("latency", "queue"),
    ("half_spread", "impact", "share", "delay"),
)
Number = float | None
Count = int | None


def _bp(what: str) -> Any:
    return Annotated[Number, typer.Option(metavar="BP", help=f"{what}, in 1/100 % of the value.")]


TRADING: Shared = {
    "strategy": (
        Annotated[str, typer.Option(metavar="NAME", help="follow takes at signals, quote makes.")],
        "follow",
    ),
    "target": (
        Annotated[Text, typer.Option(metavar="TARGET", help="Acted on. Default: the first.")],
        None,
    ),
    "capital": (
        Annotated[float, typer.Option(metavar="AMOUNT", help="To begin with.")],
        1_000_000.0,
    ),
    "lots": (
        Annotated[int, typer.Option(metavar="N", help="Of an order; follow: 0 leaves it to risk.")],
        0,
    ),
    "venue": (
        Annotated[Text, typer.Option(metavar="NAME", help="Whose fees: of `list venues`.")],
        None,
    ),
    "maker": (_bp("Fee of who rests"), None),
    "taker": (_bp("Fee of who takes"), None),
    "rebate": (_bp("Paid to who rests"), None),
    "per_lot": (
        Annotated[Number, typer.Option(metavar="AMOUNT", help="Fee of each lot, either way.")],
        None,
    ),
    "least": (Annotated[int, typer.Option(metavar="N", help="Lots of the smallest order.")], 1),
    "funding": (_bp("Paid by who is long, to who is short"), None),
    "funding_every": (
        Annotated[Text, typer.Option(metavar="TIME", help="Between fundings. Default: 8h.")],
        None,
    ),
    "latency": (
        Annotated[
            Text, typer.Option(metavar="TIME", help="Each way, like 5ms; 0. Books; default: 1ms.")
        ],
        None,
    ),
    "queue": (
        Annotated[
            Text,
            typer.Option(metavar="NAME", help="risk-averse or probabilistic; by order: exact."),
        ],
        None,
    ),
    "half_spread": (_bp("Bars: half the spread (default: 1)"), None),
    "impact": (
        Annotated[
            Number,
            typer.Option(metavar="X", help="Bars: volatilities that all its volume costs. [1]"),
        ],
        None,
    ),
    "share": (
        Annotated[
            Text,
            typer.Option(metavar="P", help="Bars: of the volume that may be ours; any. [0.1]"),
        ],
        None,
    ),
    "delay": (
        Annotated[Count, typer.Option(metavar="N", help="Bars: that pass before an order.")],
        None,
    ),
    "confidence": (
        Annotated[float, typer.Option(metavar="P", help="Least of a signal, 0 to 1.")],
        0.65,
    ),
    "reward": (
        Annotated[
            float,
            typer.Option(metavar="R", help="Least gain for the risk, after costs; 0: ask none."),
        ],
        1.0,
    ),
    "start": (
        Annotated[
            Text, typer.Option(metavar="TIME", help="Default: where the scores of RUN begin.")
        ],
        None,
    ),
    "end": (Annotated[Text, typer.Option(metavar="TIME", help="No orders from here on.")], None),
    "seed": (
        Annotated[
            int, typer.Option(metavar="N", help="Kept with the result; nothing is drawn.", min=0)
        ],
        0,
    ),
}


def planned(asked: Mapping[str, Any], start: int) -> "Plan":
    """What these options ask for, from `start` ns on. Raises InputError."""
    from flowsense.backtest.arms import Plan
    from flowsense.cli.settings import moment
    from flowsense.forecast import Target
    from flowsense.registry import unknown
    from flowsense.risk.settings import NOTHING, Costs, Settings, Stance
    from flowsense.schema import NEVER

    for name, known in NAMED.items():
        if asked[name] is not None and asked[name] not in known:
            raise InputError(unknown(name, asked[name], known))
    if not 0 < asked["capital"] <= MOST:
        raise InputError(f"--capital {asked['capital']}: give an amount above 0, at most {MOST:g}")
    if asked["seed"] >= 2**63:
        raise InputError(f"--seed {asked['seed']}: give 0 to {2**63 - 1}")
    if not 0 <= asked["confidence"] <= 1:
        raise InputError(f"--confidence {asked['confidence']}: give a number from 0 to 1")
    if not 0 <= asked["reward"] <= REWARD:
        raise InputError(f"--reward {asked['reward']:g}: give a number from 0 to {REWARD:g}")
    end = NEVER if asked["end"] is None else moment(asked["end"])
    if end <= start:
        given = "--start" if asked["end"] is None else "--end"
        raise InputError(
            f"{given} {asked[given[2:]]}: no time lies between the first order and the last: give "
            "others"
        )
    terms, each = costs(asked)
    takes = asked["strategy"] == "follow"
    fee = terms.taker if takes else terms.maker
    return Plan(
        strategy=chosen(asked["strategy"], asked["lots"], terms.least),
        capital=asked["capital"],
        terms=terms,
        each=each,
        rules=rules(asked),
        frictions=frictions(asked),
        risk=Settings(
            target=Target.parse(asked["target"]) if asked["target"] else None,
            costs=Costs(fee=fee, spreads=1.0 if takes else 0.0) if asked["reward"] else NOTHING,
            stance=Stance(least_confidence=asked["confidence"], least_reward_risk=asked["reward"]),
        ),
        start=start,
        end=end,
        seed=asked["seed"],
    )


def chosen(name: str, lots: int, least: int = 1) -> "Strategy[Any]":
    """The strategy of that name. Raises InputError."""
    from flowsense.backtest.strategies.follow import Follow
    from flowsense.backtest.strategies.quote import Quote
    from flowsense.schema import LARGEST

    if not 0 <= lots <= LARGEST:
        raise InputError(f"--lots {lots}: give 0 to {LARGEST}")
    if 0 < lots < least:
        raise InputError(f"--lots {lots}: the smallest order has {least}, as --least says")
    if name == "follow":
        return Follow(lots=lots)
    if lots == 0:
        raise InputError("--strategy quote: say how large its orders are: --lots N")
    return Quote.of(lots)


def costs(asked: Mapping[str, Any]) -> tuple["Terms", float]:
    """Fees of the venue with what is asked besides, and what each unit costs. Raises InputError."""
    from flowsense.exchange.client import Terms
    from flowsense.exchange.contracts import checked
    from flowsense.exchange.venues import Fees, fees
    from flowsense.schema import LARGEST

    base = fees(asked["venue"]) if asked["venue"] else Fees("")
    given: dict[str, Any] = {
        name: BP * part(name, asked[name]) for name in FEES if asked[name] is not None
    }
    if given.get("maker") is not None and asked["rebate"] is None:
        given["rebate"] = 0.0  # a maker's fee goes over the rebate of the venue
    terms, each = base.terms._replace(**given), base.each
    if (per_lot := asked["per_lot"]) is not None:
        if not 0 <= per_lot <= MOST:
            raise InputError(f"--per-lot {per_lot}: give 0 or more, at most {MOST:g}")
        terms, each = terms._replace(per_lot=per_lot), 0.0
    if not 1 <= asked["least"] <= LARGEST:
        raise InputError(f"--least {asked['least']}: give 1 to {LARGEST} lots")
    more = {"least": asked["least"], **funded(asked)}
    return checked(Terms(**terms._asdict() | more)), each


def funded(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Of the terms. Raises InputError."""
    rate, every = asked["funding"], asked["funding_every"]
    if rate is None:
        if every is not None:
            raise InputError(f"--funding-every {every}: say how much it is: --funding BP")
        return {}
    if not (isfinite(rate) and abs(rate) <= WHOLE):
        raise InputError(f"--funding {rate:g}: give basis points from -10000 to 10000")
    return {"funding": BP * rate, "funding_ns": wait("funding-every", every or "8h")}


def rules(asked: Mapping[str, Any]) -> "Rules":
    """Of a recorded book. Raises InputError."""
    from flowsense.exchange.latency import Constant
    from flowsense.exchange.replay import Rules

    latency = asked["latency"] or "1ms"
    way = Constant(0 if latency == "0" else wait("latency", latency))
    return Rules(order=way, response=way, queue=asked["queue"] or NAMED["queue"][0])


def frictions(asked: Mapping[str, Any]) -> "Frictions":
    """Of bars. Raises InputError."""
    from flowsense.backtest.bars import Frictions

    found = dict[str, Any]()
    if (half := asked["half_spread"]) is not None:
        if not 0 <= half < WHOLE:
            raise InputError(f"--half-spread {half:g}: give basis points from 0, below 10000")
        found["half_spread"] = BP * half
    if (impact := asked["impact"]) is not None:
        if not 0 <= impact <= MOST:
            raise InputError(f"--impact {impact:g}: give 0 or more, at most {MOST:g}")
        found["impact"] = impact
    if (delay := asked["delay"]) is not None:
        if not 0 <= delay < 2**31:
            raise InputError(f"--delay {delay}: give a number of bars from 0")
        found["delay"] = delay
    if asked["share"] is not None:
        found["share"] = share(asked["share"])
    return Frictions(**found)


def share(text: str) -> float | None:
    """``0.1``; ``any``: no matter how much. Raises InputError."""
    if text == "any":
        return None
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 1:
        raise InputError(f"--share {text}: give a share above 0 and at most 1, or any")
    return number


def part(name: str, bp: float) -> float:
    """Basis points that a fee can have. Raises InputError."""
    if not 0 <= bp <= WHOLE:
        hint = "; what a maker is paid is --rebate" if name == "maker" else ""
        raise InputError(f"--{name} {bp:g}: give 0 or more basis points, at most 10000{hint}")
    return bp


def wait(name: str, text: str) -> int:
    """ns of a time within a year. Raises InputError."""
    from flowsense.forecast import duration
    from flowsense.schema import DAY

    try:
        ns = duration(text)
    except InputError as error:
        raise InputError(f"--{name}: {error}") from error
    if ns > 366 * DAY:
        raise InputError(f"--{name} {text}: give a year at most")
    return ns


def suits(asked: Mapping[str, Any], table: "tuple[Instrument, ...]") -> None:
    """Raises InputError for options that say nothing of such instruments."""
    bare = all(i.depth == 0 for i in table)
    for name in DEEP if bare else BARE:
        if asked[name] is not None:
            what = "bars, which no order waits in" if bare else "a recorded book"
            other = "--delay N, in bars" if bare else "--latency TIME"
            flag = name.replace("_", "-")
            hint = f": give {other}" if name in ("latency", "delay") else ": leave it out"
            raise InputError(f"--{flag} {asked[name]}: says nothing of {what}{hint}")
