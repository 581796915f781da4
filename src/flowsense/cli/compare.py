"""`flowsense compare`: two forecasts of the same rows, side by side."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowsense.cli import reading
from flowsense.cli.shared import takes

if TYPE_CHECKING:
    from rich.table import Table

WORDS = {"side_balanced": "side-balanced", "log_loss": "log-loss", "mae": "MAE", "rmse": "RMSE"}


@takes(reading.READING)
def compare(
    ctx: typer.Context,
    a: Annotated[Path, typer.Argument(metavar="A", help="Folder of a run, or file of forecasts.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The other; of a run its chosen model.")],
    prices: Annotated[
        list[str] | None,
        typer.Option(metavar="SRC...", help="The recording, for files that no run has written."),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="All of it as JSON.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the intervals.", min=0)] = 0,
) -> None:
    """Compare two forecasts on their common rows."""
    from flowsense.cli.spread import parts
    from flowsense.cli.terminal import console, watched
    from flowsense.store.atomic import ensure_writable
    from flowsense.train.pairs import pair
    from flowsense.train.read import read

    if out:
        ensure_writable(out.parent)
    named = [s for group in prices or [] for s in parts(group)]
    recording = read(named, **reading.options(ctx.params)) if named else None
    with watched(recording.files if recording else ()) as tell:
        source = recording.source if recording else None
        found = pair(a, b, prices=source, seed=seed, progress=tell)
    to = console()
    for letter in ("a", "b"):
        one = found[letter]
        to.print(f"{letter.upper()}  {one['model']}, {one['file']}", soft_wrap=True)
    to.print(
        f"{found['common']:,} lines in common, of {found['a']['rows']:,} of A and "
        f"{found['b']['rows']:,} of B."
    )
    to.print()
    to.print(table(found["targets"]))
    to.print()
    for target, one in found["targets"].items():
        by, cell = next(iter(one["cells"].items()))
        p = "" if cell["p"] is None else f" (p {cell['p']:.3f})"
        to.print(f"{target}, {spelled(by)} of {one['n']:,} rows: {one['verdict']}{p}.")
        to.print(f"  One who looked at all times: {looked(one['in_turn'])}.")
    to.print()
    to.print(found["luck"])
    for note in (*found["left_out"], *found["warnings"]):
        to.print(f"Note: {note}")
    if out:
        from flowsense.cli.saved import save_json

        save_json(out, found)
        to.print(f"{out}  all of it", soft_wrap=True)


def table(targets: Mapping[str, Any]) -> "Table":
    """A line per target and score; never wider than 80 columns."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("target", "score", "A", "B", "A - B, 95 %", "better"):
        right = column in ("A", "B")
        made.add_column(column, justify="right" if right else "left", no_wrap=True)
    for target, one in targets.items():
        for row in lines(target, one["cells"]):
            made.add_row(*row)
    return made


def lines(target: str, cells: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for k, (name, cell) in enumerate(cells.items()):
        span = "{:+.3f} to {:+.3f}".format(*cell["ci95"]) if cell["ci95"] else "-"
        numbers = ("-" if cell[x] is None else f"{cell[x]:.3f}" for x in ("a", "b"))
        yield "" if k else target, spelled(name), *numbers, span, (cell["better"] or "-").upper()


def looked(found: Mapping[str, Any]) -> str:
    """``accuracy: A since 2024-03-01 10:20:00 UTC; log-loss: undecided after 52 blocks``."""
    from flowsense.evaluate.report.markup import moment

    said = []
    for name, one in found.items():
        known = f"undecided after {one['blocks']} blocks"
        if one["better"]:
            known = f"{one['better'].upper()} since {moment(one['at'])} UTC"
        said.append(f"{spelled(name)}: {known}")
    return "; ".join(said)


def spelled(name: str) -> str:
    """``coverage@0.25`` is ``at 25 %``."""
    share = name.partition("@")[2]
    return f"at {float(share):.0%}".replace("%", " %") if share else WORDS.get(name, name)
