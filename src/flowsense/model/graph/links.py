"""Who is tied to whom beyond chance, who leads whom and by how many rows.

Cross-correlation on a grid: Huth & Abergel 2014. A threshold on correlations makes the graph
(Onnela, Kaski & Kertesz 2004); its level holds for all pairs and lags together (Bonferroni).
"""

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray
from scipy.special import ndtri

from flowsense._jit import Record, array, compiled, records
from flowsense.features.pairs import FEWEST, LAGS, PAIR, correlation, rows_worth
from flowsense.model.graph.rolling import Rolling

Floats = NDArray[np.float64]


class Links(NamedTuple):
    """Of K instruments, row i of what j has to do with i; 0 on the diagonal."""

    together: Floats  # (K, K) correlation at the same instant
    lead: Floats  # (K, K) of i now with j earlier, where it is largest
    lag: NDArray[np.int64]  # (K, K) rows by which j is earlier then, 1 .. LAGS
    slope: Floats  # (K, K) ticks of i per tick of j, at that lag
    worth: Floats  # (K, K) independent rows behind them; 0 before there are FEWEST


@compiled(
    types.void(array(PAIR, 2), *(array(t, 2) for t in ("f8", "f8", "i8", "f8", "f8"))),
)
def read(P: Record, together: Record, lead: Record, lag: Record, slope: Record, n: Record) -> None:
    for i in range(len(P)):
        for j in range(len(P)):
            p, q = P[i, j], P[j, i]
            if i == j or p.weight < FEWEST:
                continue
            at = 1
            for k in range(2, LAGS + 1):
                if abs(p.cross[k]) > abs(p.cross[at]):
                    at = k
            together[i, j], lead[i, j] = correlation(p, q, 0), correlation(p, q, at)
            lag[i, j], n[i, j] = at, rows_worth(p)
            slope[i, j] = p.cross[at] / q.own if q.own > 0.0 else 0.0


def links(rolling: Rolling, width: int = 1) -> Links:
    """What the rows so far say.

    Returns over `width` rows that overlap (`rolling.spans`) are worth fewer: their errors remember
    each other as a triangle does (Bartlett 1946).
    """
    shape = rolling.pair.shape
    kinds: tuple[Any, ...] = (float, float, np.int64, float, float)
    found = Links(*(np.zeros(shape, kind) for kind in kinds))
    read(records(rolling.pair), *found)
    return found._replace(worth=found.worth * 3 * width / (2 * width**2 + 1))


def chance(worth: Floats, level: float) -> Floats:
    """(K, K) what no correlation exceeds but with probability `level`, all pairs and lags at once.

    1 where nothing can be said yet.
    """
    k = len(worth)
    tries = max(k * (k - 1) // 2, 1) * (2 * LAGS + 1)
    z = float(ndtri(1 - level / 2 / tries))
    return np.minimum(1.0, z / np.sqrt(np.maximum(worth, 1.0)))


def tied(found: Links, level: float = 0.01) -> NDArray[np.bool_]:
    """(K, K) correlated at the same instant, beyond chance; symmetric."""
    return np.asarray(np.abs(found.together) > chance(found.worth, level))


def leaders(found: Links, level: float = 0.01) -> NDArray[np.bool_]:
    """(K, K) whether j leads i, beyond chance; of two that would lead each other the stronger."""
    size = np.abs(found.lead)
    return np.asarray((size > chance(found.worth, level)) & (size >= size.T))


def direct(found: Links, level: float = 0.01) -> NDArray[np.bool_]:
    """(K, K) of `leaders` those that no third explains: of three tied ones the weakest is dropped.

    What i hears through k of j is less than what k hears of j and i of k (ARACNE, Margolin et al.
    2006). Two that hear of one, one sooner, are so told from a leader and its follower.
    """
    led = leaders(found, level)
    tie = np.maximum(np.abs(found.together), np.maximum(np.abs(found.lead), np.abs(found.lead).T))
    tie = np.where(tie > chance(found.worth, level), tie, 0.0)
    weakest = np.zeros_like(led)
    for k in range(len(tie)):
        weakest |= tie < np.minimum(tie[:, k, None], tie[None, k, :])
    return np.asarray(led & ~weakest)
