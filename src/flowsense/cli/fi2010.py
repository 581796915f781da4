"""`flowsense fi2010`: the published benchmark of nets on the raw book, with its nulls beside."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowsense.cli.shared import Shared, takes

if TYPE_CHECKING:
    from rich.table import Table

    from flowsense.train.fi2010.scores import Score
    from flowsense.train.fi2010.table import Fold

OPTIONS: Shared = {
    "models": (
        Annotated[str, typer.Option(metavar="NAMES", help="Of deeplob, tlob, binctabl, mlplob.")],
        "binctabl,mlplob",
    ),
    "horizons": (Annotated[str, typer.Option(metavar="K,...", help="Events.")], "10,20,50,100"),
    "protocol": (
        Annotated[str, typer.Option(metavar="NAME", help="Of FI-2010: split or anchored.")],
        "split",
    ),
    "against": (
        Annotated[str, typer.Option(metavar="WHAT", help="Of a recording's labels: now or past.")],
        "now",
    ),
    "threshold": (
        Annotated[str, typer.Option(metavar="BP", help="Of a recording's labels.")],
        "0.2bp",
    ),
    "clock": (
        Annotated[str, typer.Option(metavar="CLOCK", help="Rows of a recording.")],
        "events:1",
    ),
    "epochs": (
        Annotated[int, typer.Option(metavar="N", help="Four to a pass over the rows.", min=1)],
        40,
    ),
    "budget": (Annotated[str, typer.Option(metavar="TIME", help="To train one net.")], "3m"),
    "published": (
        Annotated[bool, typer.Option("--published", help="Sizes of the papers: hours.")],
        False,
    ),
    "seed": (Annotated[int, typer.Option(metavar="N", help="Same seed, same nets.", min=0)], 0),
}

LEGEND = (
    "F1: macro-F1 in percent, and its 95 % interval; even: with each class over its share of the",
    "training. The next three are rules without knowledge on the same rows; walk: the last of",
    "them on random walks of the recording's own moves.",
    "published: by others on days 8-10 of FI-2010; not ours.",
)


@takes(OPTIONS)
def fi2010(
    ctx: typer.Context,
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SRC", help="Folder of FI-2010's files, or a recording."),
    ],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="All of it as JSON.")] = None,
) -> None:
    """Score nets of the raw book by the protocols of FI-2010."""
    from flowsense.cli.saved import save_json
    from flowsense.cli.settings import listed, span
    from flowsense.cli.terminal import console, watched
    from flowsense.model import Budget
    from flowsense.schema import SECOND
    from flowsense.store.atomic import ensure_writable
    from flowsense.train.fi2010.scores import net, scores

    if out:
        ensure_writable(out.parent)
    given = ctx.params
    names, budget = listed(given["models"]), Budget(given["epochs"], span(given["budget"]) / SECOND)
    for name in names:
        net(name, given["published"])
    found: list[Score] = []
    how = {"published": given["published"], "seed": given["seed"], "budget": budget}
    with watched() as tell:
        for fold in folds(sources, given):
            for name in names:
                tell(f"{name}, {fold.name}", len(found), None)
                found.extend(scores(fold, name, **how))
    to = console()
    to.print(table(found))
    for line in LEGEND:
        to.print(line)
    if out:
        save_json(out, {"scores": [one._asdict() for one in found]})
        to.print(f"{out}  all of it", soft_wrap=True)


def folds(sources: list[str], given: dict[str, Any]) -> Iterator["Fold"]:
    """Of FI-2010's files, or the one of a recording. Raises InputError."""
    from flowsense.cli.settings import listed, whole
    from flowsense.errors import InputError
    from flowsense.forecast import Width
    from flowsense.train.fi2010 import files, recorded
    from flowsense.train.fi2010.table import Rule

    for name, known in (("protocol", ("split", "anchored")), ("against", ("now", "past"))):
        if given[name] not in known:
            raise InputError(f"--{name} {given[name]!r}: write {' or '.join(known)}")
    horizons = tuple(dict.fromkeys(whole(k) for k in listed(given["horizons"])))
    if not horizons or min(horizons) < 1:
        raise InputError(f"--horizons {given['horizons']!r}: write numbers of events, like 10,50")
    if len(sources) == 1 and files.holds(Path(sources[0])):
        for fold in files.folds(Path(sources[0]), given["protocol"]):
            yield fold._replace(table=fold.table.only(horizons))
        return
    width = Width.parse(given["threshold"])
    if width.unit != "bp":
        raise InputError(f"--threshold {given['threshold']!r}: write basis points, like 0.2bp")
    yield recorded.fold(
        sources, horizons, Rule(given["against"] == "past", width.size), given["clock"]
    )


def table(found: list["Score"]) -> "Table":
    """A line per fold, horizon and net."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("fold", "k", "model", "rows", "F1", "95 %", "even"):
        made.add_column(column, justify="left" if column in ("fold", "model") else "right")
    rules = list(found[0].nulls) if found else []
    for column in (*rules, "walk", "published"):
        made.add_column(column, justify="right")
    for one in found:
        span = "{:.1f}-{:.1f}".format(*(100 * x for x in one.interval)) if one.interval else "-"
        cells = (one.nulls[r] for r in rules)
        made.add_row(
            *(one.fold, str(one.horizon), one.model, f"{one.rows:,}"),
            *(percent(one.macro_f1), span, percent(one.even_f1), *map(percent, cells)),
            *(percent(one.walk), percent(one.published)),
        )
    return made


def percent(x: float | None) -> str:
    return "-" if x is None else f"{100 * x:.1f}"
