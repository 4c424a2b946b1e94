"""Record beats: many hosts in one transaction, and what each of them is to be told.

Most beats change nothing but time; these are compared and noted in bulk. Only the others are folded one by one.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

import msgspec
import numpy as np

from rollout import telemetry
from rollout.operation.newcomer import enlist, rings_of
from rollout.operation.prove import prove
from rollout.ports.adoption import Adoption
from rollout.ports.event import Happened
from rollout.ports.host import Touch
from rollout.ports.store import Transaction
from rollout.telemetry import RETIRED, Beat, Presence

MOST_REMEMBERED = 4_000_000  # hosts; about 100 bytes each


class Refused(Enum):
    """Why a row was not taken."""

    UNKNOWN = "unknown"  # no such host, or a retired one
    STRANGER = "stranger"  # signed with a key that is not the host's any more


Told = Mapping[str, str] | Refused | None
"""Rings by product, where they changed since the host was last told."""


@dataclass(slots=True)
class Memory:
    """What one process remembers of hosts to ask the store less; each entry may be old without harm.

    `keys`: integer keys, which never change. `told`: for each key, the generation of ring maps it was told of.
    """

    keys: dict[str, int] = field(default_factory=dict)
    told: "array[int]" = field(default_factory=lambda: array("i"))
    generation: int = 0
    maps: frozenset[tuple[str, int]] = frozenset()

    def find(self, tx: Transaction, hosts: Iterable[str]) -> Mapping[str, int]:
        """Integer keys of the known ones; one that has retired since may still be among them."""
        missing = {host for host in hosts if host not in self.keys}
        if missing:
            if len(self.keys) > MOST_REMEMBERED:
                self.keys.clear()
            self.keys.update(tx.hosts.keys(missing))
        return self.keys

    def forget(self) -> None:
        """Forget keys after a commit that failed: one that was read in it may be given to another host."""
        self.keys = {}

    def untold(self, tx: Transaction, keys: Sequence[int]) -> list[int]:
        """Those that may not know the newest ring maps."""
        maps = frozenset((product, each.n) for product, each in tx.publications.ring_maps().items())
        if maps != self.maps:
            self.maps, self.generation = maps, self.generation + 1
        if keys and keys[-1] >= len(self.told):
            self.told.extend([-1] * (keys[-1] + 1024 - len(self.told)))
        told, now = self.told, self.generation
        return [key for key in keys if told[key] != now]


class Row(NamedTuple):
    """One beat; `public_key` is the key it was verified with, None when a collector sent it."""

    beat: Beat
    public_key: bytes | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What to answer: one per row, and the interval for all of them in seconds.

    `keys` were heard while `generation` of ring maps was in force: for `remember`, after the commit.
    """

    told: list[Told]
    next_beat: float
    keys: Sequence[int]
    generation: int


def interval(tx: Transaction, default: float) -> float:
    """Seconds between beats: the smallest heartbeat of open rollouts, else the default."""
    beats = [rollout.policy.heartbeat.total_seconds() for rollout in tx.rollouts.opened()]
    return min(beats, default=default)


def beats(tx: Transaction, rows: Sequence[Row], memory: Memory, default_interval: float) -> Heard:
    """Record beats in the order given; a row of an unknown host or with an old `seq` changes nothing."""
    told: list[Told] = [None] * len(rows)
    heard: list[int] = []
    waiting = list(range(len(rows)))
    while waiting:  # a second beat of one host needs the first one's outcome
        waiting, fresh = _round(tx, rows, waiting, memory, told)
        heard += fresh
    if heard:
        tx.events.heard(np.array(sorted(set(heard)), dtype=np.int32))
    return Heard(told, interval(tx, default_interval), heard, memory.generation)


def _round(
    tx: Transaction, rows: Sequence[Row], indexes: Sequence[int], memory: Memory, told: list[Told]
) -> tuple[list[int], list[int]]:
    """Record at most one beat a host: (rows left for later, keys of hosts that were heard)."""
    known = memory.find(tx, (rows[index].beat.host for index in indexes))
    by_key: dict[int, int] = {}
    later: list[int] = []
    for index in indexes:
        key = known.get(rows[index].beat.host)
        if key is None:
            told[index] = Refused.UNKNOWN
        elif key in by_key:
            later.append(index)
        else:
            by_key[key] = index
    keys = sorted(by_key)
    spoken = tx.hosts.presence(keys)
    refused = _refused(tx, rows, by_key, spoken)
    for key, why in refused.items():
        told[by_key[key]] = why
    heard = _fold(tx, {key: rows[by_key[key]].beat for key in keys if key not in refused}, spoken)
    for key, rings in _hints(tx, heard, memory).items():
        told[by_key[key]] = rings
    return later, heard


