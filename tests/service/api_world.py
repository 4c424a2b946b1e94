"""A real control API over HTTP and a real SQLite store; the engine is a port's double that votes in the store."""

import json
import socket
import threading
import time
from contextlib import contextmanager

import httpx

from rollout.adapters.clock import SystemClock
from rollout.adapters.packages import PackageFolder
from rollout.adapters.settings import Settings
from rollout.adapters.store.migrate import open_store
from rollout.adapters.store.schema import metadata
from rollout.adapters.token import TokenKey
from rollout.decision import RingStep, Step
from rollout.errors import UnreachableError
from rollout.operation.act import Act, consent
from rollout.operation.transition import take, take_ring
from rollout.plan import stratum_name
from rollout.ports.adoption import Adoption
from rollout.ports.host import HostRecord, Presence
from rollout.ports.judging import StoredJudgement
from rollout.release.build import Draft, build
from rollout.service.api.app import create_app
from rollout.service.api.context import Api
from rollout.service.listen import Server
from rollout.service.up.prepare import make_folders, prepare

PRODUCT = "sensor"
RING = {"bake": {"min": "0s", "host_hours": 0, "max": "1h"}, "promote": {"margin": None, "early_life": "100%"}}
POLICY = {
    "schema": "rollout.policy/1",
    "name": "quick",
    "kind": "content",
    "heartbeat": "1s",
    "confirm": {"uptime": "2s", "reboots": 0, "deadline": "1m"},
    "rings": [
        {"name": "canary", "size": {"hosts": 10}, **RING},
        {"name": "everyone", "size": {"rest": True}, **RING},
    ],
}
ASKING = {
    **POLICY,
    "name": "asking",
    "rings": [
        {**POLICY["rings"][0], "approval": {"role": "approver", "persons": 2, "timeout": "1h"}},
        POLICY["rings"][1],
    ],
}


def package(counter, product=PRODUCT, kind="content", **more):
    draft = Draft(product=product, release_counter=counter, version=f"1.{counter}", kind=kind, **more)
    return build(draft, {"rules.bin": f"content {counter}".encode()})


class StoreEngine:
    """The engine's double: what a workflow's activity would do, done at once; `down` refuses like the real one."""

    def __init__(self, store):
        self.store, self.down = store, False

    async def answers(self):
        if self.down:
            raise UnreachableError("the workflow engine does not answer", slug="engine-unreachable")

    async def act(self, product, payload):
        await self.answers()
        return json.loads(json.dumps(self.store.write(lambda tx: consent(tx, Act(**payload)).to_document()).result(10)))


class World:
    """The API, its store, and people who call it."""

    def __init__(self, url, store, engine, admin, data):
        self.url, self.store, self.engine, self.data = url, store, engine, data
        self.tokens = {"admin": admin}
        self.http = httpx.Client(base_url=f"{url}/api/v1", timeout=20, trust_env=False)

    def call(self, method, path, body=None, *, by="admin", **more):
        headers = {"authorization": f"Bearer {self.token(by)}"} | more.pop("headers", {})
        return self.http.request(method, path, headers=headers, **({} if body is None else {"json": body}), **more)

    def get(self, path, **more):
        answer = self.call("GET", path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get_status(self, path):
        return self.call("GET", path).status_code

    def post(self, path, body=None, **more):
        return self.call("POST", path, body, **more)

    def token(self, person):
        """The token of `role` or `name/role`."""
        if person not in self.tokens:
            name, _, role = person.rpartition("/")
            answer = self.post("/tokens", {"role": role, "name": name or role})
            assert answer.status_code == 201, answer.text
            self.tokens[person] = answer.json()["token"]
        return self.tokens[person]

    def write(self, work):
        return self.store.write(work).result(10)

    def forget(self, *kept):
        """Empty every table but those of people, policies and these."""

        def work(tx):
            for table in reversed(metadata.sorted_tables):
                if table.name not in {"store_clock", "token", "policy", *kept}:
                    tx.connection.execute(table.delete())

        self.write(work)
        self.engine.down = False

    def fleet(self, size, running=None, product=PRODUCT, prefix="h"):
        def work(tx):
            spoken, running_of = [], {}
            for i in range(size):
                told = {"os_build": 22631, "hardware": "model-x", "form": "desktop"}
                record = HostRecord(
                    0, f"{prefix}-{i:05}", "ed25519", b"k" * 32, told, stratum_name("desktop", 22631, "model-x"), tx.at
                )
                key = tx.hosts.enrol(record)
                runs = {} if running is None else {product: running}
                spoken.append(Presence(key, 1, "b1", 9.0, "idle", 0, json.dumps(runs), None, tx.at))
                running_of[key] = runs
            tx.hosts.set_running(running_of)
            tx.hosts.save_presence(spoken)

        self.write(work)

    def add(self, *counters):
        for counter in counters:
            answer = self.post("/releases", content=package(counter), headers={"content-type": "application/zip"})
            assert answer.status_code == 201, answer.text

    def start(self, counter, policy=POLICY, by="rita/releaser"):
        answer = self.post("/rollouts", {"release": f"{PRODUCT}/{counter}", "policy": policy, "reason": "new"}, by=by)
        assert answer.status_code == 201, answer.text
        return answer.json()["rollout"]

    def judge(self, rollout, verdict="healthy", *, promotable=True, ring="canary", sentence="All is well."):
        """What the watch would store."""

        def work(tx):
            before = tx.judging.judgement(rollout)
            told = {"e": {"halt": 1.5, "guards": {"crash": 1.2}}, "ratio": {"low": 0.0, "high": 9.0}, "gates": []}
            told |= {"ring": ring, "sentence": sentence, "data_age": 0.5}
            counter = 1 if before is None else before.counter + 1
            tx.judging.save(
                StoredJudgement(rollout, counter, 1.0, tx.events.last(), 0, 0, verdict, 5, {}, promotable, told)
            )

        self.write(work)

    def ask(self, rollout, ring="canary"):
        """Bring a rollout to its question, as the workflow would."""

        def work(tx):
            for step in (RingStep.OPEN, RingStep.BAKE):
                take_ring(tx, rollout, ring, step)
            take(tx, rollout, Step.ASK, ring=ring)

        self.write(work)
        self.judge(rollout, ring=ring)

    def let_go(self, rollout, hosts=3):
        """Grant adoptions to the first members."""

        def work(tx):
            for member in [m for m in tx.rollouts.members(rollout) if m.ring == "canary"][:hosts]:
                named = (f"a{member.host}", rollout, member.host, PRODUCT, 8, "canary", member.stratum)
                tx.adoptions.grant(Adoption(*named, 0, "open", None, False, True, tx.at, "b1", 1))

        self.write(work)


@contextmanager
def world(data):
    settings = Settings(data=data)
    make_folders(data)
    prepare(settings)
    store = open_store(settings.database, SystemClock())
    engine = StoreEngine(store)
    api = Api(settings, store, SystemClock(), TokenKey.load(data), PackageFolder(data), engine)
    app = create_app(api)
    listening = socket.create_server(("127.0.0.1", 0))
    server = Server(app, settings.api)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    while not server.started:
        time.sleep(0.005)
    made = World(
        f"http://127.0.0.1:{listening.getsockname()[1]}",
        store,
        engine,
        (data / "admin.token").read_text().strip(),
        data,
    )
    made.api = api
    try:
        yield made
    finally:
        made.http.close()
        server.should_exit = True
        thread.join()
        listening.close()
        store.close()
