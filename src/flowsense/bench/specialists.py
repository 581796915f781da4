"""The five specialists in one ensemble, as they are served: fitted in seconds, knowing little."""

from pathlib import Path

import numpy as np

from flowsense.ensemble.combiners import combiner
from flowsense.ensemble.members import Ensemble
from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.model import Budget
from flowsense.model.calibrated import Calibrated
from flowsense.models import build
from flowsense.models.settings import kind_of, settings
from flowsense.models.transformer import Transformer
from flowsense.schema import EVENT, SECOND
from flowsense.store import checkpoint
from flowsense.store.events import read_events, read_instruments
from flowsense.testing.streams import Recording
from flowsense.train.dataset import prepare

NAMES = ("hawkes", "transformer", "hmm", "graph", "xgboost")
TARGETS = ("mid@500ms", "ofi@500ms")
SPAN = 120 * SECOND  # of the recording that they learn from
FIT = Budget(steps=60, seconds=20.0)


def specialists(folder: Path, recording: Path) -> Path:
    """A checkpoint of their mean. Raises InputError where PyTorch is not installed."""
    table = read_instruments(recording)
    events = np.concatenate(list(read_events(recording, len(table)))).view(EVENT)
    events = events[events["ts_recv"] < events["ts_recv"][0] + SPAN].view(EVENT)
    of = spec()
    data = prepare(Recording(table, events), of, tuple(map(Target.parse, TARGETS)))
    small = {"transformer": Transformer.preset("small")}
    members = tuple(small.get(name) or build(name) for name in NAMES)
    whole = Calibrated(Ensemble(members, combiner("blend"), NAMES))
    budget = Budget(FIT.steps, FIT.seconds * len(NAMES))
    model = whole.fit(data, data.labels, seed=0, budget=budget)
    manifest = checkpoint.Manifest(
        model=kind_of(model.model),
        config=settings(model.model),
        spec=of,
        targets=model.targets,
        instruments=table,
        trained=(int(data.ts[0]), int(data.ts[-1]) + 1),
        seed=0,
        metrics={},
    )
    checkpoint.save(folder, manifest, model.params())
    return folder
