"""The pictures: small SVGs in the page's own colours, so that they follow light and dark."""

import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from io import StringIO
from math import ceil, floor
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, Locator, MaxNLocator, NullLocator

from flowsense.evaluate.report.markup import Html, el, figure
from flowsense.evaluate.report.style import (
    BAD,
    FAINT,
    GOOD,
    INK,
    MODEL,
    NULL,
    OTHER,
    RULE,
    SIDE,
    VARIABLES,
)

Curve = Mapping[str, Any]
SMALL, WIDE = (2.4, 1.85), (10.0, 3.3)  # inches
CONFIG: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "flowsense",
    "text.parse_math": False,  # a symbol may hold a dollar sign
    "font.size": 8.5,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": FAINT,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "figure.facecolor": "none",
}
DAY = 86_400.0  # s
MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720)
STEPS = (
    0.1,
    0.5,
    1,
    2,
    5,
    10,
    15,
    30,
    *(60 * m for m in MINUTES),
    *(DAY * d for d in (1, 2, 7, 16)),
)
MONTHS = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1_200, 2_400, 6_000)  # of spans beyond those


def coverage(curve: Curve, shares: Sequence[float], model: str, null: str) -> Html:
    """Accuracy against the share of moved rows taken, the most convinced first."""
    with matplotlib.rc_context(CONFIG):
        fig, ax = framed(SMALL)
        mine = curve["models"][model]
        for name, other in curve["models"].items():
            if name != model:
                ax.plot(shares, other["coverage"], color=MODEL, alpha=0.3, lw=0.8)
        for name, other in curve["nulls"].items():
            if name not in (null, "always_up", "always_down"):
                ax.plot(shares, other["coverage"], color=OTHER, lw=0.8)
        one_side = np.maximum(mine["same_rows"]["always_up"], mine["same_rows"]["always_down"])
        ax.plot(shares, one_side, color=SIDE, lw=1.1, ls=":")
        ax.plot(shares, curve["nulls"][null]["coverage"], color=NULL, lw=1.5, ls="--")
        ax.plot(shares, mine["coverage"], color=MODEL, lw=2)
        ax.set_xscale("log")
        ticks = (0.02, 0.05, 0.1, 0.25, 0.5, 1)
        ax.xaxis.set_major_locator(FixedLocator(ticks))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x * 100:.0f}"))
        ax.set_xlabel("% of moved rows")
        return svg(fig, ax, "accuracy against coverage")


def reliability(points: Mapping[str, Sequence[Sequence[float]]]) -> Html:
    """Frequency against forecast, by name one line: the closer to the diagonal the better."""
    with matplotlib.rc_context(CONFIG):
        fig, ax = framed(SMALL)
        styles = {
            "side": (MODEL, "-"),
            "down": (NULL, "--"),
            "flat": (OTHER, ":"),
            "up": (SIDE, "-."),
        }
        ax.plot([0, 1], [0, 1], color=RULE, lw=1)
        for name, line in points.items():
            colour, dash = styles[name]
            if line:
                x, y, n = np.array(line).T
                size = 4 + 22 * n / n.max()
                ax.plot(x, y, color=colour, ls=dash, lw=1.3)
                ax.scatter(x, y, s=size, color=colour, linewidths=0)
        ax.set_xlim(-0.02, 1.02)
        ax.set_ylim(-0.02, 1.02)
        ax.set_xlabel("forecast")
        ax.set_ylabel("came true")
        ax.xaxis.set_major_formatter(FuncFormatter(_tick))
        return svg(fig, ax, "reliability")


def over_time(curve: Curve, model: str, null: str) -> Html:
    """Accuracy in each part of the test span, and of all rows so far with its interval."""
    with matplotlib.rc_context(CONFIG):
        fig, ax = framed(SMALL)
        part, mine = curve["time"], curve["models"][model]["time"]
        start, end = dates(part["start"]), dates(part["end"])
        middle = start + (end - start) // 2
        ax.plot(middle, curve["nulls"][null]["time"]["accuracy"], color=NULL, lw=1, ls="--")
        size = 4 + 14 * np.sqrt(np.array(part["n"]) / max(part["n"]))
        ax.scatter(middle, mine["accuracy"], s=size, color=MODEL, linewidths=0, alpha=0.7)
        ax.plot(end, mine["cumulative"], color=MODEL, lw=1.8)
        known = [k for k, band in enumerate(mine["interval"]) if band]
        if known:
            low, high = np.array([mine["interval"][k] for k in known]).T
            ax.fill_between(end[known], low, high, color=MODEL, alpha=0.16, lw=0)
        ax.axhline(0.5, color=FAINT, lw=0.6)
        dated(ax, most=4, offset=False)
        return svg(fig, ax, "accuracy over time")


