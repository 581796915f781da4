"""Nets: fitted with PyTorch, forecast with ONNX Runtime alone.

`inputs`, `heads`, `serving`, `windowed` and `streamed` serve, and never import torch. `loss`,
`loop`, `export` and `architectures` fit, import it at their top, and are imported by `fitting`.
"""
