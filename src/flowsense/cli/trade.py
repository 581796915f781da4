"""`flowsense trade`: what a model says of live venues, as orders. Without --live none is sent."""

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from flowsense.cli.serve import LIVE as HEARD
from flowsense.cli.serve import THRESHOLDS, acting, compiling, exists, places, shown
from flowsense.cli.shared import Shared, takes
from flowsense.errors import InputError

if TYPE_CHECKING:
    from asyncio import Event

    from flowsense.exchange.client import Terms
    from flowsense.live.feed import Address
    from flowsense.schema import Instrument
    from flowsense.serve.pipeline import InferencePipeline
    from flowsense.trade import Gateway
    from flowsense.trade.desk import Desk
    from flowsense.trade.session import Session
    from flowsense.trade.trader import Acted, Plan, Seen

AGAIN_S, LONGEST_S = 1.0, 60.0  # until a venue that cannot be reached is asked again
CONFIRMED = "FLOWSENSE_LIVE"  # venues to which orders may really be sent
ASSETS = "Of a venue: binance-usdm:BTCUSDT. The same asset at several venues: joined by =."
SENDING: Shared = {
    "fee": (
        Annotated[
            list[str] | None,
            typer.Option(metavar="VENUE=BP", help="Of a taker. Default: what the venue states."),
        ],
        None,
    ),
    "slippage": (
        Annotated[float, typer.Option(metavar="BP", help="Worse than the best price, at most.")],
        10.0,
    ),
    "loss": (
        Annotated[
            float, typer.Option(metavar="SHARE", help="Of what the day began with, then it halts.")
        ],
        0.03,
    ),
    "at": HEARD["at"],
    "confidence": THRESHOLDS["confidence"],
    "target": THRESHOLDS["target"],
}


@takes(SENDING)
def trade(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the account.")],
    capital: Annotated[float, typer.Option(metavar="MONEY", help="That sizes are shares of.")],
    model: Annotated[
        Path | None, typer.Argument(metavar="RUN", help="Of `run`, or one of its models.")
    ] = None,
    assets: Annotated[list[str] | None, typer.Argument(metavar="VENUE:SYMBOL", help=ASSETS)] = None,
    live: Annotated[bool, typer.Option("--live", help="Send real orders: docs/trade.md.")] = False,
    demo: Annotated[
        bool, typer.Option("--demo", help="A simulated market and a model of it, dry.")
    ] = False,
) -> None:
    """Turn forecasts of live markets into orders: dry, unless --live.

    The same command goes on where it was left. A file HALT in the folder stops all orders.
    """
    compiling()
    from flowsense.live.tables import wanted
    from flowsense.trade.router import Limits
    from flowsense.trade.trader import Plan

    fees = ctx.params["fee"] or []
    plan = Plan(capital, Limits(ctx.params["slippage"] * 1e-4), loss=ctx.params["loss"])
    with ExitStack() as stack:
        if demo:
            if model is not None or assets or live or ctx.params["at"]:
                raise InputError("--demo brings market and model, and is dry: leave out the others")
            model, found, at = shown(stack, 0)
            joined: tuple[tuple[str, ...], ...] = tuple((where,) for where in found)
            fees = fees or [f"{venue}=0" for venue in at]
        elif model is None or not assets:
            raise InputError("name a run and what it shall trade, or give --demo")
        else:
            joined = tuple(tuple(text.split("=")) for text in assets)
            at = places(ctx.params["at"] or (), wanted(w for each in joined for w in each))
        venues = tuple(wanted(where for each in joined for where in each))
        terms = {venue: terms_of(venue, fees) for venue in venues}
        if live:
            confirmed(venues)
        traded(
            model,
            joined,
            at,
            Wanted(out, plan, terms, live, ctx.params["confidence"], ctx.params["target"]),
        )


class Wanted(NamedTuple):
    """What the command was given, besides model and markets."""

    out: Path
    plan: "Plan"
    terms: "Mapping[str, Terms]"
    live: bool
    confidence: float | None
    target: str = ""


