"""The one training loop: AdamW, one cycle of the learning rate, and the best mean of weights.

What is judged on held-out rows and kept is the running mean of the weights (Polyak & Juditsky
1992): the signal is faint, and single steps are mostly noise.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import torch
from torch import nn

from flowsense.nn.loss import loss
from flowsense.nn.windows import Answers, Batch
from flowsense.wall import Stopwatch

WARM = 0.1  # of the training, in which the learning rate rises
LAST = 0.02  # of the learning rate, at the end
MEAN = 100  # batches over which weights are averaged
HELD = 32  # batches that decide when to stop, after each epoch


Weights: TypeAlias = dict[str, torch.Tensor]  # by name


class Data(Protocol):
    """Where batches come from: `windows.Segments`, `instants.Instants`."""

    def draw(self, size: int, rng: np.random.Generator) -> Batch: ...
    def held(self, size: int, most: int) -> Iterable[Batch]: ...


@dataclass(frozen=True, slots=True)
class Course:
    """How a net is trained."""

    epochs: int = 40  # at most; each ends with a look at the rows to stop on
    epoch: int = 50  # batches
    batch: int = 128  # stretches
    rate: float = 1e-3  # greatest learning rate
    decay: float = 0.1  # of the weights, per unit of learning rate
    patience: int = 6  # epochs without gain
    device: str = "cpu"
    clip: float = 1.0  # greatest norm of a gradient


class Trained(NamedTuple):
    """What came of a training."""

    epochs: int
    batches: int
    best: int  # epoch that was kept
    loss: float  # on the rows to stop on, at best
    seconds: float
    why: str  # it ended: "epochs", "patience" or "seconds"
    stretches_per_s: float


def train(
    module: nn.Module, data: Data, course: Course, *, seed: int, epochs: int, seconds: float
) -> Trained:
    """Leaves the best weights in the module, in evaluation mode on the CPU.

    At most `epochs`, and `seconds`; repeats bit for bit where there is time for all epochs. At
    least one batch is learned from.
    """
    watch, rng = Stopwatch(), np.random.default_rng(seed)
    module.to(course.device)
    most = max(1, min(course.epochs, epochs))
    optimizer = torch.optim.AdamW(module.parameters(), lr=course.rate, weight_decay=course.decay)
    mean = weights(module)
    best, least, kept = 0, float("inf"), mean
    done, batches, why, asked = 0, 0, "epochs", 0
    total = float(most * course.epoch)  # batches, or as many as there will be time for
    while done < most and why == "epochs":
        module.train()
        for _ in range(course.epoch):
            with watch:
                set_rate(optimizer, course.rate * cycle(batches / total))
                batch = data.draw(course.batch, rng)
                learn(module, optimizer, batch, course)
                batches, asked = batches + 1, batch.answers.up[..., 0].size
                average(mean, module, 1 / min(batches + 1, MEAN))
            if watch.seconds >= seconds:
                why = "seconds"
                break
        with watch:
            now, of_mean = judged(module, mean, data.held(course.batch, HELD * asked), course)
        done, total = done + 1, min(total, batches * seconds / max(watch.seconds, 1e-9))
        if now is None or now < least:
            best, least, kept = done, least if now is None else now, of_mean
        elif done - best >= course.patience:
            why = "patience"
    module.load_state_dict(kept)
    module.to("cpu").eval()
    rate = batches * course.batch / max(watch.seconds, 1e-9)
    return Trained(done, batches, best, least, watch.seconds, why, rate)


def learn(module: nn.Module, optimizer: Any, batch: Batch, course: Course) -> None:
    """One step; a batch whose gradient is not finite is passed over."""
    optimizer.zero_grad(set_to_none=True)
    loss_of(module, batch, course).backward()
    norm = nn.utils.clip_grad_norm_(module.parameters(), course.clip)
    if torch.isfinite(norm):
        optimizer.step()


def loss_of(module: nn.Module, batch: Batch, course: Course) -> torch.Tensor:
    """Of what a module says of a batch."""
    to = course.device
    answers = Answers._make(torch.from_numpy(a).to(to) for a in batch.answers)
    out = module(*(torch.from_numpy(x).to(to) for x in batch.inputs))
    if out.dim() == 4:  # a stretch is read from further back than it is answered for
        out = out[:, -answers.up.shape[1] :]
    return loss(out, answers)


def judged(
    module: nn.Module, mean: Weights, held: Iterable[Batch], course: Course
) -> tuple[float | None, Weights]:
    """What the mean of the weights loses on the rows to stop on, and a copy of it."""
    now, of_mean = weights(module), {name: value.clone() for name, value in mean.items()}
    module.load_state_dict(of_mean)
    found = held_loss(module, held, course)
    module.load_state_dict(now)
    return found, of_mean


def average(mean: Weights, module: nn.Module, share: float) -> None:
    """Move the mean towards the weights; what is not a weight is taken as it is."""
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                mean[name].lerp_(value, share)
            else:
                mean[name].copy_(value)


def held_loss(module: nn.Module, held: Iterable[Batch], course: Course) -> float | None:
    """Mean on the rows to stop on; None where there are none."""
    module.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for batch in held:
            n = len(batch.inputs[0])
            total += float(loss_of(module, batch, course)) * n
            count += n
    return total / count if count else None


def weights(module: nn.Module) -> Weights:
    """A copy."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def set_rate(optimizer: Any, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def cycle(spent: float) -> float:
    """Of the learning rate after a share of the training: linear up, then half a cosine down."""
    if spent < WARM:
        return (spent + 0.01) / (WARM + 0.01)
    done = min((spent - WARM) / (1 - WARM), 1.0)
    return LAST + (1 - LAST) * 0.5 * (1 + float(np.cos(np.pi * done)))


@contextmanager
def repeatable(seed: int) -> Iterator[None]:
    """One thread and numbers drawn from this seed; what was set before is set again after."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
