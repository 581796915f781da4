"""What a net is fitted to: the side of moves, whether it moves, and by how much.

The size loss is log s + y / s (Patton 2011, QLIKE): least where s is the mean, and linear in a
far value.
"""

from typing import Any

import torch
import torch.nn.functional as F

from flowsense.nn.heads import FARTHEST, MOVE, SIDE, SIZE

SIZE_SHARE = 0.25  # of the size in the loss of a direction: the side is the question


def loss(out: torch.Tensor, answers: Any) -> torch.Tensor:
    """Of out (B, ..., T, 3): a mean over targets and stretches, each of which weighs 1."""
    side = F.binary_cross_entropy_with_logits(
        out[..., SIDE] + answers.offset, answers.up, reduction="none"
    )
    move = F.binary_cross_entropy_with_logits(
        out[..., MOVE] + answers.base, answers.moved, reduction="none"
    )
    log_size = out[..., SIZE].clamp(-FARTHEST, FARTHEST)
    size = log_size + answers.size * torch.exp(-log_size)
    weighed = answers.side_weight * side + answers.move_weight * move
    weighed = weighed + SIZE_SHARE * answers.size_weight * size
    mean: torch.Tensor = weighed.sum() / (out.shape[0] * out.shape[-2])
    return mean
