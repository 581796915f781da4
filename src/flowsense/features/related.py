"""The most related other instrument: correlation, beta, who leads, spread, flow not shared.

Which other that is follows from the rows so far: the one with the largest cross-correlation of
returns from row to row at any lag (Huth & Abergel 2014). One is led by another where an earlier
return of that one tells of its own beyond chance; `rel_told` is what the leader's last moves still
have to bring. Basis: Engle & Granger 1987; order flow across assets: Cont, Cucuringu & Zhang 2023.
Nothing is said before 100 rows together; all moments reach 6,000 rows back.
"""

from math import nan, sqrt

import numpy as np

from flowsense._jit import Record, kernel
from flowsense.features.pairs import (
    CHANCE,
    FEWEST,
    KEEP,
    LAGS,
    NODE,
    advance,
    arrive,
    correlation,
    learn,
    rows_worth,
)
from flowsense.features.pairs import PAIR as PAIR
from flowsense.tape import Column

READS = ("ofi_share_1s",)
STATE = np.dtype(
    [
        ("weight", "f8"),
        ("square", "f8"),  # of squared returns
        ("z", "f8"),  # the last return in deviations, NaN where not known
        ("own", "f8"),  # of squares of these
        ("market", "f8"),  # of squares of the mean of the others'
        ("cross", "f8"),  # of own x that
        *NODE,  # last: Numba takes a record that begins like another for the same
    ]
)
COLUMNS = (
    Column("rel_corr", "1", "correlation of returns with the most related other instrument"),
    Column("rel_peak", "1", "the same at the lag where it is largest"),
    Column("rel_lag", "rows", "that lag; > 0: the other leads"),
    Column("rel_beta", "1", "ticks per tick of the other, regression of returns of one row"),
    Column("rel_basis", "1", "level - its regression on the other's, in deviations of that", "-"),
    Column("rel_ofi", "1", "ofi_share_1s - its regression on the other's ofi_share_1s", "-"),
    Column("rel_lead", "1", "largest correlation with an earlier return of another"),
    Column("rel_told", "ticks", "sum of its returns x what of each is still to come", "-"),
    Column("rel_degree", "1", "share of the others that are correlated beyond chance"),
    Column("market_ret", "1", "mean return since the last row, in deviations of each", "-"),
    Column("market_corr", "1", "correlation of returns with the mean return of the others"),
)
VERSION = 1


@kernel
def peak(P: Record, i: int, j: int) -> int:
    """The lag of the largest |correlation| of i with j, negative where i leads; 0 of equals."""
    p, q = P[i, j], P[j, i]
    best, most = 0, abs(p.cross[0])
    for k in range(1, LAGS + 1):
        if abs(p.cross[k]) > most:
            best, most = k, abs(p.cross[k])
        if abs(q.cross[k]) > most:
            best, most = -k, abs(q.cross[k])
    return best


@kernel
def at_lag(P: Record, i: int, j: int, lag: int) -> float:
    """Correlation of i with j; lag as `peak` gives it."""
    if lag < 0:
        return correlation(P[j, i], P[i, j], -lag)
    return correlation(P[i, j], P[j, i], lag)


@kernel
def earlier(p: Record) -> int:
    """The lag >= 1 at which the other tells most."""
    best = 1
    for k in range(2, LAGS + 1):
        if abs(p.cross[k]) > abs(p.cross[best]):
            best = k
    return best


@kernel
def to_come(p: Record, q: Record, leader: Record) -> float:
    """Ticks: each of the leader's last moves x the slopes at the lags that it has not reached.

    Only slopes beyond chance count.
    """
    total, rest = 0.0, 0.0
    least = CHANCE / sqrt(rows_worth(p))
    for k in range(LAGS, 0, -1):
        if abs(correlation(p, q, k)) > least:
            rest += p.cross[k] / q.own
        moved = leader.past[k - 1]
        if moved == moved:
            total += rest * moved
    return total


@kernel
def of_partner(S: Record, P: Record, i: int, j: int, out: Record) -> None:
    """The first six columns: i beside j."""
    p, q, lag = P[i, j], P[j, i], peak(P, i, j)
    out[0], out[1], out[2] = correlation(p, q, 0), at_lag(P, i, j, lag), lag
    out[3] = p.cross[0] / q.own if q.own > 0.0 else nan
    left = p.spread * q.spread - p.tied * p.tied  # variance of the residual x q.spread
    if left > 1e-9 * p.spread * q.spread and q.spread > 0.0:
        mine, its = S[i].level - p.centre, S[j].level - q.centre
        out[4] = (mine - p.tied / q.spread * its) / sqrt(left / q.spread)
    if q.flow_own > 0.0:
        out[5] = S[i].flow - p.flow_cross / q.flow_own * S[j].flow


@kernel
def of_others(S: Record, P: Record, i: int, out: Record) -> None:
    """All columns that look for one among the others of the instant."""
    partner, leader, linked, others = -1, -1, 0, 0
    most, led = -1.0, -1.0
    for j in range(len(S)):
        if j == i or S[j].here == 0 or P[i, j].weight < FEWEST:
            continue
        others += 1
        x = abs(at_lag(P, i, j, peak(P, i, j)))
        linked += x * sqrt(rows_worth(P[i, j])) > CHANCE
        if x > most:
            partner, most = j, x
        x = abs(correlation(P[i, j], P[j, i], earlier(P[i, j])))
        if x > led:
            leader, led = j, x
    if partner < 0:
        return
    of_partner(S, P, i, partner, out)
    p, q = P[i, leader], P[leader, i]
    out[6] = correlation(p, q, earlier(p))
    out[7] = to_come(p, q, S[leader])
    out[8] = linked / others


@kernel
def of_market(S: Record, rows: Record, out: Record) -> None:
    """The last two columns."""
    total, present = 0.0, 0
    for i in range(len(S)):
        s, x = S[i], S[i].past[0]
        s.z = nan
        if x == x:
            s.weight, s.square = KEEP * s.weight + 1.0, KEEP * s.square + x * x
            if s.square > 0.0 and s.weight >= FEWEST:
                s.z = x / sqrt(s.square / s.weight)
                total += s.z
                present += 1
    for r in range(len(rows)):
        s = S[rows[r].instrument]
        if present > 0:
            out[r, 9] = total / present
        if s.z == s.z and present > 1:
            others = (total - s.z) / (present - 1)
            s.own, s.market = KEEP * s.own + s.z * s.z, KEEP * s.market + others * others
            s.cross = KEEP * s.cross + s.z * others
        if s.own * s.market > 0.0:
            out[r, 10] = max(-1.0, min(1.0, s.cross / sqrt(s.own * s.market)))


@kernel
def across(S: Record, P: Record, rows: Record, at: Record, out: Record) -> None:
    """S (n,) STATE, P (n, n) PAIR; rows (m,) of one instant; out (>= m, F) float64, NaN."""
    steady = advance(S, rows[0].ts)
    for r in range(len(rows)):
        known = rows[r].valid[at[0]]
        flow = float(rows[r].X[at[0]]) if known else nan
        arrive(S[rows[r].instrument], rows[r].quote, flow, steady)
    learn(P, S)
    of_market(S, rows, out)
    for r in range(len(rows)):
        of_others(S, P, rows[r].instrument, out[r])
