"""Orders that are written down before they are sent, and a switch that stops all of them.

An order is in the journal, on the disk, before the venue can have it. Whatever ends the process,
the next one finds there all that may have been sent, and asks for it by its id; nothing is ever
sent twice. The switch is a file: while it lies in the folder no order is sent, whoever put it there
and however often the process begins anew.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from flowsense.backtest.folder import JOURNAL, Folder, Kind
from flowsense.errors import InputError
from flowsense.schema import SECOND, Instrument
from flowsense.store.atomic import replacing
from flowsense.store.journal import BEGIN, Journal
from flowsense.trade import DONE, Gateway, Order, Refused, Told, Unknown
from flowsense.trade.account import Account, said, texts
from flowsense.trade.reconcile import Difference, asked, reconciled, withdrawn
from flowsense.trade.router import Leg
from flowsense.wall import Clock, Wall, now_utc

HALT = "HALT"
KIND = Kind("trade.json", "an account that trades")
FORMAT = 1
SAVED = 1_000  # records, after which all is saved anew


@dataclass(frozen=True, slots=True)
class Care:
    patience_ns: int = 60 * SECOND  # that a venue may leave us without an answer
    beat_s: float = 60.0  # after which a venue that has not heard from us cancels all
    late_ns: int = 2 * SECOND  # after which the rest of a split is not sent: its books are old


class Desk:
    """One account over several venues, in a folder; one process at a time.

    Opening it reconciles it. What cannot be explained, and a venue that does not answer, trips the
    switch; `differences` is the table.

    Raises InputError for a folder that is another's or damaged, and where something is held at
    the beginning that is not this account's.
    """

    def __init__(
        self,
        folder: Path,
        gateways: Mapping[str, Gateway],
        table: Sequence[Instrument],
        *,
        care: Care | None = None,
        clock: Clock | None = None,
        utc: Callable[[], int] = now_utc,
    ) -> None:
        self.gateways, self.care, self.utc = gateways, care or Care(), utc
        self.clock: Clock = clock or Wall()
        kinds = {name: type(gateway).__name__ for name, gateway in gateways.items()}
        listed = {f"{i.venue}:{i.symbol}": repr(i) for i in table}
        self.folder = Folder(
            folder, {"format": FORMAT, "venues": kinds, "instruments": listed}, KIND
        )
        self.journal, self.account = Journal(folder / JOURNAL), Account()
        self.differences: tuple[Difference, ...] = ()
        self.silent: int | None = None  # ns of the clock, since when a venue gives no answer
        self.reconciled = False  # since the start, and since it last halted
        try:
            self._recover()
            self._begin()
        except BaseException:
            self.close()
            raise

    @property
    def halted(self) -> str:
        """Why nothing is sent; "": it may be."""
        try:
            return self.switch.read_text(encoding="utf-8").strip() or "somebody asked for it"
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError):
            return f"{self.switch} is there"

    @property
    def switch(self) -> Path:
        """The file: whoever puts it there halts, and a person who takes it away goes on."""
        return self.folder.path / HALT

    def halt(self, why: str) -> None:
        """Nothing more is sent, all that rests is cancelled; only a person takes the file away."""
        self.reconciled = False
        try:
            if not self.halted:
                with replacing(self.switch) as draft:
                    draft.write_text(f"{why}\n", encoding="utf-8")
        finally:  # also where nothing can be written any more
            for gateway in self.gateways.values():
                try:
                    gateway.cancel_all()
                except Unknown:
                    continue  # it is asked again at the next check, and by its own heartbeat

    def check(self) -> tuple[Difference, ...]:
        """Reconciled with the venues. What nobody can explain halts; so does a venue that has not
        answered for longer than it may.
        """
        try:
            found = reconciled(self.account, self.gateways, self.note, self.clock, self.utc())
        except Unknown as error:
            now = self.clock.now()
            self.silent = now if self.silent is None else self.silent
            if now - self.silent >= self.care.patience_ns:
                self.halt(f"not reconciled: {error}")
            return self.differences
        self.differences, self.silent, self.reconciled = found, None, True
        if strange := [each.told for each in found if not each.why]:
            self.halt(f"not reconciled: {strange[0]}: find out whose it is")
        return found

    def _begin(self) -> None:
        """Until the venues have answered, or it has halted."""
        self.check()
        while self.silent is not None and not self.halted:
            self.clock.sleep(SECOND)
            self.check()

    def send(self, legs: Sequence[Leg], *, reduce: bool = False) -> list[Told]:
        """One after the other, until the switch is thrown. Refused legs are left out, and so are
        those that had to wait too long for the ones before. What is not reconciled is, first.
        """
        found, until = list[Told](), self.clock.now() + self.care.late_ns
        if legs and not self.reconciled and not self.halted:
            self.check()
        for leg in legs:
            if self.halted or not self.reconciled or self.clock.now() > until:
                break
            where = (leg.venue, leg.symbol, leg.side, leg.lots, leg.price)
            order = Order(self.account.next(), *where, reduce, leg.value, leg.fee)
            self.note({"do": "send", "order": order._asdict(), "ts": self.utc()})
            if (told := self._sent(order)) is not None:
                found.append(told)
        return found

    def _sent(self, order: Order) -> Told | None:
        gateway = self.gateways[order.venue]
        try:
            told = gateway.submit(order)
        except Refused as error:
            self.note({"do": "gone", "id": order.id, "why": str(error)})
            return None
        except Unknown as error:
            return self._sought(order, gateway, str(error))
        return self._over(told, gateway)

    def _sought(self, order: Order, gateway: Gateway, why: str) -> Told | None:
        """Whether it arrived, which only the venue knows."""
        since, until = self.clock.now(), self.clock.now() + self.care.patience_ns
        while self.clock.now() < until:
            left = max(gateway.window_ns - (self.clock.now() - since), 0)
            try:
                told = asked(gateway, order.id, order.symbol, self.clock, left)
            except Unknown as error:
                why = str(error)
                self.clock.sleep(SECOND)
                continue
            if told is not None:
                return self._over(told, gateway)
            self.note({"do": "gone", "id": order.id, "why": "never arrived"})
            return None
        self.halt(f"{order.where}: nobody knows whether order {order.id} was taken ({why})")
        return None

    def _over(self, told: Told, gateway: Gateway) -> Told | None:
        """What rests although it must not is withdrawn."""
        try:
            told = told if told.state == DONE else withdrawn(gateway, told)
        except Unknown as error:
            self.halt(str(error))
        self.note({"do": "told", "told": said(told)})
        return told

    def beat(self) -> None:
        """Venues that can cancel all by themselves do so unless they hear this again."""
        for gateway in self.gateways.values():
            try:
                gateway.alive(self.care.beat_s)
            except Unknown:
                continue  # if it lasts, that is what the heartbeat is for

    def leave(self) -> None:
        """Where nothing of ours can rest, no venue need cancel what others have placed since."""
        if self.account.live or self.halted:
            return
        for gateway in self.gateways.values():
            with suppress(Unknown):
                gateway.alive(0.0)

    def note(self, record: dict[str, Any]) -> None:
        """On the disk before anything else happens, then folded."""
        self.journal.append(orjson.dumps(record))
        self.journal.sync()
        self.account.apply(record)
        self.records += 1
        if self.records >= SAVED:
            self._save()

    def _save(self) -> None:
        self.journal.save(self.account.dump())
        self.records = 0

    def close(self) -> None:
        self.journal.close()
        self.folder.close()

    def _recover(self) -> None:
        found = self.journal.recover()
        self.records = len(found.pushed)
        if found.state != BEGIN:
            self.account = Account.load(found.state)
        for record in found.pushed:
            self.account.apply(orjson.loads(record))
        if not self.account.salt:
            self.note({"do": "begin", "salt": self._salt(), "base": texts(self._base())})

    def _salt(self) -> str:
        """Of this folder alone, so that two that trade in one account do not share ids."""
        seed = f"{self.folder.path.resolve()} {self.utc()}".encode()
        return blake2b(seed, digest_size=3).hexdigest()

    def _base(self) -> dict[str, Any]:
        """What a spot account owns already; of others nothing may be held."""
        found = dict[str, Any]()
        for name, gateway in self.gateways.items():
            try:
                held = gateway.positions()
            except Unknown as error:
                raise InputError(f"{name}: cannot be asked what it holds ({error})") from None
            for symbol, lots in held.items():
                if lots and not gateway.spot:
                    raise InputError(
                        f"{name}:{symbol}: {lots} lots are held already: close them, or trade in"
                        " an account of its own"
                    )
                found[f"{name}:{symbol}"] = lots
        return found
