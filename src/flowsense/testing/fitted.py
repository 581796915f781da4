"""A small fitted model on disk, for whatever serves one."""

from pathlib import Path

from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.model import Budget
from flowsense.model.calibrated import Calibrated
from flowsense.models.logistic import Logistic
from flowsense.schema import Decimal, Instrument
from flowsense.sources import NO_BARS
from flowsense.testing.streams import Recording
from flowsense.testing.toy import by_level, by_order, candles, merge
from flowsense.train.dataset import prepare
from flowsense.train.shelf import keep

TARGETS = ("mid@500ms", "ofi@500ms")
FAMILIES = ("depth", "ofi", "flow")


def save(
    folder: Path,
    seed: int = 1,
    families: tuple[str, ...] = FAMILIES,
    clocks: tuple[str, ...] = ("interval:100ms",),
) -> Path:
    """A checkpoint of a logistic model that learned from two seconds of a toy market."""
    lot = Decimal(1, 0)
    table = tuple(Instrument(f"TOY{k}", "toy", Decimal(1, -2), lot) for k in range(2))
    events = merge(*(by_level(by_order(2_000, seed + k, k)) for k in range(2)))
    of = spec(families, clocks)
    bars = candles(events) if "bars" in families else NO_BARS
    data = prepare(Recording(table, events, bars=bars), of, tuple(map(Target.parse, TARGETS)))
    plain = Calibrated(Logistic.tiny())
    model = plain.fit(data, data.labels, seed=seed, budget=Budget(steps=8))
    keep(folder, model, data, (int(data.ts[0]), int(data.ts[-1]) + 1), seed, {})
    return folder
