"""Captured UDP packets to the messages in them, in order: pcap, Ethernet, IP and MoldUDP64.

MoldUDP64 1.0: session (10 bytes), sequence of the first message (8), how many (2; 0 a heartbeat,
0xFFFF the end of the session), then each with its length (2) before it. What to do with a packet::

    begins where the last ended        its messages, then those of held packets that continue it
    only messages already given        dropped, counted as repeated
    some of them given                 the others
    begins later                       held for the missing: 1 s, or 1,000 packets, then a gap
    of another session                 dropped, counted
"""

import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from flowsense.errors import InputError
from flowsense.schema import SECOND
from flowsense.sources.files import reading

MAGIC = {  # of pcap: byte order, and ns of a fraction of a second
    b"\xd4\xc3\xb2\xa1": ("<", 1_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\xc3\xd4": (">", 1_000),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
LINKS = {1: 12, 113: 14, 101: -1}  # where the type of what follows stands; raw IP has none
VLAN, IPV4, UDP = (0x8100, 0x88A8), 0x0800, 17
LARGEST = 1 << 18  # bytes of a packet
WAIT, MOST = SECOND, 1_000  # of held packets
END, MOST_MESSAGES = 0xFFFF, 1 << 48


class Packet(NamedTuple):
    """A run of messages, each after its length."""

    ts: int  # ns, when it was captured
    first: int  # sequence
    data: bytes
    lost: bool  # something before it is missing for good


class Order:
    """Which messages come next: what is remembered of a MoldUDP64 session."""

    def __init__(self, counts: Counter[str]) -> None:
        self.counts = counts
        self.session = b""
        self.next = 0  # sequence; 0 before the first message
        self.held: dict[int, Packet] = {}
        self.since = 0  # ns, of the first that is held

    def packet(self, ts: int, payload: bytes) -> Iterator[Packet]:
        """What one more packet makes known."""
        session, first, count = struct.unpack_from(">10sQH", payload)
        self.session = self.session or session
        if session != self.session:
            self.counts[f"packet of session {session.decode('ascii', 'replace').strip()}"] += 1
            return
        if count in (0, END):
            self.counts["heartbeat" if count == 0 else "end of session"] += 1
            return
        self.next = self.next or first
        known = min(max(self.next - first, 0), count)
        self.counts["repeated message"] += known
        if known == count:
            return
        packet = Packet(ts, first + known, past(payload[20:], known), False)
        if packet.first > self.next:
            self.since = self.since if self.held else ts
            self.held.setdefault(packet.first, packet)
            if len(self.held) > MOST or ts - self.since > WAIT:
                yield from self.skip(ts)
            return
        yield from self.give(packet)
        yield from self.follow(ts)

    def give(self, packet: Packet) -> Iterator[Packet]:
        self.next = packet.first + messages(packet.data)
        yield packet

    def follow(self, ts: int) -> Iterator[Packet]:
        """Held packets whose turn it is."""
        while self.held and (first := min(self.held)) <= self.next:
            packet = self.held.pop(first)
            known = min(self.next - first, messages(packet.data))
            self.counts["repeated message"] += known
            if data := past(packet.data, known):
                self.counts["packet out of order"] += 1
                yield from self.give(Packet(ts, first + known, data, False))
        self.since = min((p.ts for p in self.held.values()), default=0)

    def skip(self, ts: int) -> Iterator[Packet]:
        """What is missing before the held packets will not come."""
        if self.held:
            packet = self.held.pop(min(self.held))
            self.counts["gap"] += 1
            self.counts["lost message"] += packet.first - self.next
            yield from self.give(packet._replace(ts=ts, lost=True))
            yield from self.follow(ts)


def messages(data: bytes) -> int:
    """How many there are; -1 where they do not fill the data."""
    at = n = 0
    while at + 2 <= len(data):
        at, n = at + 2 + int.from_bytes(data[at : at + 2]), n + 1
    return n if at == len(data) else -1


def past(data: bytes, n: int) -> bytes:
    """All but the first n messages."""
    at = 0
    for _ in range(n):
        at += 2 + int.from_bytes(data[at : at + 2])
    return data[at:]


def packets(path: Path, counts: Counter[str]) -> Iterator[Packet]:
    """All messages of the first session in the file. Raises InputError."""
    order, ts = Order(counts), 0
    for ts_packet, payload in datagrams(path, counts):
        ts = max(ts, ts_packet)
        if len(payload) < 20 or not mold(payload):
            counts["packet that is not MoldUDP64"] += 1
            continue
        yield from order.packet(ts, payload)
    while order.held:
        yield from order.skip(ts)


def mold(payload: bytes) -> bool:
    """Its messages fill it, and its sequence can be."""
    first, count = int.from_bytes(payload[10:18]), int.from_bytes(payload[18:20])
    return first < MOST_MESSAGES and messages(payload[20:]) == (0 if count == END else count)


def datagrams(path: Path, counts: Counter[str]) -> Iterator[tuple[int, bytes]]:
    """(ns, payload) of every UDP packet; others are counted. Raises InputError."""
    with reading(path) as file:
        head = file.read(24)
        if len(head) < 24 or head[:4] not in MAGIC:
            raise InputError(f"{path}: is no pcap capture: save it as pcap, not as pcapng")
        order, unit = MAGIC[head[:4]]
        link = struct.unpack_from(order + "I", head, 20)[0] & 0xFFFF
        if link not in LINKS:
            raise InputError(f"{path}: link type {link} is not Ethernet: capture it there")
        number = 0
        while record := file.read(16):
            number += 1
            if len(record) < 16:
                raise cut(path, number)
            seconds, fraction, kept, length = struct.unpack(order + "4I", record)
            if kept > LARGEST:
                raise InputError(f"{path}: packet {number}: {kept} bytes is no packet: copy again")
            frame = file.read(kept)
            if len(frame) < kept:
                raise cut(path, number)
            payload = None if kept < length else udp(frame, link)
            if payload is None:
                counts["packet cut short" if kept < length else "packet of another kind"] += 1
            else:
                yield seconds * SECOND + fraction * unit, payload


def cut(path: Path, number: int) -> InputError:
    return InputError(f"{path}: ends inside packet {number}: copy or download it again")


def udp(frame: bytes, link: int) -> bytes | None:
    """What a whole IPv4 UDP datagram carries; None of anything else."""
    at = LINKS[link]
    while at >= 0 and int.from_bytes(frame[at : at + 2]) in VLAN:
        at += 4
    if at >= 0 and int.from_bytes(frame[at : at + 2]) != IPV4:
        return None
    ip = frame[at + 2 :] if at >= 0 else frame
    if len(ip) < 20 or ip[0] >> 4 != 4 or ip[9] != UDP or int.from_bytes(ip[6:8]) & 0x3FFF:
        return None
    header, total = (ip[0] & 15) * 4, int.from_bytes(ip[2:4])
    length = int.from_bytes(ip[header + 4 : header + 6])
    if not 8 <= length <= total - header or total > len(ip):
        return None
    return ip[header + 8 : header + length]
