"""Six kinds of order flow that excite each other, exponentially (Hawkes 1971; Bacry et al. 2015).

The intensity of kind j is what is exogenous at t, and the sum over all earlier points i of kind k
of ``alpha[j, k] * beta[j] * exp(-beta[j] * (t - t_i))``: alpha[j, k] is the mean number of direct
children.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import Record, kernel
from flowsense.errors import InputError
from flowsense.schema import ADD, LAST, SNAPSHOT, TRADE, Events

BUY, SELL, ADD_BID, ADD_ASK, CANCEL_BID, CANCEL_ASK = range(6)
KINDS = 6
PUSH = np.array([1, -1, 1, -1, -1, 1])  # of the touch's flow imbalance: Cont et al. 2014
FLOW = np.dtype(  # of one instrument
    [
        ("at", "i8"),  # ns, of what follows
        ("next", "i8"),  # ns, of the next candidate
        ("bound", "f8"),  # total intensity at `at`: it only falls until then
        ("price", "f8"),  # efficient, ticks
        ("state", "i8"),  # regime
        ("exogenous", "f8", KINDS),  # per second, constant until something happens
        ("excess", "f8", KINDS),  # per second, what earlier points still add
    ]
)
# Children of one market order, one add, one cancel (columns), of the same side and of the other:
# a buyer brings buyers, bids behind them, asks that refill, and asks that flee.
SAME = np.array([[0.35, 0.004, 0.0], [0.6, 0.35, 0.15], [0.1, 0.2, 0.3]])
OTHER = np.array([[0.05, 0.0, 0.004], [0.8, 0.1, 0.15], [0.6, 0.1, 0.1]])


class Hawkes(NamedTuple):
    """Base rates mu (6,) per second, branching alpha (6, 6), decays beta (6,) per second."""

    mu: NDArray[np.float64]
    alpha: NDArray[np.float64]
    beta: NDArray[np.float64]

    def rates(self) -> NDArray[np.float64]:
        """Mean events per second of each kind, stationary: (I - alpha)^-1 mu."""
        return np.asarray(np.linalg.solve(np.eye(KINDS) - self.alpha, self.mu), np.float64)


def mirrored(rates: tuple[float, ...], decays: tuple[float, ...], branching: float) -> Hawkes:
    """The process, alike for both sides, with these mean rates and this spectral radius.

    rates, decays: of market orders, adds, cancels, per second and side. Raises InputError.
    """
    if not all(0 < x < np.inf for x in (*rates, *decays)):
        raise InputError(f"rates {rates}, decays {decays}: each must lie above 0")
    if not 0 <= branching < 1:
        raise InputError(f"branching {branching} is not stationary, give 0 <= branching < 1")
    alpha = np.kron(SAME, np.eye(2)) + np.kron(OTHER, np.eye(2)[::-1])
    alpha *= branching / np.abs(np.linalg.eigvals(alpha)).max()
    mu = np.repeat(rates, 2) - alpha @ np.repeat(rates, 2)
    if not (mu > 0).all():
        raise InputError(f"rates {rates} cannot be reached with branching {branching}, lower it")
    return Hawkes(mu, alpha, np.repeat(np.array(decays, np.float64), 2))


def pressing(rates: tuple[float, ...], decays: tuple[float, ...], branching: float) -> Hawkes:
    """The process in which each point brings only such as push the price to the same side.

    Arguments and errors as for `mirrored`; each kind has as many parents of each of the three.
    """
    plain = mirrored(rates, decays, 0.0)
    if not 0 <= branching < 1:
        raise InputError(f"branching {branching} is not stationary, give 0 <= branching < 1")
    rate = np.repeat(rates, 2)
    alike = np.equal.outer(PUSH, PUSH) / 3
    alpha = branching * alike * rate[:, None] / rate
    return Hawkes((1 - branching) * rate, alpha, plain.beta)


@kernel
def decay(f: Record, beta: Record, ts: int) -> None:
    seconds = (ts - f.at) * 1e-9
    for j in range(KINDS):
        f.excess[j] *= math.exp(-beta[j] * seconds)
    f.at = ts


@kernel
def schedule(f: Record, u: float) -> None:
    """Draw the next candidate from now on; u in [0, 1)."""
    f.bound = 0.0
    for j in range(KINDS):
        f.bound += f.exogenous[j] + f.excess[j]
    f.next = f.at + 1 + int(-math.log(1.0 - u) / f.bound * 1e9)


@kernel
def thinned(f: Record, u: float) -> int:
    """The kind of the candidate at `at`, or -1 (Ogata 1981)."""
    x = u * f.bound
    for j in range(KINDS):
        x -= f.exogenous[j] + f.excess[j]
        if x < 0.0:
            return j
    return -1


@kernel
def excite(f: Record, alpha: Record, beta: Record, kind: int) -> None:
    for j in range(KINDS):
        f.excess[j] += alpha[j, kind] * beta[j]


def points(events: Events) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int8]]:
    """The points behind a simulated feed: ts_event (p,) ns, instrument (p,), kind (p,).

    Complete as long as no side of a book empties: what finds nothing there tells nothing.
    """
    parts = []
    for i in np.unique(events["instrument"]):
        mine = events[(events["instrument"] == i) & (events["bits"] & SNAPSHOT == 0)]
        parts.append(mine[np.r_[True, mine["bits"][:-1] & LAST != 0][: len(mine)]])
    first = np.concatenate(parts)
    first = first[np.argsort(first["ts_event"], kind="stable")]
    action, seller = first["action"], (first["side"] < 0).astype(np.int8)
    kind = np.select([action == TRADE, action == ADD], [BUY, ADD_BID], CANCEL_BID) + seller
    return first["ts_event"].copy(), first["instrument"].copy(), kind.astype(np.int8)
