"""Candles of a vendor that nobody has seen before: from a CSV to scores beside their nulls.

    python candles.py [CANDLES.csv]

Without a file it makes one of a driftless random walk, of which nothing can be known: whatever a
model finds there is luck, and nineteen in twenty of the intervals hold zero.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from rich import print

import flowsense as fs

BARS, INSIDE = 6_000, 20  # minutes, and steps of the walk in each


def walk(seed: int) -> pl.DataFrame:
    """Open, high, low and close of a random walk by the minute, in cents."""
    rng = np.random.default_rng(seed)
    price = 100_000 + rng.choice([-1, 1], (BARS, INSIDE)).cumsum().reshape(BARS, INSIDE)
    dollars = {"o": price[:, 0], "h": price.max(1), "l": price.min(1), "c": price[:, -1]}
    times = 1_704_067_200 + 60 * np.arange(BARS)  # of the opens
    traded = rng.integers(1, 500, BARS)
    return pl.DataFrame({"when": times} | {k: v / 100 for k, v in dollars.items()} | {"v": traded})


def main(path: Path, **options: str) -> None:
    candles = fs.read(path, format="candles", **options)
    print(candles)
    print(candles.to_polars().select("ts", "bar_ret", "bar_rsi14").tail(3))
    run = fs.walk_forward(candles, ["logistic"], targets=["mid@1m", "mid@15m"])
    for target, score in run.metrics["models"]["logistic"].items():
        found = score["nulls"]["majority"]["difference"]["accuracy"]
        above = (
            "an interval too wide to print"
            if found is None
            else "{:+.3f} to {:+.3f}".format(*found)
        )
        print(f"{target}: {score['accuracy']:.3f} of {score['n']} rows, less the majority {above}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with TemporaryDirectory() as folder:
            walk(seed=0).write_csv(path := Path(folder) / "walk.csv")
            main(path, columns="ts=when,open=o,high=h,low=l,close=c,volume=v")
