"""`flowsense explain`: why a model said what it said of a recording at a time."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowsense.cli import reading
from flowsense.cli.serve import THRESHOLDS, acting
from flowsense.cli.shared import takes
from flowsense.errors import InputError

if TYPE_CHECKING:
    from flowsense.schema import Instrument

OPTIONS = {name: option for name, option in reading.READING.items() if name != "symbol"}
NANOSECONDS = re.compile(r"\d{15,19}")
ISO = re.compile(r"(?P<until>[^.]*)(\.(?P<part>\d{1,9}))?(?P<zone>Z|[+-]\d\d:?\d\d)?")


@takes(THRESHOLDS, OPTIONS)
def explain(
    ctx: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="RUN", help="Of `run`, or one of its models.")],
    sources: Annotated[list[str], typer.Argument(metavar="SRC", help=reading.SOURCES)],
    at: Annotated[
        str, typer.Option(metavar="TIME", help="Like 2024-08-08T14:30:00.1, UTC, or ns.")
    ],
    symbol: Annotated[
        str, typer.Option(metavar="SYMBOL", help="Or VENUE:SYMBOL. Needed where there are several.")
    ] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="What the API answers with explain=1.")
    ] = False,
) -> None:
    """Why a model said what it said at a time.

    The recording is replayed from its beginning, so that the model knows what it knew then: what
    `serve --record LAKE` has kept gives the predictions of that session.
    """
    from flowsense.cli.fitted import checkpoint, recorded
    from flowsense.cli.terminal import watched
    from flowsense.serve.recalled import recalled
    from flowsense.serve.swapping import Bench
    from flowsense.sources import chunks
    from flowsense.train.shelf import fitted

    ts, place = instant(at), checkpoint(model)
    kept = fitted(place)
    recording = recorded(ctx.params | {"symbol": None}, sources, place, kept.manifest.spec)
    table = recording.instruments
    risk = acting(ctx.params["target"]).stricter(ctx.params["confidence"], ctx.params["agreement"])
    bench = Bench(table, risk)
    loaded = bench.made(place, kept, 0)
    which = chosen(table, symbol)
    with watched(recording.files) as tell, reading.named(recording.files):
        tell("replaying", 0, None)
        why = recalled(bench, loaded, chunks(recording.source), which, ts)
    if as_json:
        import msgspec

        from flowsense.serve.wire import plain
        from flowsense.served import Answer

        body = plain(Answer((why.prediction,), why))["explanation"]
        typer.echo(msgspec.json.format(msgspec.json.encode(body)).decode())
    else:
        from flowsense.cli.explained import show

        asked = kept.manifest.spec.columns, why.prediction.target, why.weights
        show(why, ts, place.name, leans(kept.model, *asked))


def instant(text: str) -> int:
    """ns UTC of a whole number of them, or of an ISO time, to the ns. Raises InputError."""
    from flowsense.cli.settings import moment

    if NANOSECONDS.fullmatch(text):
        return int(text)
    parts = ISO.fullmatch(text)
    if parts is None:
        raise InputError(f"--at {text!r}: write a time like 2024-08-08T14:30:00.1, or ns UTC")
    part = (parts["part"] or "").ljust(9, "0")
    return moment(parts["until"] + (parts["zone"] or "")) + int(part)


def chosen(table: "Sequence[Instrument]", symbol: str) -> int:
    """The place of an instrument. Raises InputError where none, or more than one, is meant."""
    names = [f"{one.venue}:{one.symbol}" for one in table]
    found = [k for k, one in enumerate(table) if symbol in ("", one.symbol, names[k])]
    if len(found) == 1:
        return found[0]
    told = ", ".join(names[:20])
    if not found:
        raise InputError(f"--symbol {symbol!r}: the recording has {told}")
    raise InputError(f"--symbol: name one of {told}")


def leans(
    model: Any, columns: tuple[str, ...], target: str, weights: Mapping[str, float]
) -> dict[str, float]:
    """How much a model leans on each column, where it says so; an ensemble as its members do."""
    from flowsense.ensemble.members import Ensemble
    from flowsense.model.calibrated import Calibrated
    from flowsense.train.run import Weighed

    if isinstance(model, Calibrated):
        return leans(model.model, columns, target, weights)
    if isinstance(model, Weighed):
        return model.importances(columns).get(target, {})
    out = dict[str, float]()
    if not isinstance(model, Ensemble):
        return out
    for name, member in zip(model.names, model.members, strict=True):
        found = leans(member, columns, target, {})
        whole = sum(found.values()) or 1.0
        for column, x in found.items():
            out[column] = out.get(column, 0.0) + weights.get(name, 0.0) * x / whole
    return {column: x for column, x in out.items() if x > 0}