def confirmed(venues: Iterable[str]) -> None:
    """Raises InputError unless a person has said, beside the flag, where orders may go."""
    from flowsense.trade.unified import imported, keys_of, known

    named = {name.strip() for name in os.environ.get(CONFIRMED, "").split(",")}
    for venue in venues:
        known(venue)
        if venue not in named:
            every = ",".join(venues)
            raise InputError(f"--live sends real orders: confirm it by setting {CONFIRMED}={every}")
        keys_of(venue)
    imported()


def terms_of(venue: str, given: Iterable[str]) -> "Terms":
    """Of a taker there. Raises InputError where nobody knows them."""
    from flowsense.exchange.client import Terms
    from flowsense.exchange.venues import VENUES

    found = dict(text.partition("=")[::2] for text in given)
    if venue in found:
        try:
            share = float(found[venue]) * 1e-4
        except ValueError:
            share = -1.0
        if not 0 <= share < 1:
            raise InputError(f"--fee {venue}={found[venue]}: give basis points from 0")
        return Terms(taker=share)
    if venue not in VENUES:
        raise InputError(f"{venue}: its fees are not known: give --fee {venue}=5, in basis points")
    return VENUES[venue].terms


def traded(
    model: Path, assets: tuple[tuple[str, ...], ...], at: "dict[str, Address]", asked: Wanted
) -> None:
    """Until somebody ends it."""
    exists(model)
    from asyncio import Runner

    from flowsense.serve.config import PipelineConfig
    from flowsense.serve.pipeline import InferencePipeline
    from flowsense.train.shelf import chosen
    from flowsense.wall import new_loop

    symbols = tuple(where for each in assets for where in each)
    config = PipelineConfig(
        chosen(model),
        symbols,
        risk=acting(asked.target),
        confidence_threshold=asked.confidence,
        addresses=at,
    )
    with Runner(loop_factory=new_loop) as runner:
        runner.run(session(InferencePipeline(config), assets, at, asked))


async def session(
    pipeline: "InferencePipeline",
    assets: tuple[tuple[str, ...], ...],
    at: "Mapping[str, Address]",
    asked: Wanted,
) -> None:
    import asyncio
    import signal

    from flowsense.trade.session import Session
    from flowsense.trade.trader import Trader

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    with ExitStack() as stack:
        if not await begun(pipeline, stop):
            return
        try:
            table = pipeline.audience.table
            desk = await asyncio.to_thread(opened, table, at, asked, stack)
            loop.add_signal_handler(signal.SIGUSR1, desk.switch.touch)
            said(desk, asked)
            trader = Trader(desk, assets, table, asked.terms, asked.plan)
            trading = Session(trader, telling(), pipeline.now)
            wanted = {each[0]: each for each in assets}

            def hear(one: Any) -> None:
                if each := wanted.get(f"{one.venue}:{one.symbol}"):
                    trading.hear(one, seen(pipeline, each))

            pipeline.subscribe(hear)
            works = (trading.run(), stop.wait(), failed(pipeline))
            tasks = [asyncio.ensure_future(work) for work in works]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            left(desk, trading)
            for task in tasks:
                if not task.cancelled():
                    task.result()
        finally:
            await pipeline.stop()


async def begun(pipeline: "InferencePipeline", stop: "Event") -> bool:
    """As soon as its venues can be reached; False where somebody ends it before."""
    from flowsense.live.tables import Unreachable
    from flowsense.wall import within

    wait = AGAIN_S
    while not stop.is_set():
        try:
            await pipeline.start()
            return True
        except Unreachable as error:
            say(f"Not begun: {error} in {wait:g} s")
        with suppress(TimeoutError):
            async with within(wait):
                await stop.wait()
        wait = min(2 * wait, LONGEST_S)
    return False


def opened(
    table: "tuple[Instrument, ...]", at: "Mapping[str, Address]", asked: Wanted, stack: ExitStack
) -> "Desk":
    """Reconciled, which waits for the venues."""
    from flowsense.trade.desk import Desk

    made = gateways(table, at, asked)
    for gateway in made.values():
        stack.callback(gateway.close)
    return stack.enter_context(closing(Desk(asked.out, made, table)))


