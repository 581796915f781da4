"""`flowsense demo`: the whole way on a simulated market, without data or account."""

from pathlib import Path
from typing import Annotated

import typer

PLACE = Path("flowsense-demo")
MINUTES, INSTRUMENTS = 12, 3
TARGETS = "mid@500ms,mid@1s,ofi@500ms,ofi@1s"
INTRODUCTION = (
    f"Simulates {MINUTES} minutes of {INSTRUMENTS} instruments, order by order, with regimes of "
    "volatility and a price leader planted in them. Then rebuilds the books, makes a row of "
    "features every 100 ms, trains the fast models on the first part and scores them on the last, "
    "beside rules that know nothing."
)


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")] = Path(
        "flowsense-demo"
    ),
    seed: Annotated[int, typer.Option(metavar="N", help="Of market and models.", min=0)] = 0,
) -> None:
    """Simulate a market, forecast it and report, in about a minute."""
    from tempfile import TemporaryDirectory

    from flowsense.cli.run import opened, work
    from flowsense.cli.settings import settings
    from flowsense.cli.simulate import made
    from flowsense.cli.terminal import console
    from flowsense.train.save import check_folder

    to = console()
    to.print(INTRODUCTION)
    check_folder(out)
    asked = settings({"targets": TARGETS, "seed": seed}, None)
    with TemporaryDirectory() as folder:
        made(Path(folder) / "market", MINUTES, seed, INSTRUMENTS)
        learn, _ = opened([folder], [], out, asked, {})
        work(asked, learn, (), out)
    to.print()
    to.print(f"Open {out / 'report.html'} in a browser.", style="bold", soft_wrap=True)
    to.print("With your own recordings: flowsense run PATH --out runs/first", soft_wrap=True)
