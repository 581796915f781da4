"""Splits, fits and the walk-forward run."""