def gateways(
    table: "tuple[Instrument, ...]", at: "Mapping[str, Address]", asked: Wanted
) -> "dict[str, Gateway]":
    """One for each venue."""
    from flowsense.trade import Gateway
    from flowsense.trade.dry import Dry
    from flowsense.trade.unified import Unified, keys_of

    found = dict[str, Gateway]()
    for venue in dict.fromkeys(i.venue for i in table):
        mine = tuple(i for i in table if i.venue == venue)
        if asked.live:
            rest = at[venue].rest if venue in at else ""
            found[venue] = Unified(venue, mine, keys_of(venue), rest=rest)
        else:
            path = asked.out.parent / f"{asked.out.name}.dry" / f"{venue}.jsonl"
            found[venue] = Dry(venue, path, asked.plan.capital)
    return found


def seen(pipeline: "InferencePipeline", places: Iterable[str]) -> "dict[str, Seen]":
    """Books as of the last row of each."""
    from flowsense.trade.trader import Seen

    found = dict[str, Seen]()
    keys = {f"{i.venue}:{i.symbol}": (i.venue, i.symbol) for i in pipeline.audience.table}
    for where in places:
        if (row := pipeline.audience.rows.get(keys[where])) is not None:
            one, r, _ = row
            rows = one.tape.rows[0]
            found[where] = Seen(int(rows.ts[r]), rows.book[r], int(rows.quote["state"][r]))
    return found


def said(desk: "Desk", asked: Wanted) -> None:
    """What this is, and what was found of what was before."""
    if asked.live:
        say(f"LIVE: real orders are sent to {', '.join(desk.gateways)}")
    else:
        say("Dry run: no order is sent anywhere; --live would")
    for difference in desk.differences:
        say(("Explained: " if difference.why else "Not explained: ") + difference.told)
    held = {where: lots for where, lots in desk.account.lots.items() if lots}
    say(f"{desk.folder.path}: {desk.account.numbers:,} orders so far, {len(held):,} positions")
    if why := desk.halted:
        say(f"Halted: {why}")
        say(f"No order is sent. When all is clear, delete {desk.switch}: it goes on at once.")
    say(f"To halt: touch {desk.switch}, or kill -USR1 {os.getpid()}. Ctrl-C ends it.")


def telling() -> "Callable[[Acted], None]":
    """Of each prediction that was acted on; why a venue is left out, when that changes."""
    before = dict[str, tuple[str, ...]]()

    def tell(acted: "Acted") -> None:
        for one in acted.routed:
            for leg in one.legs:
                verb = "buy" if leg.side > 0 else "sell"
                say(f"{verb} {leg.units:g} at {leg.venue}:{leg.symbol} for {leg.value:,.2f}")
            if one.saved > 0:
                say(f"  {one.saved:,.4f} less than at one venue")
            if one.refused != before.get(acted.asset, ()):
                for why in one.refused:
                    say(f"  left out: {why}")
            before[acted.asset] = one.refused

    return tell


async def failed(pipeline: "InferencePipeline") -> None:
    """Raises InputError when nothing is forecast any more."""
    from flowsense.wall import pause

    while (status := pipeline.status()).state != "failed":
        await pause(0.5)
    raise InputError(f"nothing is forecast any more: {status.why}")


def left(desk: "Desk", trading: "Session") -> None:
    """What remains when it ends."""
    vetoed = ", ".join(f"{why} {n:,}" for why, n in trading.vetoes.most_common())
    against = f"; vetoes: {vetoed}" if vetoed else ""
    say(f"{trading.heard:,} predictions, {trading.acted_on:,} to act on{against}")
    account = desk.account
    say(f"{account.filled:,} orders filled, {account.fees:,.2f} of fees")
    for where, lots in account.lots.items():
        if lots:
            say(f"Held: {lots:+} lots of {where}; nobody watches it until this goes on")


def say(sentence: str) -> None:
    from flowsense.cli.terminal import console

    console().print(sentence, soft_wrap=True, markup=False, highlight=False)
