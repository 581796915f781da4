"""How long stages took in the last minute."""

from collections.abc import Mapping

import numpy as np

from flowsense.serve.board.told import LatencyNow, StageNow
from flowsense.serve.measured import STAGES

SPAN_S = 60.0
ROOM = 16_384  # predictions that are remembered
EDGES_MS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 50.0, 100.0, 300.0, 1_000.0)


class Latencies:
    """A ring of what predictions tell of themselves."""

    def __init__(self) -> None:
        self.ms = np.zeros((ROOM, len(STAGES)), np.float32)
        self.at, self.count = np.full(ROOM, -np.inf), 0

    def put(self, latency_us: Mapping[str, float], now: float) -> None:
        """now: seconds; what tells no stages is left out."""
        if latency_us:
            k = self.count % ROOM
            self.ms[k], self.at[k] = [latency_us.get(name, 0.0) / 1e3 for name in STAGES], now
            self.count += 1

    def _last(self, now: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        return self.ms[self.at > now - SPAN_S]

    def total(self, now: float) -> tuple[float | None, float | None]:
        """Median and 99 of 100, socket to prediction, ms."""
        ms = self._last(now)[:, -1]
        if not len(ms):
            return None, None
        p50, p99 = np.percentile(ms, (50, 99)).tolist()
        return p50, p99

    def told(self, now: float) -> LatencyNow:
        last, edges = self._last(now), (-np.inf, *EDGES_MS, np.inf)
        stages = list[StageNow]()
        for k, name in enumerate(STAGES):
            ms, known = last[:, k], (None, None, None)
            counts = np.histogram(ms, edges)[0].tolist()
            if len(ms):
                known = (*np.percentile(ms, (50, 99)).tolist(), float(ms.max()))
            stages.append(StageNow(name, tuple(counts), *known))
        return LatencyNow(EDGES_MS, tuple(stages))