def _refused(
    tx: Transaction, rows: Sequence[Row], by_key: Mapping[int, int], spoken: Mapping[int, Presence]
) -> dict[int, Refused]:
    """Retired hosts, and signatures by a key that is not the stored one in this very transaction."""
    refused = {key: Refused.UNKNOWN for key, before in spoken.items() if before.absent == RETIRED}
    signed = {key: rows[index].public_key for key, index in by_key.items() if rows[index].public_key is not None}
    silent = [key for key in by_key if key not in spoken]
    if signed or silent:
        stored = tx.hosts.credentials([*signed, *silent])
        refused |= {key: Refused.UNKNOWN for key in silent if key not in stored}
        refused |= {key: Refused.STRANGER for key, used in signed.items() if stored.get(key) != used}
    return refused


def _fold(tx: Transaction, beats_: Mapping[int, Beat], spoken: Mapping[int, Presence]) -> list[int]:
    """Fold beats by ascending key; the keys of those that were accepted."""
    at, quiet, measured = tx.at, telemetry.is_quiet, _measured(tx, beats_)
    touched: list[Touch] = []
    others: list[int] = []
    for key, beat in beats_.items():
        before = spoken.get(key)
        if before is None:
            others.append(key)
        elif beat.seq > before.seq:
            if beat.adoption is None and quiet(before, beat):
                touched.append((beat.seq, beat.uptime, measured.get(key), at, key))
            else:
                others.append(key)
    if others:
        touched += _fold_others(tx, others, beats_, spoken, measured)
        touched.sort(key=_host)
    tx.hosts.touch(touched)
    heard = [row[-1] for row in touched]
    return sorted({*heard, *others}) if others else heard


def _host(row: Touch) -> int:
    return row[-1]


def _measured(tx: Transaction, beats_: Mapping[int, Beat]) -> dict[int, str]:
    """What hosts say of the measures that are judged now, as it is kept; whatever else they measure is not."""
    said = {key: beat.measures for key, beat in beats_.items() if beat.measures}
    judged = {each.name for rollout in tx.rollouts.judged() for each in rollout.policy.judge.measures} if said else ()
    kept = {key: {name: value for name, value in told.items() if name in judged} for key, told in said.items()}
    return {key: telemetry.canonical(told) for key, told in kept.items() if told}


def _fold_others(
    tx: Transaction,
    keys: Sequence[int],
    beats_: Mapping[int, Beat],
    spoken: Mapping[int, Presence],
    measured: Mapping[int, str],
) -> list[Touch]:
    """Fold beats that say more than the time; those that turn out quiet are returned to be noted in bulk."""
    adopting = tx.adoptions.open_of(keys)
    joined = [key for key in keys if key not in spoken]
    _enlist(tx, joined, beats_)
    touched: list[Touch] = []
    saved: list[Presence] = []
    events: list[Happened] = []
    ran: dict[int, Mapping[str, int]] = {}
    proving: list[tuple[Adoption, Beat]] = []
    for key in keys:
        before, beat, open_ = spoken.get(key), beats_[key], adopting.get(key, ())
        if before is not None and not open_ and telemetry.is_quiet(before, beat):
            touched.append((beat.seq, beat.uptime, measured.get(key), tx.at, key))
            continue
        after, changes = telemetry.hear(before, beat, key, tx.at, adopting=bool(open_))
        saved.append(after._replace(measures=measured.get(key)))
        if before is None or before.running != after.running:
            ran[key] = beat.running
        events += [Happened(change.kind, key, change.detail) for change in changes]
        proving += [(adoption, beat) for adoption in open_ if adoption.id == beat.adoption]
    tx.hosts.save_presence(saved)
    tx.hosts.set_running(ran)
    tx.events.extend(events + prove(tx, proving))
    return touched


def _enlist(tx: Transaction, joined: Sequence[int], beats_: Mapping[int, Beat]) -> None:
    """Hosts that speak for the first time get their place before their first event."""
    if not joined:
        return
    records = list(tx.hosts.records(joined).values())
    for rollout in tx.rollouts.judged():
        counters = {key: beats_[key].running.get(rollout.product) for key in joined}
        enlist(tx, rollout, records, {key: counter for key, counter in counters.items() if counter is not None})


def _hints(tx: Transaction, heard: Sequence[int], memory: Memory) -> dict[int, Mapping[str, str]]:
    """Rings by host key, where they differ from what the host was last told."""
    asked = memory.untold(tx, heard)
    if not asked:
        return {}
    now = rings_of(tx, tx.hosts.records(asked).values())
    before = tx.hosts.told(asked)
    texts = {key: msgspec.json.encode(rings, order="deterministic").decode() for key, rings in now.items()}
    changed = {key: text for key, text in texts.items() if before.get(key, "{}") != text}
    tx.hosts.tell(changed)
    return {key: now[key] for key in changed}


def remember(memory: Memory, heard: Heard) -> None:
    """After the commit: these hosts know the ring maps of that generation."""
    for key in heard.keys:
        if key < len(memory.told):
            memory.told[key] = heard.generation
