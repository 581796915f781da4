"""The picture of a recording's health: for each instrument its rate, spread, clock and findings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from flowsense.evaluate.report.plots import CONFIG, dated
from flowsense.evaluate.report.style import BAD, FAINT, INK, MODEL, OTHER, RULE, SIDE

AMBER, SKY, GREEN = "#e69f00", "#56b4e9", "#009e73"  # Okabe & Ito 2008
MOST = 6  # instruments drawn, the most active ones
LONGEST = 140  # letters of the title
WIDTH, PANEL = 11.0, 2.5  # inches, of the picture and of one instrument
SHADED = {  # from the mildest on; later ones are drawn over earlier ones
    "one-sided": OTHER,
    "empty": OTHER,
    "auction": SIDE,
    "halted": SIDE,
    "silent": GREEN,
    "locked": AMBER,
    "crossed": BAD,
    "lost": INK,
}
DOTTED = {"gap": INK, "off market": SKY, "receive clock stands": MODEL}


def draw(path: Path, report: Mapping[str, Any]) -> None:
    """A PNG at `path`. `report` is what `train.health.Report.json` gives."""
    streams = [s for s in report["streams"] if s["timeline"] and s["records"]]
    streams = sorted(streams, key=lambda s: -s["records"])[:MOST]
    style = CONFIG | {"figure.facecolor": "white", "font.size": 8}
    with matplotlib.rc_context(style):
        rows = max(len(streams), 1)
        fig = Figure(figsize=(WIDTH, 0.75 + PANEL * rows), layout="constrained")
        fig.suptitle(title(report), x=0.01, ha="left", fontsize=9, color=INK)
        if not streams:
            fig.text(0.5, 0.5, "no events: bars and observations stand in the table", ha="center")
        else:
            parts = fig.subfigures(rows, 1, squeeze=False)[:, 0]
            for part, stream in zip(parts, streams, strict=True):
                panel(part, stream, report)
        fig.savefig(path, format="png", dpi=130, metadata={"Software": None})


def title(report: Mapping[str, Any]) -> str:
    names = ", ".join(Path(part).name for part in report["source"].split(", "))
    short = names if len(names) <= LONGEST else f"{names[: LONGEST - 3]}..."
    return f"{short}: {report['verdict']}"


def panel(fig: Any, stream: Mapping[str, Any], report: Mapping[str, Any]) -> None:
    """One instrument: findings, records a second, spread, lag, on one clock."""
    line, width = stream["timeline"], report["width"]
    last = int(np.flatnonzero(line["records"]).max())
    edges = report["start"] + (np.arange(last + 2) * width * 1e9).astype(np.int64)
    ts = edges.astype("datetime64[ns]")
    lag = any(x is not None and abs(x) > 0 for x in line["lag"])
    spread = any(x is not None for x in line["spread"])
    drawn = ["records", *(["spread"] if spread else []), *(["lag"] if lag else [])]
    axes = fig.subplots(
        len(drawn) + 1, 1, sharex=True, height_ratios=[0.35, *[1.0] * len(drawn)], squeeze=False
    )[:, 0]
    fig.suptitle(about(stream), x=0.01, ha="left", fontsize=8.5, color=INK, weight="bold")
    findings(axes[0], line, ts, last)
    labels = {"records": "records / s", "spread": "spread, ticks", "lag": "lag, s"}
    scale = {"records": 1 / width, "spread": 1.0, "lag": 1.0}
    for ax, name in zip(axes[1:], drawn, strict=True):
        values = np.array([np.nan if x is None else x for x in line[name][: last + 1]], float)
        ax.stairs(values * scale[name], ts, color=MODEL, lw=1.0, baseline=None)
        ax.margins(x=0, y=0.2)
        ax.text(0, 1.02, labels[name], transform=ax.transAxes, color=FAINT, va="bottom")
        ax.yaxis.set_major_locator(MaxNLocator(3))
        for what, colour in SHADED.items():
            shade(ax, line.get(what), ts, last, colour)
    dated(axes[-1], most=9)


def about(stream: Mapping[str, Any]) -> str:
    said = f"{stream['name']}  {stream['venue']}   {stream['records']:,} records"
    return f"{said}, {stream['trades']:,} trades"


def findings(ax: Axes, line: Mapping[str, Any], ts: NDArray[Any], last: int) -> None:
    """A strip with what was found, named in its colour."""
    ax.set_ylim(0, 1)
    ax.set_yticks([])
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    ax.grid(visible=False)
    x = 0.0
    for what, colour in (SHADED | DOTTED).items():
        if what not in line:
            continue
        shade(ax, line[what], ts, last, colour, 0.9, (0.0, 0.45))
        ax.text(x, 0.6, f"■ {what}", color=colour, transform=ax.transAxes, fontsize=7.5)
        x += 0.02 + 0.011 * len(what)
    if x == 0.0:
        ax.text(0, 0.6, "nothing found", color=FAINT, transform=ax.transAxes, fontsize=7.5)
    ax.axhspan(0, 0.45, color=RULE, alpha=0.35, lw=0, zorder=0)


def shade(
    ax: Axes,
    where: list[int] | None,
    ts: NDArray[Any],
    last: int,
    colour: str,
    alpha: float = 0.16,
    height: tuple[float, float] = (0.0, 1.0),
) -> None:
    """The runs of bins in which it was so."""
    if where is None:
        return
    steps = np.diff([0, *where[: last + 1], 0])
    for a, b in zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1), strict=True):
        ax.axvspan(ts[a], ts[b], *height, color=colour, alpha=alpha, lw=0)
