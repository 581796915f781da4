"""Leaks of every kind, planted: columns, models, pipelines, labels, streams and a family."""

import numpy as np


def viterbi(x, spread=(0.5, 2.0), stay=0.98):
    """(n,) the most likely path of two states in which x (n,) is normal with these deviations,
    in units of its own: it reads x to the end before it says anything. Viterbi 1967."""
    spread = np.array(spread) * x.std()
    log = -0.5 * (x[:, None] / spread) ** 2 - np.log(spread)
    turn = np.log([[stay, 1 - stay], [1 - stay, stay]])
    best, came = log[0], np.zeros((len(x), 2), int)
    for i in range(1, len(x)):
        paths = best[:, None] + turn
        came[i], best = paths.argmax(axis=0), paths.max(axis=0) + log[i]
    out = np.zeros(len(x), int)
    out[-1] = best.argmax()
    for i in range(len(x) - 1, 0, -1):
        out[i - 1] = came[i, out[i]]
    return out.astype(float)


def filtered(x, spread=(0.5, 2.0), stay=0.98):
    """(n,) the chance of the second state given x up to each row: the honest twin of `viterbi`."""
    spread = np.array(spread)
    p, out, mean = np.array([0.5, 0.5]), np.zeros(len(x)), 1.0
    for i, value in enumerate(x):
        mean += (value**2 - mean) * 0.01  # a scale of the past
        s = spread * mean**0.5
        p = (p @ [[stay, 1 - stay], [1 - stay, stay]]) * np.exp(-0.5 * (value / s) ** 2) / s
        p /= p.sum()
        out[i] = p[1]
    return out


def smoothed(x, back, ahead):
    """(n,) mean of x from `back` rows before to `ahead` rows after."""
    total = np.r_[0.0, np.cumsum(np.nan_to_num(x))]
    i = np.arange(len(x))
    a, b = np.maximum(i - back, 0), np.minimum(i + ahead + 1, len(x))
    return (total[b] - total[a]) / (b - a)


def each(function, x, instrument):
    """A function of one series, for each instrument."""
    out = np.zeros(len(x))
    for who in np.unique(instrument):
        mine = instrument == who
        out[mine] = function(x[mine])
    return out
