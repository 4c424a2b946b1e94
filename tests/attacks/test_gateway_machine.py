"""Hosts and collectors in any order, honest and hostile, over HTTP, beside a model of what must be kept.

What is answered 2xx is kept exactly once; what is refused leaves no trace, a batch with one bad row included; a replay
changes nothing; the store's counts are the model's. `python tests/attacks/test_gateway_machine.py 2000` runs longer.
"""

import gzip
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from rollout.service import problem
from tests.attacks.schemas import kept
from tests.service.gateway_world import PRODUCT, World, world

HOSTS = [f"h-{number:05}" for number in range(5)]
PATHS = {"beats": "/v1/beats", "adoptions": "/v1/adoptions", "crashes": "/v1/crashes"}
hosts, ways = st.sampled_from(HOSTS), st.sampled_from(["collector", "signed", "signed-zipped", "batch", "batch-zipped"])
deep = json.loads("[" * 31 + "]" * 31)
BAD = {  # what is wrong with a row, whatever it says
    "host": [None, 7, "", "a b", "x" * 65, "-x", "h\u0000", "h\n", ["h-00000"]],
    "boot": [None, 7, "", "x" * 129, {}],
}
BAD_OF = {
    "beats": BAD
    | {
        "seq": [None, -1, True, 1.5, "7", 2**63, 10**400],
        "uptime": [None, -0.1, "1", 1e13, float("nan"), float("inf"), True],
        "running": [
            None,
            [],
            {"A": 1},
            {PRODUCT: -1},
            {PRODUCT: True},
            {PRODUCT: 1.5},
            {f"p{i}": 1 for i in range(65)},
        ],
        "phase": [None, "", "Idle", 1],
        "adoption": [7, "x" * 65, ""],
        "sleeping": ["yes", 1, None],
    },
    "adoptions": BAD
    | {
        "product": [None, "", "A", "a\n", "x" * 64],
        "release_counter": [None, -1, "8", 8.5, True, 2**63],
        "sha256": [None, "", "a" * 63, "A" * 64, "b" * 64 + "\n"],
        "director_version": [None, -1, 1.5],
    },
    "crashes": {"host": BAD["host"]}
    | {
        "report": [None, "", "x" * 257, 5],
        "kind": [None, "", "BUGCHECK"],
        "crashed_at": ["yesterday", "2026-01-01T00:00:00", 5],
        "bugcheck": [{"code": "50"}, {"code": "0x5\n"}, {"code": 80}, [], {"code": "0x5", "parameters": ["0x1"] * 5}],
        "stack": ["nt", [7], ["nt"] * 257],
        "uptime": [-1, float("nan")],
        "module": [{"timestamp": -1}, {"offset": "x"}, 5],
    },
}
wrongs = st.sampled_from(sorted(BAD_OF)).flatmap(
    lambda kind: st.sampled_from([(kind, field, value) for field, values in BAD_OF[kind].items() for value in values])
)
MANGLED = {
    "not JSON": lambda body: body[:-1],
    "not UTF-8": lambda body: body.replace(b'"', b'"\xff', 1),
    "a lone surrogate": lambda body: body.replace(b'"b1"', b'"\\ud800"'),
    "NUL": lambda body: body.replace(b'"b1"', b'"\\u0000"'),
    "two documents": lambda body: body + body,
    "nested": lambda body: body[:-1] + b',"x":' + b"[" * 40 + b"]" * 40 + b"}",
    "a list": lambda body: b"[" + body + b"]",
}
mangled = st.sampled_from(sorted(MANGLED))


