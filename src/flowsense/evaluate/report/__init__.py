"""One run as one HTML file that needs nothing else: no script, no font, no network."""

from flowsense.evaluate.report.page import render, write

__all__ = ["render", "write"]
