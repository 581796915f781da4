"""Order book to picture: where the mid goes after each tenth of the queue imbalance.

    python read_and_plot.py PICTURE.png [RECORDING...]

Without a recording it simulates one of three minutes.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib
import polars as pl

import flowsense as fs
from flowsense.simulate.market import Market, simulate
from flowsense.simulate.saved import save

AHEAD = 5  # rows of 100 ms


def moves(reader: fs.Recording) -> pl.DataFrame:
    """Mean move of the mid, ticks, by instrument and tenth of the imbalance at the touch."""
    mid = reader.rows().quote["mid2"] / 2  # in the order of the table's rows
    frame = reader.to_polars().with_columns(mid=mid).drop_nulls("imb_l1")
    later = pl.col("mid").shift(-AHEAD).over("instrument")
    return (
        frame.with_columns(move=later - pl.col("mid"), tenth=(pl.col("imb_l1") * 5).round() / 5)
        .group_by("instrument", "tenth")
        .agg(pl.col("move").mean(), rows=pl.len())
        .sort("instrument", "tenth")
    )


def draw(found: pl.DataFrame, path: Path) -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for (symbol,), part in found.group_by("instrument", maintain_order=True):
        axes.plot(part["tenth"], part["move"], marker="o", label=str(symbol))
    axes.set(xlabel="(bid - ask) / (bid + ask) lots of level 1", ylabel="ticks, 500 ms later")
    axes.axhline(0, color="grey", linewidth=0.5)
    axes.legend()
    figure.savefig(path)


def main(picture: str, *recordings: str) -> None:
    with TemporaryDirectory() as folder:
        if not recordings:
            save(simulate(Market(), seconds=180, seed=0), Path(folder) / "market")
        draw(moves(fs.read(list(recordings) or folder)), Path(picture))


if __name__ == "__main__":
    main(*sys.argv[1:])
