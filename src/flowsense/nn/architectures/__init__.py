"""PyTorch modules, one per file, imported when a net of that name is fitted."""
