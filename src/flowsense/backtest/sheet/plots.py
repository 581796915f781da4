"""The pictures of the sheet, in the frame and the colours of the report's."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from flowsense.backtest.sheet.words import SPACE, amount
from flowsense.evaluate.report.markup import Html
from flowsense.evaluate.report.plots import CONFIG, SMALL, dated, dates, framed, svg
from flowsense.evaluate.report.style import FAINT, MODEL, NULL, OTHER

TALL, FLAT = (10.0, 3.0), (10.0, 1.6)  # inches
SMALLEST = 1e-3  # shares below it are written as basis points


def equity(curves: Mapping[str, Sequence[Any]]) -> Html:
    """Gain as a share of the capital, net and before costs."""
    with matplotlib.rc_context(CONFIG):
        fig, ax = framed(TALL, left=0.8)
        at = dates(curves["ts"])
        ax.axhline(0, color=FAINT, lw=0.6)
        ax.plot(at, curves["gross"], color=OTHER, lw=1.1)
        ax.plot(at, curves["net"], color=MODEL, lw=1.6)
        _shares(ax.yaxis, 6)
        dated(ax, most=8)
        return svg(fig, ax, "equity, net and before costs", plain=True)


def rivals(curves: Mapping[str, Sequence[Any]]) -> Html:
    """Net gains of two, basis points of the capital of each."""
    with matplotlib.rc_context(CONFIG):
        fig, ax = framed(TALL, left=0.8)
        at = dates(curves["ts"])
        ax.axhline(0, color=FAINT, lw=0.6)
        for name, color, line in (("b", NULL, "--"), ("a", MODEL, "-")):
            ax.plot(at, np.array(curves[name]) * 1e4, color=color, lw=1.4, ls=line)
        ax.yaxis.set_major_locator(MaxNLocator(6))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{round(x, 9):g}"))
        dated(ax, most=8)
        return svg(fig, ax, "net gains of A and of B", plain=True)


def drawdown(curves: Mapping[str, Sequence[Any]]) -> Html:
    """How far below its peak, downwards."""
    with matplotlib.rc_context(CONFIG):
        fig, ax = framed(FLAT, left=0.8)
        at, below = dates(curves["ts"]), -np.array(curves["drawdown"])
        ax.fill_between(at, below, 0, color=NULL, alpha=0.25, lw=0)
        ax.plot(at, below, color=NULL, lw=0.9)
        _shares(ax.yaxis, 4)
        dated(ax, most=8)
        return svg(fig, ax, "drawdown", plain=True)


def sensitivity(
    points: Sequence[Mapping[str, float]], unit: str, assumed: float | None = None
) -> Html:
    """Return over the span against what was varied, and where the backtest itself stands."""
    with matplotlib.rc_context(CONFIG):
        fig, ax = framed(SMALL, left=0.85)
        at = range(len(points))  # evenly: what is varied is often varied by factors
        ax.axhline(0, color=FAINT, lw=0.6)
        ax.plot(at, [p["gross"] for p in points], color=OTHER, lw=1.1)
        ax.plot(at, [p["net"] for p in points], color=MODEL, lw=1.6, marker="o", ms=3)
        ats = [p["at"] for p in points]
        if assumed is not None and ats[0] <= assumed <= ats[-1]:
            ax.axvline(np.interp(assumed, ats, at), color=FAINT, lw=0.9, ls=":")
        ax.set_xticks(at, [f"{p['at']:g}" for p in points])
        ax.set_xlabel(unit)
        _shares(ax.yaxis, 4)
        return svg(fig, ax, f"return against {unit}", plain=True)


def _shares(axis: Axis, most: int) -> None:
    """Percent, or basis points where all is below a tenth of one."""
    axis.set_major_locator(MaxNLocator(most))
    axis.set_major_formatter(FuncFormatter(lambda x, _: ticked(x, axis.get_majorticklocs())))


def ticked(x: float, ticks: NDArray[np.float64]) -> str:
    """With as many digits as ticks so close need, the same for all of them."""
    small = np.abs(ticks).max() < SMALLEST
    times, unit = (1e4, "bp") if small else (1e2, "%")
    each = ticks * times
    close = 1e-3 * np.diff(each).min(initial=1.0)
    digits = next((d for d in range(9) if np.abs(each - each.round(d)).max() < close), 9)
    return f"{amount(x * times, digits)}{SPACE}{unit}"
