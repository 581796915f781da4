"""What is known besides the book: sentiment that is published late and corrected, beside prices.

    python alternative_data.py

Two times stand by each value: when it happened (`ts`) and when it could be read (`known`). A row
sees what was known before it, and of that what happened last. Nothing else is ever joined.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from rich import print

import flowsense as fs
from flowsense.simulate.market import EPOCH, Market, simulate
from flowsense.simulate.saved import save

SECONDS = {  # of a minute: happened, known, value
    "on time": (10, 12, 0.5),
    "late": (15, 40, -0.9),  # told after the next one, which happened later
    "next": (20, 22, 0.7),
    "corrected": (20, 50, 0.1),  # the same moment again, and another number
}


def mood(start: int) -> pl.DataFrame:
    """As a vendor would hand it over: a line for each value told, in the order of telling."""
    told = pl.DataFrame(list(SECONDS.values()), schema=["ts", "known", "value"], orient="row")
    times = pl.col("ts", "known").cast(pl.Int64) * 10**9 + start
    return told.with_columns(times, name=pl.lit("mood")).sort("known")


def main(folder: Path) -> None:
    market, sentiment = folder / "market", folder / "mood.csv"
    save(simulate(Market.tiny(), seconds=60, seed=0), market)
    mood(EPOCH).write_csv(sentiment)
    both = fs.read([market, sentiment], clocks=("interval:1s",))
    rows = both.to_polars().filter(pl.col("instrument") == both.instruments[0].symbol)
    changed = pl.col("mood").ne_missing(pl.col("mood").shift())
    for ts, value, age in rows.filter(changed).select("ts", "mood", "mood_age").rows():
        print(f"from {ts:%H:%M:%S} on {value:+.1f}, which happened {age:.0f} s before")


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        main(Path(folder))
