"""Graphs over instruments: rebuilt at every instant from what came before, and studies of them.

Streaming: `rolling` (moments of all pairs), `links` (who is tied to whom, who leads), `breaks`
(correlations that change). Studies: `cycles`, `hedges`, `contagion`, `indicators`, `asynchronous`.
"""
