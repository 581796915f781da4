"""`flowsense report`: the report of a run, drawn again from its numbers."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Of a run.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="HTML file. [default: DIR/report.html]")
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print tables of all models instead.")
    ] = False,
) -> None:
    """Draw the report of a run again, from its numbers."""
    from flowsense.cli.saved import load_json
    from flowsense.cli.terminal import console
    from flowsense.evaluate.report import write
    from flowsense.evaluate.report.markdown import page
    from flowsense.store.atomic import current

    there = current(folder)
    if markdown:
        typer.echo(page(load_json(there / "metrics.json")), nl=False)
        return
    metrics, curves = (load_json(there / f"{name}.json") for name in ("metrics", "curves"))
    console().print(str(write(out or folder, metrics, curves)), soft_wrap=True)
