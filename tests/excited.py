"""The intensity of a Hawkes process by its definition, slowly."""

import numpy as np


def intensity(process, points, kind, t, before):
    """Per second at t ns, by summing over every earlier point, for a constant baseline."""
    total = process.mu[kind, 0]
    for ts, k in zip(points.ts[:before].tolist(), points.kind[:before].tolist(), strict=True):
        if ts < t:
            fade = np.exp(-process.beta * (t - ts) * 1e-9)
            total += (process.weight[kind, k] * process.beta * fade).sum()
    return total
