"""`flowsense train`: fits that stay, one by one; `flowsense evaluate` scores them."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowsense.cli import reading
from flowsense.cli.reading import Text
from flowsense.errors import InputError

if TYPE_CHECKING:
    from flowsense.train.config import RunConfig
    from flowsense.train.prepared import Prepared

SETTLED = ("clock", "families", "start", "end")  # by rows that are prepared
ROWS = "rows"  # those made of recordings, in the folder that is trained


def train(  # noqa: PLR0913  options are told to typer by the signature
    ctx: typer.Context,
    sources: Annotated[
        list[str], typer.Argument(metavar="ROWS|SRC", help="Prepared rows, or recordings.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the fitted models.")],
    test: Annotated[
        list[str] | None,
        typer.Option(metavar="ROWS|SRC...", help="To score on, never trained on; may repeat."),
    ] = None,
    models: Annotated[
        Text, typer.Option(metavar="NAMES", help="fast, all, or NAME,NAME. [default: fast]")
    ] = None,
    targets: Annotated[Text, typer.Option(metavar="TARGETS", help="Like mid@500ms,ofi@1s.")] = None,
    clock: Annotated[
        Text, typer.Option(metavar="CLOCK", help="Like interval:100ms or events:50.")
    ] = None,
    families: Annotated[
        Text, typer.Option(metavar="NAMES", help="Of features: `list features`.")
    ] = None,
    format: reading.Format = None,
    columns: reading.Columns = None,
    unit: reading.Unit = None,
    symbol: reading.Symbol = None,
    sort: reading.Sort = False,
    tick: reading.Tick = None,
    lot: reading.Lot = None,
    start: Annotated[Text, typer.Option(metavar="TIME", help="Like 2024-08-08T09:30, UTC.")] = None,
    end: Annotated[
        Text, typer.Option(metavar="TIME", help="Rows from here on are not used.")
    ] = None,
    validation: Annotated[
        Text, typer.Option(metavar="SCHEME", help="Like walk-forward, time-series:5 or cpcv:6/2.")
    ] = None,
    split: Annotated[
        Text, typer.Option(metavar="PART", help="Part scored: train, validation, test.")
    ] = None,
    epochs: Annotated[
        Text, typer.Option(metavar="N", help="Trees or iterations, at most. [default: 1000]")
    ] = None,
    budget: Annotated[
        Text, typer.Option(metavar="TIME", help="Time for each model. [default: 3m]")
    ] = None,
    seed: Annotated[
        Text, typer.Option(metavar="N", help="Same seed, same result. [default: 0]")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file: `config show`.")
    ] = None,
) -> None:
    """Fit models, each kept as soon as it is fitted.

    Rows of recordings are prepared first, in the same folder. A train that was killed goes on.
    """
    from flowsense.cli.settings import KEYS, settings
    from flowsense.cli.terminal import console, watched
    from flowsense.train.run import models_of
    from flowsense.train.steps import train as fit

    asked = settings({key: ctx.params[key] for key in KEYS if key in ctx.params}, config)
    unfitted = models_of(asked)
    if reading.prepared(sources):
        data, asked = prepared(sources, test or [], asked, ctx.params)
    else:
        data, asked = made(sources, test or [], out, asked, reading.options(ctx.params))
    with watched() as tell:
        of = fit(data, asked, unfitted, out, progress=tell)
    to = console()
    for sentence in of.left_out:
        to.print(f"Note: {sentence}", soft_wrap=True)
    to.print(f"{out / 'checkpoints'}  {', '.join(unfitted)}", soft_wrap=True)
    to.print(f"Score them: flowsense evaluate {out}", soft_wrap=True)


def made(
    sources: list[str], test: list[str], out: Path, asked: "RunConfig", how: dict[str, Any]
) -> tuple[tuple["Prepared", ...], "RunConfig"]:
    """Rows of recordings in the folder that is trained, made now or before."""
    from flowsense.cli.prepare import rows
    from flowsense.cli.run import opened
    from flowsense.cli.spread import parts

    groups = [parts(group) for group in test]
    if any(reading.prepared(group) for group in groups):
        raise InputError("--test: rows are prepared, the recordings are not: prepare both")
    learn, tests, asked = opened(sources, test, asked, how)
    folders = (out / f"{ROWS}{k or ''}" for k in count())
    recordings = zip((learn, *tests), folders, strict=False)
    return tuple(rows(one, folder, asked) for one, folder in recordings), asked


def prepared(
    sources: list[str], test: list[str], asked: "RunConfig", flags: Mapping[str, Any]
) -> tuple[tuple["Prepared", ...], "RunConfig"]:
    """Rows, and what is asked of them: what they were prepared with is settled."""
    from flowsense.cli.spread import parts
    from flowsense.train.prepared import Prepared

    for name in (*(name for name in SETTLED if flags.get(name)), *reading.told(flags)):
        raise InputError(f"--{name}: {sources[0]} is prepared already: leave it out")
    groups = [sources, *(parts(group) for group in test)]
    for group in groups:
        if not reading.prepared(group):
            raise InputError(f"{group[0]}: is no folder of rows: prepare it as {sources[0]} was")
    data = tuple(Prepared(Path(group[0])) for group in groups)
    about = data[0].about
    return data, replace(
        asked,
        families=tuple(name for name, _ in about.spec.versions),
        clocks=about.spec.clocks,
        start=about.start,
        end=about.end,
        targets=asked.targets if flags.get("targets") else about.targets,
    )
