"""Options of the commands that trade, and what they ask for."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowsense.cli.reading import Text
from flowsense.cli.shared import Shared
from flowsense.errors import InputError

if TYPE_CHECKING:
    from flowsense.backtest import Strategy
    from flowsense.backtest.arms import Plan

BP = 1e-4
NAMED = {"strategy": ("follow", "quote"), "queue": ("risk-averse", "probabilistic")}
FEES = ("maker", "taker", "rebate")


def _bp(what: str) -> Any:
    return Annotated[float, typer.Option(metavar="BP", help=f"{what}, in 1/100 % of the value.")]


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
    "maker": (_bp("Fee of who rests"), 0.0),
    "taker": (_bp("Fee of who takes"), 0.0),
    "rebate": (_bp("Paid to who rests"), 0.0),
    "latency": (Annotated[str, typer.Option(metavar="TIME", help="Each way, like 1ms; 0.")], "1ms"),
    "queue": (
        Annotated[
            str, typer.Option(metavar="NAME", help="risk-averse or probabilistic; by order: exact.")
        ],
        "risk-averse",
    ),
    "confidence": (
        Annotated[float, typer.Option(metavar="P", help="Least of a signal, 0 to 1.")],
        0.65,
    ),
    "start": (
        Annotated[
            Text, typer.Option(metavar="TIME", help="Default: where the scores of RUN begin.")
        ],
        None,
    ),
    "end": (Annotated[Text, typer.Option(metavar="TIME", help="No orders from here on.")], None),
    "seed": (Annotated[int, typer.Option(metavar="N", help="Of what is drawn.", min=0)], 0),
}


def planned(asked: Mapping[str, Any], start: int) -> "Plan":
    """What these options ask for, from `start` ns on. Raises InputError."""
    from flowsense.backtest.arms import Plan
    from flowsense.cli.settings import moment
    from flowsense.exchange.client import Terms
    from flowsense.exchange.contracts import checked
    from flowsense.exchange.latency import Constant
    from flowsense.exchange.replay import Rules
    from flowsense.forecast import Target, duration
    from flowsense.registry import unknown
    from flowsense.risk.settings import Costs, Settings, Stance
    from flowsense.schema import NEVER

    for name, known in NAMED.items():
        if asked[name] not in known:
            raise InputError(unknown(name, asked[name], known))
    if not 0 < asked["capital"] < float("inf"):
        raise InputError(f"--capital {asked['capital']}: give an amount above 0")
    maker, taker, rebate = (BP * asked[name] for name in FEES)
    terms = checked(Terms(maker=maker, taker=taker, rebate=rebate))
    wait = Constant(0 if asked["latency"] == "0" else duration(asked["latency"]))
    takes = asked["strategy"] == "follow"
    return Plan(
        strategy=chosen(asked["strategy"], asked["lots"]),
        capital=asked["capital"],
        terms=terms,
        rules=Rules(order=wait, response=wait, queue=asked["queue"]),
        risk=Settings(
            target=Target.parse(asked["target"]) if asked["target"] else None,
            costs=Costs(fee=terms.taker if takes else terms.maker, spreads=1.0 if takes else 0.0),
            stance=Stance(least_confidence=asked["confidence"]),
        ),
        start=start,
        end=NEVER if asked["end"] is None else moment(asked["end"]),
        seed=asked["seed"],
    )


def chosen(name: str, lots: int) -> "Strategy[Any]":
    """The strategy of that name. Raises InputError."""
    from flowsense.backtest.strategies.follow import Follow
    from flowsense.backtest.strategies.quote import Quote

    if name == "follow":
        return Follow(lots=lots)
    if lots <= 0:
        raise InputError("--strategy quote: say how large its orders are: --lots N")
    return Quote.of(lots)
