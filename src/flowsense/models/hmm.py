"""Market regimes as hidden states: a Gaussian hidden Markov model, filtered causally.

Hamilton 1989; Rabiner 1989. As a voter it says how often the market moves in the regimes that it
may be in, and a side only where the drift of these regimes is beyond its error.
"""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.forecast import Forecast, Target, duration
from flowsense.labels import Labels
from flowsense.model import Budget
from flowsense.model.gather import learned as to_learn
from flowsense.model.hmm import windows
from flowsense.model.hmm.chain import Chain, Floats, later
from flowsense.model.hmm.fit import Em, Expected, Seen, Sequences
from flowsense.model.hmm.gather import Gathered, gather, told
from flowsense.model.hmm.names import PRESETS, Preset, matched, named, position_scale
from flowsense.model.hmm.online import expected, kept, learned
from flowsense.model.hmm.sides import Voice, count
from flowsense.model.hmm.windows import Windows
from flowsense.model.instruments import Known, arrays
from flowsense.registry import unknown
from flowsense.schema import Instrument
from flowsense.tape import Needs, Reader, Tape
from flowsense.wall import Stopwatch

SHORTEST = 100_000_000  # ns: a window is not made shorter than this
PER_STATE = 40  # windows of each state that a fit wants; else it takes shorter ones
FLOOR = 0.1  # of all variance: windows in which nothing moves are alike, and would be a state


class Fitted(NamedTuple):
    """Of K instruments in training, R regimes in the preset's order and T targets."""

    known: Known
    chain: Chain
    seen: Seen
    step_ns: NDArray[np.int64]  # ()
    scale: Floats  # (K + 1,) deviation of a window's log return; the last for others
    sums: Floats  # (K, R, T, 4) see `model.hmm.sides.count`


class Ready(NamedTuple):
    """What forecasting reads, worked out once."""

    table: Floats
    start: Floats  # (R,) P(regime) where nothing has been seen
    voice: Voice
    scale: Floats  # (R,) of a position

    @classmethod
    def of(cls, fitted: Fitted) -> Self:
        chain = fitted.chain
        voice = Voice.of(fitted.sums)
        return cls(chain.table(), chain.stationary(), voice, position_scale(chain))


