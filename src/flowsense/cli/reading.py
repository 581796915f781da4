"""Options of the commands that read recordings, and how they reach the formats."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from flowsense.cli.shared import Shared
from flowsense.errors import InputError

Text = str | None
SOURCES = "Files, folders, globs, lakes; FORMAT:PATH?OPTION=VALUE for one."
TABLES = ("columns", "unit", "symbol", "sort")  # options of the format ticks

READING: Shared = {
    "format": (
        Annotated[Text, typer.Option(metavar="NAME", help="Of the sources: `list sources`.")],
        None,
    ),
    "columns": (
        Annotated[Text, typer.Option(metavar="MAP", help="Of a table, like ts=time,price=px.")],
        None,
    ),
    "unit": (
        Annotated[Text, typer.Option(metavar="UNIT", help="Of its times: s, ms, us, ns or iso.")],
        None,
    ),
    "symbol": (
        Annotated[Text, typer.Option(metavar="NAME", help="Where the files do not say it.")],
        None,
    ),
    "sort": (
        Annotated[bool, typer.Option("--sort", help="Sort a table by time, in memory.")],
        False,
    ),
    "tick": (
        Annotated[Text, typer.Option(metavar="STEP", help="Smallest step of a price, like 0.01.")],
        None,
    ),
    "lot": (
        Annotated[Text, typer.Option(metavar="STEP", help="Smallest step of a size, like 0.001.")],
        None,
    ),
}

Aside = Annotated[
    Path | None,
    typer.Option(
        "--quarantine", metavar="DIR", help="Put bad rows there instead of refusing their file."
    ),
]


def told(given: Mapping[str, Any]) -> list[str]:
    """The names of these options that were given."""
    return [name for name in (*TABLES, "tick", "lot", "format") if given.get(name)]


def options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `train.read.read` among a command's options. Raises InputError."""
    from flowsense.sources.units import Unit as Step

    found = {name: given[name] for name in TABLES if given[name]}
    found |= {name: Step.parse(name, given[name]) for name in ("tick", "lot") if given[name]}
    if given.get("quarantine"):
        from flowsense.features.screened import screening

        found["quarantine"] = screening(given["quarantine"])
    return found | {"format": given["format"]}


def put_aside(how: Mapping[str, Any]) -> None:
    """Write what a quarantine holds, and say how many rows that is, by reason."""
    from flowsense.cli.terminal import console

    if quarantine := how.get("quarantine"):
        place, counts = quarantine.write(), quarantine.counts
        console().print(f"{place}  {sum(counts.values()):,} rows put aside", soft_wrap=True)
        for reason, n in sorted(counts.items(), key=lambda pair: -pair[1]):
            console().print(f"  {n:,}: {reason}", soft_wrap=True)


def prepared(sources: list[str]) -> bool:
    """Whether rows are named, and nothing else. Raises InputError for both."""
    from flowsense.train.prepared import is_prepared

    ready = [source for source in sources if is_prepared(Path(source))]
    if ready and len(sources) > 1:
        raise InputError(f"{ready[0]}: is prepared already: name it alone, or recordings")
    return bool(ready)


@contextmanager
def named(files: tuple[Path, ...]) -> Iterator[None]:
    """What is wrong with a recording as a whole is told with its name."""
    try:
        yield
    except InputError as error:
        if Path(str(error).split(": ")[0]).exists():
            raise
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        raise InputError(f"{files[0]}{more}: {error}") from error
