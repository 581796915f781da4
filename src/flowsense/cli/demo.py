"""`flowsense demo`: the whole way on a simulated market, without data or account."""

from pathlib import Path
from typing import Annotated

import typer

PLACE = Path("flowsense-demo")
LEARN, SCORE, INSTRUMENTS = 10, 13, 3  # minutes to learn from and to score, of instruments
TARGETS = "mid@500ms,mid@1s,ofi@500ms,ofi@1s"
INTRODUCTION = (
    f"Simulates {LEARN} minutes of {INSTRUMENTS} instruments, order by order, in which regimes of "
    "volatility and a price leader are planted. Rebuilds the books, makes a row of features every "
    f"100 ms and trains the fast models. Then simulates {SCORE} minutes of the next day, and "
    "scores the models on these, beside rules that have learned no side."
)


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")] = PLACE,
    seed: Annotated[int, typer.Option(metavar="N", help="Of market and models.", min=0)] = 0,
) -> None:
    """Simulate a market, forecast it and report, in about a minute."""
    from flowsense.cli.run import opened, work
    from flowsense.cli.settings import settings
    from flowsense.cli.simulate import made
    from flowsense.cli.terminal import console
    from flowsense.simulate import saved
    from flowsense.simulate.markets import leader
    from flowsense.train.save import check_folder

    to, market = console(), out.with_name(f"{out.name}-market")
    learn, score = market / "learn", market / "score"
    to.print(INTRODUCTION)
    check_folder(out)
    for folder in (learn, score):
        saved.check_folder(folder)
    asked = settings({"targets": TARGETS, "seed": seed}, None)
    made(learn, LEARN, 2 * seed, leader(INSTRUMENTS))
    made(score, SCORE, 2 * seed + 1, leader(INSTRUMENTS), day=1)
    first, second, asked = opened([str(learn)], [str(score)], asked, {})
    work(asked, first, second, out)
    to.print(f"{market}  the recordings, and the truth behind them", soft_wrap=True)
    to.print()
    to.print(f"Open {out / 'report.html'} in a browser.", style="bold", soft_wrap=True)
    to.print("With your own recordings: flowsense run PATH --out runs/first", soft_wrap=True)
