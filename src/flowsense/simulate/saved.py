"""A simulation as a folder: the recording, and the truth beside it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flowsense.errors import InputError
from flowsense.schema import EVERY, kind_of
from flowsense.simulate.alternative import Signal
from flowsense.simulate.arbitrage import Arbitrage
from flowsense.simulate.hawkes import Hawkes
from flowsense.simulate.latent import HINT, LATENT, Latent, Lead
from flowsense.simulate.market import Market, Simulation, Truth
from flowsense.simulate.plants import Pattern, Plant, Spoofer
from flowsense.store.arrays import pack, unpack
from flowsense.store.atomic import ensure_replaceable, replacing
from flowsense.store.events import write_events

EVENTS, SEEN = "events.parquet", "observations.parquet"
ARRAYS, SETTINGS = "truth.npz", "truth.json"
PLANTS = {kind.__name__: kind for kind in (Pattern, Spoofer, Signal, Arbitrage)}


def check_folder(folder: Path) -> None:
    """Before anything is computed. Raises InputError where `save` could not write."""
    ensure_replaceable(folder, SETTINGS, "a simulation")


def save(simulation: Simulation, folder: Path) -> None:
    """Writes `events.parquet` (native recording), `truth.npz` and `truth.json`, or nothing.

    And `observations.parquet`, where something is observed. The arrays are mu (6,) and decay (6,)
    per second, alpha (6, 6), latent (n,) LATENT, lag_ns and beta (k, k) of [follower, leader],
    hints (n,) HINT, and those that each plant documents. Raises InputError where nothing can be
    written, and for a folder that holds other things.
    """
    check_folder(folder)
    truth = simulation.truth
    arrays = {
        "mu": truth.hawkes.mu,
        "alpha": truth.hawkes.alpha,
        "decay": truth.hawkes.beta,
        "latent": truth.latent,
        "lag_ns": truth.lag_ns,
        "beta": truth.beta,
        "hints": truth.hints,
    }
    settings = {"seconds": truth.seconds, "seed": truth.seed, "market": described(truth.market)}
    with replacing(folder) as draft:
        write_events(draft / EVENTS, simulation.instruments, [simulation.events])
        if len(simulation.observations):
            pq.write_table(seen(simulation), draft / SEEN, write_page_checksum=True)
        (draft / ARRAYS).write_bytes(pack(arrays | truth.planted))
        (draft / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n")


def seen(simulation: Simulation) -> pa.Table:
    """Observations as the format of that name reads them: a blank symbol is all of them."""
    told, symbols = simulation.observations, [i.symbol for i in simulation.instruments]
    names = {kind_of(name): name for name in simulation.kinds}
    who = (None if i == EVERY else symbols[i] for i in told["instrument"].tolist())
    times = {"ts": "ts_event", "known": "ts_recv"}
    moments = {k: np.ascontiguousarray(told[v]) for k, v in times.items()}
    return pa.table(
        {k: pa.array(ts).cast(pa.timestamp("ns", "UTC")) for k, ts in moments.items()}
        | {
            "symbol": pa.array(who, pa.string()),
            "name": pa.array([names[kind] for kind in told["kind"].tolist()]),
            "value": pa.array(np.ascontiguousarray(told["value"])),
        }
    )


def described(market: Market) -> dict[str, Any]:
    named = {"latent": market.latent._asdict(), "leads": [x._asdict() for x in market.leads]}
    return vars(market) | named | {"plants": [of_plant(plant) for plant in market.plants]}


def of_plant(plant: Plant) -> dict[str, Any]:
    """Its settings, with its name. Raises InputError for a plant that is not one of ours."""
    for name, kind in PLANTS.items():
        if isinstance(plant, kind):
            return {"plant": name} | plant._asdict()
    raise InputError(f"{plant!r:.60} is none of {', '.join(PLANTS)}: its truth cannot be kept")


def load_truth(folder: Path) -> Truth:
    """What `save` wrote beside the events. Raises InputError."""
    try:
        said = json.loads((folder / SETTINGS).read_text())
        arrays = unpack((folder / ARRAYS).read_bytes())
        market, seconds, seed = market_of(said["market"]), said["seconds"], said["seed"]
        hawkes = Hawkes(arrays["mu"], arrays["alpha"], arrays["decay"])
        latent, hints = arrays["latent"].view(LATENT), arrays["hints"].view(HINT)
        planted = {name: x for name, x in arrays.items() if name[0].isdigit()}
        network = arrays["lag_ns"], arrays["beta"]
        return Truth(market, seconds, seed, hawkes, latent, *network, hints, planted)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder}: no truth of a simulation ({error}): simulate again") from error


def market_of(said: dict[str, Any]) -> Market:
    leads = tuple(Lead(**tuples(x)) for x in said["leads"])
    plants = tuple(plant_of(tuples(x)) for x in said["plants"])
    nested = {"latent": Latent(**tuples(said["latent"])), "leads": leads, "plants": plants}
    return Market(**(tuples(said) | nested))


def plant_of(said: dict[str, Any]) -> Plant:
    return PLANTS[said.pop("plant")](**said)


def tuples(said: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in said.items()}
