"""What the service learns of its own forecasts and columns from the stream, told as numbers."""

from hashlib import blake2b
from typing import Any, TypeVar

import numpy as np

from flowsense.errors import InputError
from flowsense.evaluate.stability import Reference
from flowsense.forecast import Forecast, Target
from flowsense.online.columns import Columns
from flowsense.online.columns import State as Seeing
from flowsense.schema import Instrument
from flowsense.serve.metrics import BY, RELIABILITY, TENTHS
from flowsense.serve.outcomes import Outcomes, Standing
from flowsense.serve.outcomes import State as Saying
from flowsense.serve.series import Series
from flowsense.store.arrays import Arrays, pack, unpack
from flowsense.tape import Tape

FORMAT = 1
S = TypeVar("S", Saying, Seeing)


class Judge:
    """Beside an engine: `push` what `Engine.push` gives, and it stands where the stream is."""

    def __init__(
        self,
        targets: tuple[Target, ...],
        columns: tuple[str, ...],
        instruments: tuple[Instrument, ...],
        reference: Reference | None = None,
    ) -> None:
        self.known = 0 if reference is None else reference.rows
        self.outcomes, self.columns = Outcomes(targets), Columns(columns, reference)
        self.digest = (
            f"{FORMAT} {blake2b(repr((targets, columns, instruments)).encode()).hexdigest()}"
        )
        self.said = self.outcomes.init(instruments)
        self.seen = self.columns.init(instruments)

    def push(self, tape: Tape, forecast: Forecast) -> None:
        if len(tape.rows[0].ts):
            self.said = self.outcomes.push(self.said, tape, forecast)
            self.seen = self.columns.push(self.seen, tape.rows[0])

    def standing(self) -> dict[str, Standing]:
        """By target, of those with a side that rows tell."""
        return self.outcomes.standing(self.said)

    def psi(self) -> dict[str, float]:
        """By column; nothing before there is something to compare."""
        return self.columns.psi(self.seen)

    def tell(self, series: Series) -> None:
        """The first target that is judged is told by tenths, too."""
        for k, (target, one) in enumerate(self.standing().items()):
            series.put("flowsense_outcomes_total", one.outcomes, (target,))
            series.put("flowsense_drifts_total", one.drifts, (target,))
            if one.weight == 0:
                continue
            for by, rate in zip(BY, (one.hit_rate, one.last_side, one.majority), strict=True):
                series.put("flowsense_hit_rate", rate, (target, by))
            for name in ("brier", "brier_null", "ece", "ece_limit"):
                series.put(f"flowsense_{name}", getattr(one, name), (target,))
            for pair in one.reliability if k == 0 else ():
                tenth = TENTHS[min(int(pair[0] * 10), 9)]
                for what, value in zip(RELIABILITY, pair, strict=True):
                    series.put("flowsense_reliability", value, (tenth, what))
        series.put("flowsense_drift_reference_rows", self.known)
        psi = self.psi()
        if psi:
            series.put("flowsense_drift_psi_max", max(psi.values()))
        for column, value in psi.items():
            series.put("flowsense_drift_psi", value, (column,))

    def snapshot(self) -> bytes:
        """Everything that later answers depend on, as arrays."""
        said = {f"said/{k}": v for k, v in self.said._asdict().items()}
        seen = {f"seen/{k}": v for k, v in self.seen._asdict().items()}
        return pack({"digest": np.array(self.digest)} | said | seen)

    def restore(self, data: bytes) -> None:
        """Go on where a snapshot was taken. Raises InputError where it is of another judge."""
        arrays = unpack(data)
        if str(arrays["digest"]) != self.digest:
            raise InputError(
                "judge: the snapshot is of other targets, columns or instruments: begin anew"
            )
        self.said = part(self.said, "said", arrays)
        self.seen = part(self.seen, "seen", arrays)


def part(state: S, name: str, arrays: Arrays) -> S:
    """The state of this kind that was kept under this name."""
    kept: Any = {field: arrays[f"{name}/{field}"] for field in state._fields}
    return type(state)(**kept)
