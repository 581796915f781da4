"""From what is expected of buys, sells and cancels to the probabilities of a label.

Four terms tell the side, all of them odd, and four whether it moves; for order flow the first of
each is the law's own log-odds, and a weight of one on it alone is where the map starts.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.forecast import Target
from flowsense.model.hawkes.orders import BUY, CANCEL_ASK, CANCEL_BID, SELL
from flowsense.model.sides import Floats, sigmoid

TERMS = 4
SURE = 1e-5  # least probability whose log-odds are a term
FEW = 0.05  # points that each sum is increased by
PRIOR = np.array([20.0, 20.0, 20.0, 20.0])  # rows, not overlapping, that speak for the start
LOOSE = 0.1  # likewise, for a constant
STEPS = 30


class Told(NamedTuple):
    """Of rows and one horizon."""

    side: Floats  # (n, 4) odd: they turn with the book
    move: Floats  # (n, 4) even
    size: Floats  # (n, 4) even, linear in size


def told(said: Floats) -> Told:
    """said (n, K + 2): expected counts, P(buys > sells), P(as many)."""
    buy, sell, cut_bid, cut_ask = (said[:, k] for k in (BUY, SELL, CANCEL_BID, CANCEL_ASK))
    above, same = said[:, -2], said[:, -1]
    below = np.maximum(1.0 - above - same, 0.0)
    one = np.ones(len(said))
    trades, cuts = buy + sell, cut_bid + cut_ask
    side = (
        np.log(above + SURE) - np.log(below + SURE),
        (buy - sell) / (trades + FEW),
        (cut_ask - cut_bid) / (cuts + FEW),
        (buy - sell) / np.sqrt(trades + FEW),
    )
    move = (
        np.log(above + below + SURE) - np.log(same + SURE),
        one,
        np.log(trades + FEW),
        np.log(cuts + FEW),
    )
    size = (np.sqrt(trades + FEW), one, np.sqrt(cuts + FEW), trades)
    return Told(*(np.stack(columns, axis=1) for columns in (side, move, size)))


def start(target: Target) -> Floats:
    """(2, 4) weights of side and move before anything is learned."""
    out = np.zeros((2, TERMS))
    if target.kind == "ofi":
        out[:, 0] = 1.0
    return out


def weighed(terms: Floats, weights: Floats) -> Floats:
    """(n,) sum of terms (n, 4) by weights (n, 4), in order."""
    out = terms[:, 0] * weights[:, 0]
    for k in range(1, TERMS):
        out = out + terms[:, k] * weights[:, k]
    return np.asarray(out, np.float64)


def logistic(terms: Floats, yes: NDArray[np.bool_], weight: Floats, begin: Floats) -> Floats:
    """(4,) most likelihood of sigmoid(terms . w), drawn towards `begin`, by Newton's method.

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
    """(4,) least squares of sizes, drawn towards the mean."""
    if not len(terms):
        return np.zeros(TERMS)
    mean = float(np.average(y, weights=weight))
    prior = np.diag([1.0, 1e-6, 1.0, 1.0]) * PRIOR[0] / TERMS
    gram = (terms * weight[:, None]).T @ terms + prior
    found = np.linalg.solve(gram, terms.T @ (weight * (y - mean)))
    found[1] += mean
    return np.asarray(found, np.float64)
