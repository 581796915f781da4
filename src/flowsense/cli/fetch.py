"""`flowsense fetch`: history of a venue into a file."""

from pathlib import Path
from typing import Annotated

import typer


def fetch(
    venue: Annotated[
        str,
        typer.Argument(
            metavar="VENUE",
            help="binance-spot, binance-usdm, binance-coinm, massive-stocks, massive-crypto, or "
            "databento/DATASET/SCHEMA.",
        ),
    ],
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="As the venue writes it.")],
    start: Annotated[str, typer.Option("--from", metavar="TIME", help="Like 2024-08-08, UTC.")],
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="Up to, not with, this time.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="A .parquet, or .dbn.zst, file.")],
    interval: Annotated[str, typer.Option(metavar="SPAN", help="Of a candle.")] = "1m",
    address: Annotated[
        str, typer.Option(metavar="URL", help="Of a server that speaks as the venue's does.")
    ] = "",
) -> None:
    """Download candles, or Databento's records, into a file.

    Interrupted, the same command goes on where it stopped. Keys are environment variables.
    """
    import asyncio

    from flowsense.cli.settings import moment
    from flowsense.cli.terminal import console
    from flowsense.errors import InputError
    from flowsense.fetch import Wanted, ending
    from flowsense.fetch.candles import VENDORS, candles
    from flowsense.fetch.databento import records
    from flowsense.forecast import duration
    from flowsense.registry import unknown

    span = moment(start), moment(end)
    name, _, rest = venue.partition("/")
    if name == "databento":
        ending(out, (".dbn", ".dbn.zst"))
        dataset, _, schema = rest.partition("/")
        wanted = Wanted(dataset.upper(), symbol, *span, schema=schema or f"ohlcv-{interval}")
        size = asyncio.run(records(wanted, out, address))
        console().print(f"{out}: {size:,} bytes of {wanted.schema}.", soft_wrap=True)
        return
    if venue not in VENDORS:
        raise InputError(unknown("venue", venue, (*VENDORS, "databento/DATASET")))
    ending(out, (".parquet",))
    wanted = Wanted(venue, symbol, *span, interval=duration(interval))
    rows = asyncio.run(candles(wanted, out, address))
    console().print(f"{out}: {rows:,} candles of {interval}.", soft_wrap=True)