def layout(folds: Sequence[Mapping[str, Sequence[int] | None]]) -> Html:
    """Which time trains, chooses and tests; three lanes per fold, the first fold on top."""
    with matplotlib.rc_context(CONFIG):
        inches = 0.3 * min(len(folds), 20)
        fig, ax = framed((WIDE[0], 0.62 + inches), left=0.16)
        thick = 0.26 * 72 * inches / len(folds)  # points
        parts = (("train", OTHER), ("validation", NULL), ("test", MODEL))
        for row, fold in enumerate(folds):
            for lane, (name, colour) in enumerate(parts):
                ends = fold[name] or ()
                for first in range(0, len(ends), 2):
                    stretch = dates(ends[first : first + 2])
                    at = [row + (lane - 1) * 0.28] * 2
                    ax.plot(stretch, at, color=colour, lw=thick, solid_capstyle="butt")
        ax.set_ylim(len(folds) - 0.4, -0.6)
        ax.set_yticks([])
        ax.spines.left.set_visible(False)
        ax.grid(axis="y", visible=False)
        dated(ax, most=8)
        return svg(fig, ax, "training, choice and test spans", plain=True)


def price(stretch: Mapping[str, Any], model: str) -> Html:
    """The mid over the test block, and the most convinced calls by how they ended."""
    with matplotlib.rc_context(CONFIG):
        fig, ax = framed(WIDE, left=0.8)
        start = stretch["start"]
        ax.plot(_after(start, stretch["seconds"]), stretch["price"], color=INK, lw=0.7)
        calls = stretch["calls"].get(model)
        if calls:
            at, prices = _after(start, calls["seconds"]), np.array(calls["price"])
            side, ended = np.array(calls["side"]), np.array(calls["ended"])
            for outcome, colour in ((0, OTHER), (1, GOOD), (-1, BAD)):
                for way, marker in ((1, "^"), (-1, "v")):
                    which = (side == way) & (ended == outcome)
                    inside = "none" if outcome == 0 else colour
                    ax.scatter(
                        at[which],
                        prices[which],
                        s=22,
                        marker=marker,
                        edgecolors=colour,
                        facecolors=inside,
                        linewidths=0.8,
                        zorder=3,
                    )
        ax.yaxis.set_major_locator(MaxNLocator(5))
        ax.ticklabel_format(axis="y", useOffset=False, style="plain")
        dated(ax, most=8)
        return svg(fig, ax, f"price of {stretch['symbol']} with calls", plain=True)


def framed(size: tuple[float, float], left: float = 0.42) -> tuple[Figure, Axes]:
    """With room in inches: on the left for figures, below for two lines of ticks."""
    fig, (width, height) = Figure(figsize=size), size
    fig.subplots_adjust(left / width, 0.36 / height, 1 - 0.16 / width, 1 - 0.08 / height)
    return fig, fig.add_subplot()


def dates(ts: Sequence[int]) -> np.ndarray[Any, np.dtype[np.datetime64]]:
    return np.array(ts, np.int64).astype("datetime64[ns]")


def _after(start: int, seconds: Sequence[float]) -> np.ndarray[Any, np.dtype[np.datetime64]]:
    return dates((start + np.round(np.array(seconds) * 1e9).astype(np.int64)).tolist())


class Clock(Locator):
    """Round times, at most so many; matplotlib's own warns where few ticks suit a short span."""

    def __init__(self, most: int) -> None:
        self.most = most

    def __call__(self) -> list[float]:
        assert self.axis is not None
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        """Of a view in days since 1970, in days."""
        span = (vmax - vmin) * DAY
        step = next((s for s in STEPS if span / s < self.most), None)
        if step is None:
            return self.months(vmin, vmax)
        first, last = ceil(vmin * DAY / step), floor(vmax * DAY / step)
        return [k * step / DAY for k in range(first, last + 1)]

    def months(self, vmin: float, vmax: float) -> list[float]:
        """Of the same view, the first days of months, of years where it is long."""
        begin, end = (
            np.datetime64(floor(day), "D").astype("datetime64[M]") for day in (vmin, vmax)
        )
        first, last = int(begin.astype(int)) + 1, int(end.astype(int))
        step = next(s for s in MONTHS if (last - first) / s <= self.most - 1)
        every = np.arange(-(-first // step) * step, last + 1, step).astype("datetime64[M]")
        return [float(day) for day in every.astype("datetime64[D]").astype(np.int64)]


def dated(ax: Axes, most: int, offset: bool = True) -> None:
    locator = Clock(most)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=offset))  # type: ignore[no-untyped-call]


def _tick(x: float, _: int) -> str:
    return "0" if x == 0 else figure(x, 2).rstrip("0").rstrip(".")


def svg(fig: Figure, ax: Axes, name: str, plain: bool = False) -> Html:
    """The figure as an element: no prologue, no metadata, no ids but those it refers to."""
    if not plain:
        ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        ax.yaxis.set_major_formatter(FuncFormatter(_tick))
    out = StringIO()
    fig.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    inside = text[text.index(">", text.index("<svg")) + 1 : text.rindex("</svg>")]
    inside = re.sub(
        r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", inside, flags=re.S
    )
    inside = re.sub(r' id="(?![mp][0-9a-f]{10}")[^"]*"', "", inside)
    own = blake2b(inside.encode(), digest_size=4).hexdigest()  # two plots may share a marker
    inside = re.sub(r'(id="|#)(?=[mp][0-9a-f]{10}\b)', rf"\1f{own}", inside)
    inside = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", inside)
    for colour, variable in VARIABLES.items():
        inside = inside.replace(colour, variable)
    width, height = 72 * fig.get_size_inches()
    inside = re.sub(r"\s*\n\s*", "\n", inside)
    box = f"0 0 {width:g} {height:g}"
    return el("svg", Html(inside), viewBox=box, role="img", aria_label=name)
