"""A simulation as a folder: the recording, and the truth beside it."""

import json
from pathlib import Path
from typing import Any

from flowsense.errors import InputError
from flowsense.simulate.hawkes import Hawkes
from flowsense.simulate.latent import LATENT, Latent, Lead
from flowsense.simulate.market import Market, Simulation, Truth
from flowsense.store.arrays import pack, unpack
from flowsense.store.atomic import ensure_replaceable, replacing
from flowsense.store.events import write_events

EVENTS, ARRAYS, SETTINGS = "events.parquet", "truth.npz", "truth.json"


def check_folder(folder: Path) -> None:
    """Before anything is computed. Raises InputError where `save` could not write."""
    ensure_replaceable(folder, SETTINGS, "a simulation")


def save(simulation: Simulation, folder: Path) -> None:
    """Writes `events.parquet` (native recording), `truth.npz` and `truth.json`, or nothing.

    The arrays are mu (6,) and decay (6,) per second, alpha (6, 6), latent (n,) LATENT, lag_ns
    and beta (k, k) of [follower, leader]. Raises InputError where nothing can be written, and for
    a folder that holds other things.
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
    }
    settings = {"seconds": truth.seconds, "seed": truth.seed, "market": described(truth.market)}
    with replacing(folder) as draft:
        write_events(draft / EVENTS, simulation.instruments, [simulation.events])
        (draft / ARRAYS).write_bytes(pack(arrays))
        (draft / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n")


def described(market: Market) -> dict[str, Any]:
    named = {"latent": market.latent._asdict(), "leads": [x._asdict() for x in market.leads]}
    return vars(market) | named


def load_truth(folder: Path) -> Truth:
    """What `save` wrote beside the events. Raises InputError."""
    try:
        said = json.loads((folder / SETTINGS).read_text())
        arrays = unpack((folder / ARRAYS).read_bytes())
        market, seconds, seed = market_of(said["market"]), said["seconds"], said["seed"]
        hawkes = Hawkes(arrays["mu"], arrays["alpha"], arrays["decay"])
        latent = arrays["latent"].view(LATENT)
        return Truth(market, seconds, seed, hawkes, latent, arrays["lag_ns"], arrays["beta"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder}: no truth of a simulation ({error}): simulate again") from error


def market_of(said: dict[str, Any]) -> Market:
    leads = tuple(Lead(**x) for x in said["leads"])
    return Market(**(tuples(said) | {"latent": Latent(**tuples(said["latent"])), "leads": leads}))


def tuples(said: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in said.items()}
