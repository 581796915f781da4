"""Weights of log-odds by convex minimisation: least log-loss, drawn to where they start."""

import numpy as np
from scipy.optimize import minimize

from flowsense.ensemble.opinions import Asked
from flowsense.model.sides import Floats, sigmoid


def likeliest(
    x: Floats,
    asked: Asked,
    start: Floats,
    prior: float,
    *,
    offset: bool = False,
    constant: float = 0.0,
) -> tuple[Floats, float]:
    """Weights (D,) >= 0 of log-odds x (m, D), and an offset: least log-loss, drawn to `start`.

    The prior is as strong as so many rows with log-odds like those of x, half of them up.
    """
    scale = np.maximum((x**2).mean(axis=0), 1e-6)
    shrink = prior / 4 * np.r_[scale, 1.0]
    design = np.c_[x, np.full(len(x), float(offset))]
    centre = np.r_[start, 0.0]

    def loss(w: Floats) -> tuple[float, Floats]:
        said = design @ w + constant
        away = w - centre
        cost = asked.weight @ np.logaddexp(0.0, np.where(asked.yes, -said, said))
        slope = design.T @ (asked.weight * (sigmoid(said) - asked.yes)) + shrink * away
        return float(cost + 0.5 * shrink @ away**2), slope

    bounds = [(0.0, None)] * len(start) + [(None, None)]
    found = minimize(loss, centre, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(found.x[:-1], np.float64), float(found.x[-1])
