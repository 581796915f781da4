"""What one may set of the API."""

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from flowsense.errors import InputError
from flowsense.serve.keys import Keys

if TYPE_CHECKING:
    from flowsense.serve.board.board import Board

LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request, one listener and all of them may take."""

    body: int = 1_000_000  # bytes of a request
    body_s: float = 5.0  # in which it has to arrive
    request_s: float = 10.0  # for an answer
    change_s: float = 120.0  # for one to a start, a stop or a reload: models take time to load
    rate: float = 1_000.0  # requests per second, of each key and of each address
    burst: float = 2_000.0
    logins: float = 20.0  # wrong keys per minute and address
    predictions: int = 16  # requests to predict at once; the next is told to come back
    listeners: int = 500  # to the stream
    queue: int = 256  # predictions that wait for one listener; the oldest goes first
    send_s: float = 1.0  # for one message to a listener, who is closed else
    alive_s: float = 2.0  # between two pings, and for the answer, of a listener who is closed else
    linger_s: float = 1.0  # that one who is closed has to hear of it
    frame: int = 65_536  # bytes of a message from a listener


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything but the loopback addresses needs a key."""

    host: str = "127.0.0.1"
    port: int = 8000  # 0: one that is free
    keys: Keys = field(default_factory=Keys)
    hosts: tuple[str, ...] = ()  # names that it is asked by, besides `host` and those of loopback
    origins: tuple[str, ...] = ()  # of web pages that may ask, like https://desk.example
    models: Path | None = None  # folder that models may be loaded from; None: the same path alone
    runs: Path | None = None  # folder of finished runs, for who reads; None: none are shown
    limits: Limits = field(default_factory=Limits)
    metrics: Callable[[], tuple[bytes, str]] | None = None  # body and content type of /metrics
    crowd: Callable[[int, int], None] | None = None  # listeners now, and cut off so far: stalled
    heard: Callable[[str, int, float], None] | None = None  # path, status, seconds of each request
    board: "Board | None" = None  # what the dashboard shows; None: there is no dashboard

    def __post_init__(self) -> None:
        if not self.local and not self.keys.any:
            raise InputError(
                f"host {self.host}: can be reached by others, so it needs keys: set "
                "FLOWSENSE_ADMIN_KEYS or FLOWSENSE_KEYS_FILE, or take 127.0.0.1"
            )
        if not 0 <= self.port < 65_536:
            raise InputError(f"port {self.port}: give 0 to 65535; 0: one that is free")

    @property
    def local(self) -> bool:
        """Whether only this machine can ask."""
        if self.host in LOCAL:
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def names(self) -> frozenset[str]:
        """What a Host header may say, without its port."""
        return frozenset(name.lower().strip("[]") for name in (*LOCAL, self.host, *self.hosts))
