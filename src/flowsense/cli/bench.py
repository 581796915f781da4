"""`flowsense bench`: our figures beside a named alternative, measured in one run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from flowsense.bench import Result


def benchmarks() -> tuple[str, ...]:
    """A module of `flowsense.bench` that can be run is a benchmark; none is imported."""
    found = sorted(Path(__file__).parents[1].glob("bench/*.py"))
    return tuple(p.stem for p in found if "\ndef run(" in p.read_text("utf-8"))


def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help=f"Of {', '.join(benchmarks())}; all by default."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Time our code and a named alternative on the same input."""
    from dataclasses import asdict
    from importlib import import_module

    import orjson

    from flowsense.cli.terminal import console
    from flowsense.errors import InputError
    from flowsense.registry import unknown

    known = benchmarks()
    for name in names or []:
        if name not in known:
            raise InputError(unknown("benchmark", name, known))
    for name in names or known:
        result: Result = import_module(f"flowsense.bench.{name}").run()
        if as_json:
            options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS  # of minutes, too
            typer.echo(orjson.dumps(asdict(result), option=options))
        else:
            console().print(table(result))


def table(result: "Result") -> "Table":
    """Ours and theirs, a line per figure that is a number."""
    from rich.table import Table

    out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    out.add_column(result.name)
    out.add_column("flowsense", justify="right")
    out.add_column(str(result.baseline["name"]), justify="right")
    for name, value in result.metrics.items():
        if isinstance(value, int | float):
            out.add_row(name, figure(value), figure(result.baseline.get(name)))
    out.add_row("times better", figure(result.ratio), "")
    return out


def figure(value: object) -> str:
    """Four digits; thousands are counted."""
    if not isinstance(value, int | float):
        return ""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"
