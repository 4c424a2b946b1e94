"""The OpenAPI documents: every route is there, with who may call it, what it takes and how it refuses."""

import msgspec
import pytest
from fastapi.routing import APIRoute
from starlette.routing import Route

from rollout.service import problem
from rollout.service.api import app as api
from rollout.service.api import status
from rollout.service.gateway import endpoints
from rollout.service.gateway.openapi import document
from rollout.telemetry import Beat, CrashReport
from tests.service import api_world

OPEN = {"/healthz", "/readyz", "/metrics", "/api/v1/openapi.json", "/v1/openapi.json"}


class Asked:
    """A desk that is never used: the routes alone are looked at."""


@pytest.fixture(scope="module")
def of_api():
    mounted = [(api.PREFIX, router) for router in (*api.ROUTERS, status.router)] + [("", status.open_router)]
    return mounted, api.openapi.document(mounted)


@pytest.fixture(scope="module")
def of_gateway():
    posts = {"beats": endpoints.Beats, "adoptions": endpoints.Adoptions, "crashes": endpoints.Crashes}
    routes = [Route(f"/v1/{name}", each(Asked()), methods=["POST"]) for name, each in posts.items()]
    return document([*routes, Route("/v1/hosts", endpoints.Hosts(Asked()), methods=["POST"])])


def operations(found):
    return [(path, method, each) for path, item in found["paths"].items() for method, each in item.items()]


def test_every_route_of_the_api_is_described(of_api):
    mounted, found = of_api
    for prefix, router in mounted:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            assert set(map(str.lower, route.methods)) <= set(found["paths"][prefix + route.path_format])


def test_every_operation_but_the_open_ones_names_roles_and_how_it_refuses(of_api, of_gateway):
    for path, method, each in operations(of_api[1]) + operations(of_gateway):
        assert set(each["responses"]) >= {"2XX", "400", "405", "408", "429", "431", "500", "503"}
        if path not in OPEN:
            assert each["x-roles"], (path, method)
            assert each["security"]
            assert set(each["responses"]) >= {"401", "403"}
            refused = each["responses"]["403"]["content"][problem.CONTENT_TYPE]["schema"]
            assert refused == {"$ref": "#/components/schemas/Problem"}


def test_bodies_are_the_models_that_read_them(of_api, of_gateway):
    halt = of_api[1]["paths"]["/api/v1/rollouts/{name}/halt"]["post"]
    assert halt["x-roles"] == ["admin", "operator"]
    assert halt["requestBody"]["content"]["application/json"]["schema"]["additionalProperties"] is False
    posts = [each for _, method, each in operations(of_api[1]) if method == "post"]
    assert all("requestBody" in each for each in posts)
    schemas = of_gateway["components"]["schemas"]
    assert set(schemas["Beat"]["properties"]) == set(Beat.__struct_fields__)
    assert set(schemas["CrashReport"]["properties"]) == set(CrashReport.__struct_fields__)
    assert r"\Z" not in msgspec.json.encode(of_gateway).decode()


@pytest.mark.slow
def test_the_running_services_serve_their_documents_to_anybody_without_a_secret(tmp_path):
    with api_world.world(tmp_path / "data") as here:
        answer = here.http.get("/openapi.json")
        assert answer.status_code == 200
        app = answer.json()
        assert here.tokens["admin"] not in answer.text
        assert str(tmp_path) not in answer.text
    from tests.service import gateway_world

    with gateway_world.world(tmp_path / "gateway") as here:
        found = here.http.get("/v1/openapi.json").json()
    assert "/v1/beats" in found["paths"]
    assert len(app["paths"]) == 32
