"""Hawkes processes: kernels, maximum likelihood, residuals, intensities, laws of counts."""
