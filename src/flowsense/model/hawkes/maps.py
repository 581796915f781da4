"""From what is expected of each kind of order to the probabilities of a label.

Five terms tell the side, all of them odd, and five whether it moves; for order flow the first of
each is the law's own log-odds, and a weight of one on it alone is where the map starts.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.forecast import Target
from flowsense.model.hawkes.orders import ADD_ASK, ADD_BID, BUY, CANCEL_ASK, CANCEL_BID, SELL
from flowsense.model.sides import Floats, sigmoid

TERMS = 5
SURE = 1e-5  # least probability whose log-odds are a term
FEW = 0.05  # points that each sum is increased by
PRIOR = np.full(TERMS, 20.0)  # rows, not overlapping, that speak for the start
LOOSE = 0.1  # likewise, for a constant
STEPS = 30


class Told(NamedTuple):
    """Of rows and one horizon."""

    side: Floats  # (n, TERMS) odd: they turn with the book
    move: Floats  # (n, TERMS) even
    size: Floats  # (n, TERMS) even, linear in size


def told(said: Floats) -> Told:
    """said (n, K + 2): expected counts, P(more up than down), P(as many)."""
    above, same, one = said[:, -2], said[:, -1], np.ones(len(said))
    below = np.maximum(1.0 - above - same, 0.0)
    pairs = ((BUY, SELL), (CANCEL_ASK, CANCEL_BID), (ADD_BID, ADD_ASK))
    each = [(said[:, up] - said[:, down], said[:, up] + said[:, down] + FEW) for up, down in pairs]
    (gap, trades), (_, cuts), (_, adds) = each
    side = (
        np.log(above + SURE) - np.log(below + SURE),
        *(lead / total for lead, total in each),
        gap / np.sqrt(trades),
    )
    move = (
        np.log(above + below + SURE) - np.log(same + SURE),
        one,
        *(np.log(total) for _, total in each),
    )
    size = (np.sqrt(trades), one, np.sqrt(cuts), trades - FEW, np.sqrt(adds))
    return Told(*(np.stack(columns, axis=1) for columns in (side, move, size)))


def start(target: Target) -> Floats:
    """(2, TERMS) weights of side and move before anything is learned."""
    out = np.zeros((2, TERMS))
    if target.kind == "ofi":
        out[:, 0] = 1.0
    return out


def weighed(terms: Floats, weights: Floats) -> Floats:
    """(n,) sum of terms (n, TERMS) by weights (n, TERMS), in order."""
    out = terms[:, 0] * weights[:, 0]
    for k in range(1, TERMS):
        out = out + terms[:, k] * weights[:, k]
    return np.asarray(out, np.float64)


def logistic(terms: Floats, yes: NDArray[np.bool_], weight: Floats, begin: Floats) -> Floats:
    """(TERMS,) most likelihood of sigmoid(terms . w), drawn towards `begin`, by Newton's method.

    The weight of a constant term is hardly drawn.
    """
    even = np.ptp(terms, axis=0) == 0 if len(terms) else np.zeros(TERMS, np.bool_)
    prior, w = np.where(even, LOOSE, PRIOR), begin.copy()
    for _ in range(STEPS if len(terms) else 0):
        p = sigmoid(weighed(terms, np.broadcast_to(w, terms.shape)))
        gradient = terms.T @ (weight * (p - yes)) + prior * (w - begin)
        curve = (terms * (weight * p * (1 - p))[:, None]).T @ terms + np.diag(prior)
        step = np.linalg.solve(curve, gradient)
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        w = w - step
        if np.abs(step).max() < 1e-8:
            break
    return w


def linear(terms: Floats, y: Floats, weight: Floats) -> Floats:
    """(TERMS,) least squares of sizes, drawn towards the mean."""
    if not len(terms):
        return np.zeros(TERMS)
    mean = float(np.average(y, weights=weight))
    prior = np.diag([1.0, 1e-6, 1.0, 1.0, 1.0]) * PRIOR[0] / TERMS
    gram = (terms * weight[:, None]).T @ terms + prior
    found = np.linalg.solve(gram, terms.T @ (weight * (y - mean)))
    found[1] += mean
    return np.asarray(found, np.float64)
