"""Laws of labels: the one layer that may look ahead, and no further than it says."""

from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np

from flowsense.features.fold import Fold
from flowsense.labels import COLUMNS, Labels, join
from flowsense.schema import Events, Instrument, checked
from flowsense.store.checkpoint import pack, unpack
from flowsense.tape import FeatureSpec, Tape
from flowsense.testing.mirror import mirrored
from flowsense.testing.streams import poison
from flowsense.testing.toy import beats, merge

ENDS = 24  # labels after which the future is taken away or replaced


class LabelStage(Protocol):
    """`labels.stages.Stages` is one; its state is a flat NamedTuple of arrays."""

    def init(self) -> Any: ...
    def fold(self, state: Any, tape: Tape) -> tuple[Any, Labels]: ...
    def close(self, state: Any) -> Labels: ...


class Bench(NamedTuple):
    stage: LabelStage
    spec: FeatureSpec
    instruments: tuple[Instrument, ...]

    def labels(self, events: Events, cuts: tuple[int, ...] = (), restore: bool = False) -> Labels:
        """Of the whole stream, pushed in the pieces that `cuts` make of it."""
        fold, state, parts = Fold(self.spec, self.instruments), self.stage.init(), list[Labels]()
        for a, b in pairwise((0, *cuts, len(events))):
            for tape in fold.push(events[a:b]):
                before = pack(state._asdict())
                after, done = self.stage.fold(state, tape)
                assert pack(state._asdict()) == before, "fold changed the state it was given"
                state = type(after)(**unpack(pack(after._asdict()))) if restore else after
                parts.append(done)
        return join([*parts, self.stage.close(state)])

    def ts(self, events: Events) -> np.ndarray[Any, np.dtype[np.int64]]:
        """(n,) of the decision rows."""
        tapes = Fold(self.spec, self.instruments).push(events)
        return np.concatenate([tape.rows[0].ts for tape in tapes])


def check_labels(
    stage: LabelStage,
    spec: FeatureSpec,
    instruments: tuple[Instrument, ...],
    events: Events,
    seed: int = 0,
) -> None:
    """Cutting, saving and BEATs change no label, and nothing at or after `known_at` does.

    Raises AssertionError naming the law and the column.
    """
    rng, m = np.random.default_rng(seed), len(events)
    events = checked(events, len(instruments))
    bench = Bench(stage, spec, instruments)
    whole, ts = bench.labels(events), bench.ts(events)
    check_content(whole, ts)
    some = tuple(np.sort(rng.choice(np.arange(1, m), min(9, m - 1), replace=False)).tolist())
    span = np.arange(events["ts_recv"][0] + 1, events["ts_recv"][-1], 37_000_000)
    others = {
        "one event at a time": bench.labels(events, tuple(range(1, m))),
        "random pieces": bench.labels(events, some),
        "saved and restored": bench.labels(events, some, restore=True),
        "BEATs": bench.labels(merge(events, beats(span))),
    }
    for law, labels in others.items():
        assert_same(whole, labels, law)
    told = rng.choice(whole.known_at[whole.valid], ENDS)
    for p in np.searchsorted(events["ts_recv"], told) + 1:  # one record has told it
        check_known_at(bench, events, whole, ts, int(p), rng)


def check_labels_mirror(
    stage: LabelStage,
    spec: FeatureSpec,
    instruments: tuple[Instrument, ...],
    events: Events,
    turn: int = 20_001,
) -> None:
    """With bids and asks swapped UP is DOWN, a size is itself, and all is known when it was.

    Not for widths that are a part of the price, which is another one then. Raises AssertionError.
    """
    ours = Bench(stage, spec, instruments).labels(events)
    theirs = Bench(stage, spec, instruments).labels(mirrored(events, turn))
    sized = np.array([t.kind == "magnitude" for t in ours.targets])
    turned = ours._replace(y=np.where(sized, ours.y, 2 - ours.y), move=-ours.move)
    for name in COLUMNS:
        a, b = getattr(turned, name), getattr(theirs, name)
        assert np.array_equal(a, b), f"mirror: {name} differs"


def check_content(labels: Labels, ts: np.ndarray[Any, np.dtype[np.int64]]) -> None:
    """One label per row, finite, a class where there are classes, known after its row."""
    shape = (len(ts), len(labels.targets))
    for name in COLUMNS:
        found = getattr(labels, name).shape
        assert found == shape, f"{name}: {found}, not a label per row and target {shape}"
    assert labels.valid.any(), "the stream gives no valid label"
    for name in ("y", "move", "weight"):
        assert np.isfinite(getattr(labels, name)).all(), f"{name} holds a number that is not finite"
    assert (labels.known_at > ts[:, None]).all(), "known_at: a label is known at its row"
    for j, target in enumerate(labels.targets):
        y = labels.y[labels.valid[:, j], j]
        good = (y >= 0).all() if target.kind == "magnitude" else np.isin(y, (0, 1, 2)).all()
        assert good, f"{target}: y is no class, or a size below 0"


def check_known_at(
    bench: Bench,
    events: Events,
    whole: Labels,
    ts: np.ndarray[Any, np.dtype[np.int64]],
    p: int,
    rng: np.random.Generator,
) -> None:
    """With another future from position p on, or none, what was known by then stays."""
    now = events["ts_recv"][p - 1]
    other = poison(events, p, len(bench.instruments), rng)
    for law, stream in (("poisoned tail", other), ("truncated", events[:p])):
        labels = bench.labels(stream)
        n = int(np.searchsorted(ts, now))  # rows before it, the same in every future
        assert len(labels.y) >= n, f"{law}: {len(labels.y)} labels of {n} rows"
        then, known = labels.take(slice(n)), whole.known_at[:n] <= now
        for name in COLUMNS:
            a, b = (getattr(x, name)[:n][known] for x in (whole, then))
            assert np.array_equal(a, b), f"{law}: {name} changes after known_at"
        if law == "truncated":
            assert not then.valid[~known].any(), "truncated: valid before known_at is reached"


def assert_same(a: Labels, b: Labels, law: str) -> None:
    for name in COLUMNS:
        x, y = getattr(a, name), getattr(b, name)
        assert x.shape == y.shape, f"{law}: {name} {x.shape} against {y.shape}"
        assert x.tobytes() == y.tobytes(), f"{law}: {name} differs"