@dataclass(frozen=True, slots=True)
class Hmm:
    preset: str = "five"  # or three, or reverting
    step: str = "5s"  # of a window; shorter ones are taken where there would be too few
    mixture: int = 1  # Gaussians of a state
    diagonal: bool = False  # covariances
    stay: float = 0.8  # least P(same regime) from window to window: a regime is what lasts
    starts: int = 6
    memory: int = 2_000  # windows after which online updates have forgotten by a factor of e
    fitted: Fitted | None = None
    ready: Ready | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise InputError(unknown("regimes", self.preset, tuple(PRESETS)))
        duration(self.step)
        if min(self.mixture, self.starts, self.memory) < 1 or not 0 <= self.stay < 1:
            said = f"mixture {self.mixture}, starts {self.starts}, memory {self.memory}"
            raise InputError(f"hmm: {said}, stay {self.stay}: give 1 or more, and stay from 0 to 1")

    @classmethod
    def tiny(cls) -> Self:
        return cls(preset="three", step="200ms", starts=2)

    @property
    def needs(self) -> Needs:
        return Needs()

    @property
    def targets(self) -> tuple[Target, ...]:
        return self.fitted.known.targets if self.fitted else ()

    @property
    def regimes(self) -> tuple[str, ...]:
        return self._of.regimes

    @property
    def chain(self) -> Chain:
        """States in the order of the regimes, observations as of `windows`. Raises InputError."""
        return self._fitted.chain

    @property
    def step_ns(self) -> int:
        """The length of a window: `step`, or less. Raises InputError."""
        return int(self._fitted.step_ns)

    @property
    def position_scale(self) -> Floats:
        """(R,) what to multiply a position by in each regime, at most 1. Raises InputError."""
        return self._ready.scale

    def fit(self, reader: Reader, labels: Labels, *, seed: int, budget: Budget) -> Self:
        """Windows of all instruments together, each in its own deviations; then labels by state.

        Fitted again, the model keeps the names of its states: each goes to the nearest of before.
        Raises InputError for too few windows and for a market that never moves.
        """
        watch = Stopwatch()
        with watch:
            known, learn = Known.of(labels, reader.instruments), to_learn(labels)
            step_ns, found = self._windows(reader, np.asarray(learn.any(axis=1)))
        left = budget._replace(seconds=(budget.seconds - watch.seconds) / 2)
        chain, seen = self._em.fit(found.sequences, found.key, seed=seed, budget=left)
        before = self.fitted and self.fitted.chain
        order = matched(before, chain) if before else named(chain, self._of)
        chain, seen = chain.take(order), seen.take(order)
        shape = (len(reader.instruments), len(order), len(labels.targets), 4)
        step = np.array(step_ns, np.int64)
        fitted, first = Fitted(known, chain, seen, step, found.scale, np.zeros(shape)), 0
        state = self._with(fitted).init(reader.instruments)
        following = windows.Following(chain.table(), chain.jump, found.scale)
        for tape in reader:
            rows = tape.rows[0]
            here = slice(first, first + len(rows.ts))
            state, belief, _ = windows.followed(state, rows, following)
            count(fitted.sums, belief, rows.instrument, labels.take(here), learn[here])
            first = here.stop
        return self._with(fitted)

    def init(self, instruments: tuple[Instrument, ...]) -> Windows:
        place = self._fitted.known.places(instruments)
        return Windows.of(self.step_ns, place, self._ready.start)

    def predict(self, state: Windows, tape: Tape) -> tuple[Windows, Forecast]:
        rows, ready = tape.rows[0], self._ready
        after, belief, _ = windows.followed(state, rows, self._following)
        said = ready.voice.says(self.targets, belief, state.place[rows.instrument])
        scale = (belief * ready.scale).sum(axis=1)
        aux = {"regime": belief.astype(np.float32), "position_scale": scale.astype(np.float32)}
        return after, replace(said, aux=aux)

    def update(self, state: Windows, tape: Tape, labels: Labels) -> Self:
        """A new model that has also learned these rows, where labels are valid; older ones fade.

        `state` is that before the tape. Expectation over the tape, then one step towards what
        makes it likeliest (Cappe & Moulines 2009, by blocks). The regimes keep their order.
        """
        fitted, rows, learn = self._fitted, tape.rows[0], to_learn(labels)
        chain, place = fitted.chain, state.place[rows.instrument]
        _, belief, ended = windows.followed(state, rows, self._following)
        used, blocks = learn.any(axis=1) & (ended.what == 1), list[Expected]()
        for i in np.unique(rows.instrument[used]):
            mine = Sequences.of(ended.raw[used & (rows.instrument == i)])
            blocks.append(expected(chain, mine, state.belief[i]))
        em, share = self._em, kept(int(used.sum()), self.memory)
        chain, seen = learned(em, (chain, fitted.seen), blocks, share)
        sums, ours = fitted.sums * share, place < len(fitted.sums)
        count(sums, belief, place, labels, learn & ours[:, None])
        return self._with(fitted._replace(chain=chain, seen=seen, sums=sums))

    def ahead(self, regime: NDArray[np.floating], horizon_ns: int) -> Floats:
        """(n, R) P(regime) after the horizon, of P(regime) now (n, R). Raises InputError."""
        steps = max(1, round(horizon_ns / self.step_ns))
        return later(self._fitted.chain, regime.astype(np.float64), steps)

    def params(self) -> dict[str, NDArray[Any]]:
        return arrays(self.fitted) if self.fitted else {}

    def load(self, params: dict[str, NDArray[Any]]) -> Self:
        chain = Chain(*(params[name] for name in Chain._fields))
        seen = Seen(*(params[name] for name in Seen._fields))
        tables = (params[name] for name in Fitted._fields[3:])
        return self._with(Fitted(Known.load(params), chain, seen, *tables))

    def _with(self, fitted: Fitted) -> Self:
        return replace(self, fitted=fitted, ready=Ready.of(fitted))

    @property
    def _ready(self) -> Ready:
        if self.ready is None:
            raise InputError("hmm: fit or load it before it predicts")
        return self.ready

    @property
    def _following(self) -> windows.Following:
        fitted = self._fitted
        return windows.Following(self._ready.table, fitted.chain.jump, fitted.scale)

    @property
    def _of(self) -> Preset:
        return PRESETS[self.preset]

    @property
    def _em(self) -> Em:
        shape = (len(self.regimes), self.mixture, self.diagonal, self.starts)
        return Em(*shape, floor=FLOOR, stay=self.stay)

    @property
    def _fitted(self) -> Fitted:
        if self.fitted is None:
            raise InputError("hmm: fit or load it before it predicts")
        return self.fitted

    def _windows(self, reader: Reader, learn: NDArray[np.bool_]) -> tuple[int, Gathered]:
        """The length of a window, ns, and those to learn from."""
        step, wanted = duration(self.step), PER_STATE * len(self.regimes) * self.mixture
        while True:
            found = told(reader, learn, step, self._of.numbers)
            if found.used.sum() >= wanted or step // 2 < SHORTEST:
                return step, gather(found, len(reader.instruments))
            step //= 2
