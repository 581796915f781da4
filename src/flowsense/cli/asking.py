"""Options that say what a run is asked to do; `settings` decodes them."""

from pathlib import Path
from typing import Annotated

import typer

from flowsense.cli.reading import Text
from flowsense.cli.shared import Shared

FOLDING: Shared = {
    "targets": (
        Annotated[Text, typer.Option(metavar="TARGETS", help="Like mid@500ms,ofi@1s,barrier@30s.")],
        None,
    ),
    "clock": (
        Annotated[Text, typer.Option(metavar="CLOCK", help="Like interval:100ms or events:50.")],
        None,
    ),
    "families": (
        Annotated[Text, typer.Option(metavar="NAMES", help="Of features: `list features`.")],
        None,
    ),
    "start": (
        Annotated[Text, typer.Option(metavar="TIME", help="Like 2024-08-08T09:30, UTC.")],
        None,
    ),
    "end": (
        Annotated[Text, typer.Option(metavar="TIME", help="Rows from here on are not used.")],
        None,
    ),
    "config": (
        Annotated[Path | None, typer.Option(metavar="FILE", help="TOML file: `config show`.")],
        None,
    ),
}
FITTING: Shared = {
    "models": (
        Annotated[Text, typer.Option(metavar="NAMES", help="fast, all, or NAME,NAME(SETTING=1).")],
        None,
    ),
    "validation": (
        Annotated[
            Text,
            typer.Option(metavar="SCHEME", help="Like walk-forward, time-series:5 or cpcv:6/2."),
        ],
        None,
    ),
    "split": (
        Annotated[Text, typer.Option(metavar="PART", help="Part scored: train, validation, test.")],
        None,
    ),
    "epochs": (
        Annotated[
            Text, typer.Option(metavar="N", help="Trees or iterations, at most. [default: 1000]")
        ],
        None,
    ),
    "budget": (
        Annotated[Text, typer.Option(metavar="TIME", help="Time for each model. [default: 3m]")],
        None,
    ),
    "seed": (
        Annotated[Text, typer.Option(metavar="N", help="Same seed, same result. [default: 0]")],
        None,
    ),
}
