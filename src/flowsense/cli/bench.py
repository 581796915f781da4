"""`flowsense bench`: our figures beside a named alternative, measured in one run."""

from enum import StrEnum
from typing import Annotated

import typer


class Name(StrEnum):
    book = "book"
    features = "features"
    live = "live"
    evidence = "evidence"


def bench(
    names: Annotated[
        list[Name] | None, typer.Argument(metavar="[NAME]...", help="[default: all]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Time our code and a named alternative on the same input."""
    from dataclasses import asdict
    from importlib import import_module

    import orjson

    from flowsense.cli.terminal import console

    for name in names or list(Name):
        result = asdict(import_module(f"flowsense.bench.{name}").run())
        if as_json:
            typer.echo(orjson.dumps(result).decode())
        else:
            console().print(result)
