"""The tear sheet of a backtest: one HTML file that needs nothing else, and the JSON it shows."""

from flowsense.backtest.sheet.content import told, trial
from flowsense.backtest.sheet.page import render, write

__all__ = ["render", "told", "trial", "write"]
