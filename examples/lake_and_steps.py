"""The commands of a study, one after the other: a lake, rows, fits, scores, a comparison.

    python lake_and_steps.py [FOLDER]

Each line below is what a shell would be given; every step leaves a folder, and what is there
already is not made again.
"""

import os
import shlex
import sys
from tempfile import TemporaryDirectory

import typer

from flowsense.cli.app import app

STEPS = """
simulate --out monday --minutes 7 --seed 0
simulate --out tuesday --minutes 9 --seed 1 --day 1
ingest monday tuesday --lake lake
query lake "SELECT day, what, count(*) AS n FROM events WHERE px > 0 GROUP BY ALL ORDER BY ALL"
prepare lake@2024-01-02 --families ofi,depth,flow,trade --targets mid@500ms --out rows/monday
prepare lake@2024-01-03 --families ofi,depth,flow,trade --targets mid@500ms --out rows/tuesday
train rows/monday --test rows/tuesday --models logistic,antisymmetric --out fits
evaluate fits
compare fits/forecasts/antisymmetric.parquet fits/forecasts/logistic.parquet
"""


def main(folder: str) -> None:
    os.chdir(folder)
    for line in STEPS.strip().splitlines():
        typer.echo(f"\n$ flowsense {line}")
        app(shlex.split(line), prog_name="flowsense", standalone_mode=False)


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        main(*sys.argv[1:] or [folder])