class GatewayMachine(RuleBasedStateMachine):
    here: ClassVar[World]

    @initialize()
    def begin(self) -> None:
        self.here.empty()
        self.here.fleet(len(HOSTS))
        self.here.start()
        self.seqs = dict(self.here.seqs)
        self.adoptions: dict[str, str] = {}
        self.failed: set[str] = set()
        self.reports: dict[tuple[str, str], str] = {}
        self.sent: list[tuple[str, str, bytes, bool, str]] = []

    def say(self, kind, rows, way):
        """Send rows as one caller or another would; the answer."""
        single = way in {"collector", "signed", "signed-zipped"}
        body = json.dumps(rows[0] if single else {kind: rows}).encode()
        zipped, signer = way.endswith("zipped"), rows[0]["host"] if way.startswith("signed") else ""
        self.sent.append((kind, signer, body, zipped, way))
        return self.send(kind, signer, body, zipped)

    def send(self, kind, signer, body, zipped):
        if signer:
            return self.here.signed(signer, PATHS[kind], body, zipped=zipped)
        coding = {"content-encoding": "gzip"} if zipped else {}
        return self.here.send(PATHS[kind], gzip.compress(body) if zipped else body, self.here.bearer() | coding)

    @contextmanager
    def nothing_kept(self, *statuses) -> Iterator[list]:
        """Whatever is answered inside is one of these, as a problem document where refused, and changes nothing."""
        before, answers = kept(self.here.store), []
        yield answers
        for answer in answers:
            assert answer.status_code in statuses, answer.text
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == problem.CONTENT_TYPE
        assert kept(self.here.store) == before

    def good(self, kind, host):
        """A row that would be taken and is not sent: the world's own counter of beats stays."""
        if kind == "beats":
            row = self.here.beat(host)
            self.here.seqs[host] -= 1
            return row
        return self.here.question(host) if kind == "adoptions" else {"host": host, "report": "new", "kind": "bugcheck"}

    @rule(host=hosts, way=ways, others=st.lists(hosts, max_size=3), stranger=st.booleans())
    def beats(self, host, way, others, stranger):
        """New beats, in a batch several of one host, in any order, and one of a host that nobody knows."""
        chosen = [host, *others] if way.startswith("batch") else [host]
        rows = [self.here.beat(each) for each in chosen]
        if stranger and way.startswith("batch"):
            rows.insert(0, self.here.beat("nobody"))
        answer = self.say("beats", rows, way)
        assert answer.status_code == 202, answer.text
        assert answer.json().get("unknown", []) == (["nobody"] if rows[0]["host"] == "nobody" else [])
        self.seqs |= {row["host"]: row["seq"] for row in rows if row["host"] != "nobody"}

    @rule(host=hosts, way=ways, back=st.integers(0, 3))
    def old_beat(self, host, way, back):
        row = self.good("beats", host) | {"seq": max(0, self.seqs[host] - back), "running": {PRODUCT: 99}}
        with self.nothing_kept(202) as answers:
            answers.append(self.say("beats", [row], way))

    @rule(host=hosts, way=ways)
    def ask(self, host, way):
        self.here.knows()
        answer = self.say("adoptions", [self.here.question(host)], way)
        assert answer.status_code == 200, answer.text
        found = answer.json()["answers"][0] if way.startswith("batch") else answer.json()
        if host in self.failed:
            assert found == {"answer": "no", "reason": "already"}
        elif host in self.adoptions:
            assert found["adoption"] == self.adoptions[host]
        else:
            assert found["answer"] == "go"
            self.adoptions[host] = found["adoption"]

    @rule(host=hosts, way=ways, number=st.integers(0, 9), kind=st.sampled_from(["bugcheck", "live", "power"]))
    def crash(self, host, way, number, kind):
        """A report, perhaps one known already, under whatever kind it comes the second time."""
        row = {"host": host, "report": f"r{number}", "kind": kind}
        answer = self.say("crashes", [row], way)
        assert answer.status_code == 202, answer.text
        if (host, row["report"]) not in self.reports:
            self.reports[host, row["report"]] = kind
            if kind == "bugcheck" and host in self.adoptions:
                self.failed.add(host)

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), way=st.booleans())
    def replay(self, data, way):
        """Any message again, byte for byte, or by way of a collector: the seq, the report, the adoption are known."""
        kind, signer, body, zipped, _ = data.draw(st.sampled_from(self.sent))
        if kind == "adoptions":
            asked = json.loads(body)
            if not all(row["host"] in self.adoptions for row in asked.get("adoptions", [asked])):
                return
        with self.nothing_kept(200, 202) as answers:
            answers.append(self.send(kind, signer if way else "", body, zipped))

    @rule(wrong=wrongs, at=st.integers(0, 5), way=ways)
    def one_bad_row(self, wrong, at, way):
        """A row that is wrong in one field, among five that are right."""
        kind, field, value = wrong
        rows = [self.good(kind, host) for host in HOSTS]
        bad = self.good(kind, HOSTS[0]) | {field: value}
        if way.startswith("batch"):
            rows.insert(at, bad)
        body = json.dumps({kind: rows} if way.startswith("batch") else bad).encode()
        zipped = way.endswith("zipped")
        with self.nothing_kept(400) as answers:
            answers.append(self.send(kind, HOSTS[0] if way.startswith("signed") else "", body, zipped))

    @rule(kind=st.sampled_from(sorted(PATHS)), how=mangled, signed=st.booleans(), host=hosts)
    def mangled_body(self, kind, how, signed, host):
        body = MANGLED[how](json.dumps(self.good(kind, host) | {"boot": "b1"}).encode())
        with self.nothing_kept(400) as answers:
            answers.append(self.send(kind, host if signed else "", body, zipped=False))

    @rule(kind=st.sampled_from(sorted(PATHS)), host=hosts, how=st.integers(0, 5))
    def forged(self, kind, host, how):
        """Signed by another key, for another host, for another path, long ago; an unknown host, an unknown token."""
        row, path = self.good(kind, host), PATHS[kind]
        with self.nothing_kept(401, 403) as answers:
            if how == 0:
                answers.append(self.here.signed(host, path, row, key=Ed25519PrivateKey.generate()))
            elif how == 1:
                answers.append(self.here.signed(HOSTS[HOSTS.index(host) - 1], path, row))
            elif how == 2:
                answers.append(self.here.signed("nobody", path, row, key=Ed25519PrivateKey.generate()))
            elif how == 3:
                answers.append(self.here.signed(host, path, row, skew=-400))
            elif how == 4:
                answers.append(self.here.send(path, row, self.here.bearer("not a token")))
            else:
                answers.append(self.here.send(path, row, self.here.bearer(self.here.enroller)))

    @invariant()
    def the_store_says_what_was_said(self):
        if not hasattr(self, "seqs"):
            return

        def look(tx):
            rows = tx.connection.execute(
                text("SELECT host.id, seq FROM presence JOIN host ON host.key = presence.host")
            )
            reports = tx.connection.execute(text("SELECT id, report, crash.kind FROM crash JOIN host ON key = host"))
            return dict(map(tuple, rows.all())), {(host, report): kind for host, report, kind in reports.all()}

        seqs, reports = self.here.store.read(look)
        assert seqs == self.seqs
        assert reports == self.reports
        granted = self.here.events("granted")
        assert sorted(event.adoption for event in granted) == sorted(self.adoptions.values())
        crashed = self.here.events("crashed")
        assert len(crashed) == sum(kind == "bugcheck" for kind in self.reports.values())
        if granted:
            tally = self.here.tally()
            assert (tally.granted, tally.failed) == (len(self.adoptions), len(self.failed))


@pytest.mark.slow
def test_what_is_taken_is_kept_once_and_what_is_refused_not_at_all(tmp_path):
    run(tmp_path / "data", examples=4, steps=15, phases=[Phase.generate])  # the command shrinks what it finds


def run(folder, examples, steps, phases=tuple(Phase)):
    quick = settings(
        max_examples=examples,
        stateful_step_count=steps,
        phases=phases,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    with world(folder) as here:
        machine = type("Machine", (GatewayMachine,), {"here": here})
        run_state_machine_as_test(machine, settings=quick)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        run(Path(made) / "data", examples=int(sys.argv[1]), steps=40)
