"""`flowsense query`: SQL over a lake."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from flowsense.store.lake_sql import Answer

SHOWN = 40  # rows


def query(
    lake: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the lake.")],
    sql: Annotated[str, typer.Argument(metavar="SQL", help="Like: SELECT * FROM instruments.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="To a .parquet or .csv file, all rows.")
    ] = None,
) -> None:
    """Ask a lake in SQL, which can change nothing.

    Its tables are events, bars, observations and instruments; px and qty are prices and sizes.
    """
    from flowsense.cli.terminal import console
    from flowsense.store import lake_sql

    answer = lake_sql.query(lake_sql.connect(lake), sql)
    if out is None:
        show(answer)
    else:
        rows = lake_sql.save(answer, out)
        console().print(f"{out}: {rows:,} rows.", soft_wrap=True)


def show(answer: "Answer") -> None:
    """The first rows, and whether there are more."""
    from rich.table import Table

    from flowsense.cli.terminal import console

    table = Table(box=None, pad_edge=False, header_style="")
    for field in answer.schema:
        table.add_column(field.name, justify="left" if "string" in str(field.type) else "right")
    more = False
    for batch in answer.batches:
        rows = zip(*(column.cast("string").to_pylist() for column in batch.columns), strict=True)
        for row in rows:
            if more := table.row_count == SHOWN:
                break
            table.add_row(*("" if cell is None else cell for cell in row))
        if more:
            break
    console().print(table)
    if more:
        console().print(f"The first {SHOWN} rows; --out FILE writes all.")
