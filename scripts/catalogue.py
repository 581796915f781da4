"""Writes docs/features.md: every family, its source and its columns, as the code says them."""

from collections.abc import Iterator
from pathlib import Path

from flowsense.features.catalogue import DEFAULT, GROUPS, MORE, family, spec, split

PAGE = Path(__file__).parents[1] / "docs" / "features.md"
HEAD = """\
Made by `python scripts/catalogue.py` from the families themselves; `flowsense list features` prints
the same. {usual} columns by default, {full} with `--families full`. A column that mirrors to `-`
turns its sign when bids and asks are swapped, to a name becomes that column, to nothing stays as it
is; a test holds every column to it.

Besides, `observed:NAME` gives the last known value of one kind of observation and its age;
[data.md](data.md) says where observations come from. `alternative` are those of standard names, see
[alternative-data.md](alternative-data.md)."""
READS = {
    "events": "reads the events of one instrument",
    "bars": "reads its bars",
    "across": "reads the rows of an instant",
    "observed": "reads observations; `observed:NAME` is one of them",
}


def page() -> str:
    return "\n".join(lines())


def lines() -> Iterator[str]:
    usual, full = len(spec().columns), len(spec(DEFAULT + MORE).columns)
    yield "# Features"
    yield ""
    yield HEAD.format(usual=usual, full=full)
    for name in (*DEFAULT, *MORE, *GROUPS):
        yield from of_family(name)
    yield ""


def of_family(name: str) -> Iterator[str]:
    module = family(name)
    part = next(p for p, names in split(GROUPS.get(name, (name,)))._asdict().items() if names)
    yield ""
    when = " (when asked for)" if name in GROUPS else " (full set)"
    yield f"## {name}" + ("" if name in DEFAULT else when)
    yield ""
    yield " ".join((module.__doc__ or "").split())
    yield f"Version {module.VERSION}; {READS[part]}."
    yield ""
    yield "| column | unit | formula | mirrors to |"
    yield "|---|---|---|---|"
    for column in module.COLUMNS:
        formula = column.formula.replace("|", "\\|")
        yield f"| `{column.name}` | {column.unit} | {formula} | {column.mirror} |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
