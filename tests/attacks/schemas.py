"""Both services, running, against what their own OpenAPI documents allow and what they forbid.

`python -m tests.attacks.schemas --examples 500` tries that many requests of each kind on each operation; exit 1 with
the request that was answered wrong.
"""

import argparse
import hashlib
import json
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from sqlalchemy import select

from rollout.adapters.store.schema import metadata
from rollout.service import problem
from tests.service import api_world, gateway_world

MOVING = {"store_clock", "beacon"}  # the service's own signs of life
SLUG = re.compile(rf"{problem.PREFIX}[a-z0-9-]+")


@schemathesis.serializer("application/zip")
def as_sent(_context, value):
    """A package that is none."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


def kept(store) -> str:
    """A digest of everything in the store but signs of life."""

    def work(tx):
        found = hashlib.sha256()
        for table in metadata.sorted_tables:
            if table.name not in MOVING:
                rows = sorted(map(repr, tx.connection.execute(select(table)).all()))
                found.update(repr((table.name, rows)).encode())
        return found.hexdigest()

    return store.read(work)


def attack(url, document, headers, store, examples, names=()) -> Counter:
    """Try every operation, as it may and as it may not be called; how often each status was answered."""
    seen: Counter = Counter()
    for item in document["paths"].values():
        for operation in item.values():
            operation.pop("security", None)  # proofs are ours, or each request would be refused for a made-up one
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=url)
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in GenerationMode:
            cases = operation.as_strategy(generation_mode=mode)
            _attack(cases, mode, operation, headers, store, examples, names, seen)
    return seen


def _attack(cases, mode, operation, headers, store, examples, names, seen):
    real = st.sampled_from(names) if names and not operation.path.endswith("/events") else st.nothing()

    asked: list[str] = []

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, name=st.one_of(st.none(), real))
    def one(case, name):
        if name is not None and "name" in case.path_parameters:
            case.path_parameters["name"] = name
        before = kept(store)
        asked.append(case.as_curl_command(headers=headers))
        answer = case.call(headers=headers, timeout=20, allow_redirects=False)
        seen[answer.status_code] += 1
        _check(case, answer)
        if answer.status_code >= 400:
            assert kept(store) == before, f"{answer.status_code}, but something was kept"

    try:
        one()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, operation.path
        assert "requestBody" not in operation.definition.raw, operation.path  # any text is a path: nothing can be wrong
    except Exception as error:
        error.add_note(f"{operation.method} {operation.path}: {asked[-1] if asked else None}")
        raise


def _check(case, answer):
    not_ready = answer.status_code == 503 and case.operation.path == "/readyz"
    if answer.status_code < 400 or not_ready:
        return
    assert answer.headers["content-type"] == [problem.CONTENT_TYPE], answer.headers
    told = json.loads(answer.content)
    assert told["status"] == answer.status_code
    assert SLUG.fullmatch(told["type"])
    if answer.status_code in {429, 503}:
        assert answer.headers["retry-after"]
    else:
        assert answer.status_code < 500, told
    documented = case.operation.definition.raw["responses"]
    assert str(answer.status_code) in documented, f"{answer.status_code} is not documented"


def api(folder: Path, examples: int) -> Counter:
    """The control API with a fleet, a policy and a rollout that there is something to say about."""
    with api_world.world(folder) as here:
        here.fleet(20, running=1)
        here.add(1, 8)
        here.post("/policies", api_world.POLICY)
        rollout = here.start(8)
        document = here.http.get("/openapi.json").json()
        headers = {"authorization": f"Bearer {here.tokens['admin']}"}
        seen = attack(here.url, document, headers, here.store, examples, [rollout, "sensor", "h-00001"])
        assert here.get(f"/rollouts/{rollout}")["rollout"] == rollout
    return seen


def gateway(folder: Path, examples: int) -> Counter:
    """The gateway with a fleet and a rollout; a collector speaks."""
    with gateway_world.world(folder) as here:
        here.fleet(20)
        here.start()
        document = here.http.get("/v1/openapi.json").json()
        url = str(here.http.base_url).rstrip("/")
        seen = attack(url, document, here.bearer(), here.store, examples)
        assert here.http.get("/healthz").status_code == 200
    return seen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=100)
    examples = parser.parse_args().examples
    for name, work in (("api", api), ("gateway", gateway)):
        with tempfile.TemporaryDirectory() as folder:
            seen = work(Path(folder) / name, examples)
            print(json.dumps({"service": name, "requests": seen.total(), "by_status": dict(sorted(seen.items()))}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
