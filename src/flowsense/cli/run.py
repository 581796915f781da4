"""`flowsense run`: the main job, from recordings to a scored report."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowsense.cli import reading
from flowsense.cli.asking import FITTING, FOLDING
from flowsense.cli.shared import takes
from flowsense.errors import InputError

if TYPE_CHECKING:
    from flowsense.sources import Told
    from flowsense.sources.quarantine import Quarantine
    from flowsense.train.config import RunConfig
    from flowsense.train.dataset import Data
    from flowsense.train.prepared import Prepared
    from flowsense.train.progress import Progress
    from flowsense.train.read import Recording
    from flowsense.train.run import Run


@takes(FOLDING, FITTING, reading.READING)
def run(
    ctx: typer.Context,
    sources: Annotated[list[str], typer.Argument(metavar="SRC", help=reading.SOURCES)],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")],
    test: Annotated[
        list[str] | None,
        typer.Option(metavar="SRC...", help="Recording to score on, never trained on; may repeat."),
    ] = None,
    quarantine: reading.Aside = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what it would take.")
    ] = False,
) -> None:
    """Train models on recordings and score them beside their nulls."""
    from flowsense.cli.settings import KEYS, settings
    from flowsense.train.save import check_folder

    flags = {key: ctx.params[key] for key in KEYS if key in ctx.params}
    asked = settings(flags, ctx.params["config"])
    check_folder(out)
    if reading.prepared(sources):
        from flowsense.cli.train import prepared

        if dry_run:
            raise InputError("--dry-run: the rows are prepared already: leave it out")
        of_rows(*prepared(sources, test or [], asked, ctx.params), out)
        return
    how = reading.options(ctx.params)
    learn, tests, asked = opened(sources, test or [], asked, how)
    if dry_run:
        from flowsense.cli.expected import show

        show(asked, learn, tests)
    else:
        work(asked, learn, tests, out, how.get("quarantine"))
        reading.put_aside(how)


def opened(
    sources: list[str], test: list[str], asked: "RunConfig", how: dict[str, Any]
) -> tuple["Recording", tuple["Recording", ...], "RunConfig"]:
    """The recordings, after all that can be refused without reading them.

    Also what is asked of them, now that what they hold has settled what was left open.
    """
    from flowsense.cli.spread import parts
    from flowsense.cli.terminal import watched
    from flowsense.train.read import alike, read
    from flowsense.train.run import able

    able(asked)
    with watched() as tell:
        tell("opening", 0, None)
        learn = read(sources, **how, families=asked.families, clocks=asked.clocks)
        asked = settled(asked, learn)
        options = how | {"families": asked.families, "clocks": asked.clocks}
        return *alike(learn, tuple(read(parts(group), **options) for group in test)), asked


def settled(asked: "RunConfig", learn: "Recording") -> "RunConfig":
    """Families and clocks as the recording has them. Raises InputError for bars without targets."""
    from flowsense.train.config import TARGETS
    from flowsense.train.read import bars_alone

    if asked.targets == TARGETS and bars_alone(learn.source):
        raise InputError(
            f"{learn.source.name}: holds bars alone: say over how many of them to forecast, "
            "such as --targets mid@5m,barrier@1h"
        )
    families = tuple(name for name, _ in learn.spec.versions)
    return replace(asked, families=families, clocks=learn.spec.clocks)


def work(
    asked: "RunConfig",
    learn: "Recording",
    tests: tuple["Recording", ...],
    out: Path,
    quarantine: "Quarantine | None" = None,
) -> None:
    """Run, save, and say what came out."""
    from flowsense.cli.terminal import watched
    from flowsense.train.read import hashes
    from flowsense.train.steps import folded

    recordings = (learn, *tests)
    files = tuple(dict.fromkeys(f for recording in recordings for f in recording.files))
    with (
        watched(files) as tell,
        reading.named(files),
        folded(recordings, asked, out.parent, tell) as data,
    ):
        if quarantine:  # every pass is over, so all that it holds is known
            learn.options["quarantine"] = str(sum(quarantine.counts.values()))
        sources = tuple(recording.source for recording in recordings)
        metrics = judged(data, asked, out, hashes(files), tell, sources)
    summarised(metrics, out)


def of_rows(data: tuple["Prepared", ...], asked: "RunConfig", out: Path) -> None:
    """The same of rows that are prepared."""
    from flowsense.cli.terminal import watched

    files = {name: sha for one in data for name, sha in one.about.files.items()}
    with watched() as tell:
        metrics = judged(data, asked, out, files, tell)
    summarised(metrics, out)


def judged(
    data: tuple["Data", ...],
    asked: "RunConfig",
    out: Path,
    files: dict[str, str],
    tell: "Progress",
    sources: tuple["Told", ...] = (),
) -> dict[str, Any]:
    """Fit, score and save; then trade what was chosen, where there are records to trade on."""
    from flowsense.train.run import able, judge
    from flowsense.train.save import save
    from flowsense.train.steps import room_for

    learn, *tests = data
    done = judge(learn, tuple(tests), asked, able(asked), tell, room_for(data, out.parent))
    tell("saving", 0, None)
    save(done, out, files)
    if sources:
        tell(f"trading {done.chosen}", 0, None)
        traded(done, sources, out)
    return done.metrics


def traded(done: "Run", sources: tuple["Told", ...], out: Path) -> None:
    """Trade what was chosen, now that all that was fitted is saved, and say so in the results."""
    from flowsense.backtest.ending import ended, told
    from flowsense.backtest.sheet import told as drawn
    from flowsense.backtest.sheet import write
    from flowsense.train.save import told_again

    try:
        results = ended(done, sources)
    except InputError as error:
        done.metrics["warnings"].append(f"backtest: {error}")
        results = {}
    done.metrics["backtest"] = told(results, done.chosen)
    for name, result in results.items():
        write(out / "backtest" / name.replace(" ", "-"), drawn(result))
    told_again(done, out)


def summarised(metrics: dict[str, Any], out: Path) -> None:
    from flowsense.cli.summary import say

    say(metrics, out)
