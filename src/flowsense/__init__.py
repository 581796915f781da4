"""Order-flow prediction: sources -> book -> features -> models -> evaluation -> report."""
