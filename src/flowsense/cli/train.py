"""`flowsense train`: fits that stay, one by one; `flowsense evaluate` scores them."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowsense.cli import reading
from flowsense.cli.asking import FITTING, FOLDING
from flowsense.cli.shared import takes
from flowsense.errors import InputError

if TYPE_CHECKING:
    from flowsense.train.config import RunConfig
    from flowsense.train.prepared import Prepared

SETTLED = ("clock", "families", "start", "end")  # by rows that are prepared
ROWS = "rows"  # those made of recordings, in the folder that is trained


@takes(FOLDING, FITTING, reading.READING)
def train(
    ctx: typer.Context,
    sources: Annotated[
        list[str], typer.Argument(metavar="ROWS|SRC", help="Prepared rows, or recordings.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the fitted models.")],
    test: Annotated[
        list[str] | None,
        typer.Option(metavar="ROWS|SRC...", help="To score on, never trained on; may repeat."),
    ] = None,
) -> None:
    """Fit models, each kept as soon as it is fitted.

    Rows of recordings are prepared first, in the same folder. A train that was killed goes on.
    """
    from flowsense.cli.settings import KEYS, settings
    from flowsense.cli.terminal import console, watched
    from flowsense.models import left_out
    from flowsense.train.run import able
    from flowsense.train.steps import train as fit

    asked = settings(
        {key: ctx.params[key] for key in KEYS if key in ctx.params}, ctx.params["config"]
    )
    unfitted = able(asked)
    if reading.prepared(sources):
        data, asked = prepared(sources, test or [], asked, ctx.params)
    else:
        data, asked = made(sources, test or [], out, asked, reading.options(ctx.params))
    with watched() as tell:
        bench = fit(data, asked, unfitted, out, progress=tell)
    to = console()
    refused = [f"{name}: {why}" for name, why in bench.refused.items()]
    for sentence in (*left_out(asked.models), *refused, *bench.of.left_out):
        to.print(f"Note: {sentence}", soft_wrap=True)
    fitted = ", ".join(name for name in unfitted if name not in bench.refused)
    to.print(f"{out / 'checkpoints'}  {fitted}", soft_wrap=True)
    to.print(f"Score them: flowsense evaluate {out}", soft_wrap=True)


def made(
    sources: list[str], test: list[str], out: Path, asked: "RunConfig", how: dict[str, Any]
) -> tuple[tuple["Prepared", ...], "RunConfig"]:
    """Rows of recordings in the folder that is trained, made now or before."""
    from flowsense.cli.prepare import rows
    from flowsense.cli.run import opened
    from flowsense.cli.spread import parts
    from flowsense.train.fits import reads_events
    from flowsense.train.run import models_of

    groups = [parts(group) for group in test]
    if any(reading.prepared(group) for group in groups):
        raise InputError("--test: rows are prepared, the recordings are not: prepare both")
    learn, tests, asked = opened(sources, test, asked, how)
    folders = (out / f"{ROWS}{k or ''}" for k in count())
    recordings = zip((learn, *tests), folders, strict=False)
    events = reads_events(models_of(asked))
    return tuple(rows(one, folder, asked, events=events) for one, folder in recordings), asked


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
