"""The reference agent before a real gateway: it asks before it loads, confirms by beats, and finds its way back."""

import json
import signal
from datetime import timedelta

import pytest

from rollout.adapters.trust import director
from rollout.errors import ConflictError, InvalidError, UnauthenticatedError, UnreachableError
from rollout.host import journal
from rollout.host.check import check
from rollout.host.door import Door
from rollout.host.enrol import enrol
from rollout.host.folder import alone, read_key
from rollout.host.packages import PackageStore
from rollout.service.cli.main import main
from tests.service.agent_world import DIGESTS, LEASE, PACKAGES, RING, agents
from tests.service.gateway_world import ATTRIBUTES, NEW, OLD, PRODUCT

pytestmark = pytest.mark.slow  # a gateway, and a process for each act of an installer


@pytest.fixture
def world(tmp_path):
    with agents(tmp_path) as made, made.moving():
        yield made


def test_a_host_asks_adopts_and_its_beats_confirm(world):
    host = world.host("h-1")
    found = host.round()
    assert host.log == [f"install {NEW}", f"load {NEW}"]
    (adoption,) = world.adoptions("h-1")
    assert (found["running"], found["adoption"], found["phase"]) == ({PRODUCT: NEW}, adoption.id, "applied")
    assert world.gateway.presence("h-1").phase == "applied"
    host.round()
    assert world.adoptions("h-1")[0].state == "confirmed"
    assert len(host.log) == 2, "and it is loaded once"


def test_what_the_old_release_measured_is_not_said_of_the_new_one(world, tmp_path):
    file = tmp_path / "measures.json"
    file.write_text('{"cpu": 0.25}')
    host = world.host("h-1")
    found = host.round(measures=file)
    assert (host.log, found["phase"], file.exists()) == ([f"install {NEW}", f"load {NEW}"], "applied", False)
    file.write_text('{"cpu": 0.5, "no name": 1}')
    assert host.round(measures=file)["whole"], "the beat is taken without it"
    assert any("is not reported" in said for said in host.said)
    assert world.adoptions("h-1")[0].state == "confirmed"


def test_a_host_that_is_told_no_or_to_wait_loads_nothing(world):
    host = world.host("h-1")
    world.gateway.judge(verdict="blind")
    host.round()
    world.gateway.judge(verdict="healthy")
    world.gateway.write(lambda tx: tx.rollouts.move("r1", "halted", ("running",)))
    found = host.round()
    assert (host.log, found["phase"], found["courses"]) == ([f"install {NEW}"] * 2, "idle", {PRODUCT: "intent"})
    assert world.adoptions("h-1") == []
    world.direct()
    assert host.round()["courses"] == {}, "what no directive asks for any more is dropped"


@pytest.mark.parametrize("action", ["hold", "gone"])
def test_without_an_install_directive_nobody_asks(world, action):
    world.direct(*([] if action == "gone" else [world.order(NEW, "hold")]))
    host = world.host("h-1")
    assert host.round()["courses"] == {}
    assert (host.log, world.adoptions("h-1")) == ([], [])


def test_a_host_goes_back_without_asking_and_a_late_one_finds_its_way(world):
    """The one that was away while everybody went back looks once, and takes what its own journal says it ran."""
    hosts = [world.host("h-1"), world.host("h-late")]
    for host in hosts:
        host.round()
    world.direct(world.order(OLD, "rollback", withdraws=NEW))
    world.gateway.write(lambda tx: tx.rollouts.move("r1", "rolling-back", ("running",)))
    hosts[0].round()
    assert (hosts[0].runs, hosts[1].runs) == (OLD, NEW)
    found = hosts[1].round()
    assert (found["running"], found["adoption"], found["phase"]) == ({PRODUCT: OLD}, None, "idle")
    assert hosts[1].log[-1] == f"revert {OLD}"
    assert hosts[1].round()["running"] == {PRODUCT: OLD}


def test_a_way_back_is_taken_also_where_nobody_knows_what_runs(world):
    host = world.host("h-1")
    host.round()
    world.direct(world.order(OLD, "rollback", withdraws=NEW))
    (host.root / "fail-running").touch()
    assert host.round()["running"] == {}
    assert (host.log[-1], host.runs) == (f"revert {OLD}", OLD)
    (host.root / "fail-running").unlink()
    assert host.round()["running"] == {PRODUCT: OLD}


def test_a_host_whose_load_fails_reports_that_it_reverted(world):
    host = world.host("h-1")
    (host.root / "fail-load").touch()
    host.round()
    (adoption,) = world.adoptions("h-1")
    assert (adoption.state, adoption.outcome) == ("failed", "reverted")
    (host.root / "fail-load").unlink()
    host.round()
    assert host.log.count(f"load {NEW}") == 1, "it does not try the same rollout again"


def test_a_package_of_other_bytes_is_never_given_to_the_installer(world):
    host = world.host("h-1")
    file = world.data / "targets" / world.path(NEW)
    file.write_bytes(bytes(reversed(PACKAGES[NEW])))
    host.round()
    assert (host.log, host.runs, world.adoptions("h-1")) == ([], OLD, [])
    file.write_bytes(PACKAGES[NEW])
    host.round()
    assert host.runs == NEW


def test_a_download_that_broke_off_goes_on_where_it_ended_and_is_believed_by_its_digest_alone(world):
    host = world.host("h-1")
    store = PackageStore(host.state, Door(world.url, "h-1", read_key(host.state)))
    target = world.order(NEW, "install")
    part = host.state / "packages" / f"{DIGESTS[NEW]}.part"
    part.parent.mkdir()
    part.write_bytes(PACKAGES[NEW][:1000])
    assert store.fetch(target, DIGESTS[NEW]).read_bytes() == PACKAGES[NEW]
    store.keep(())
    part.write_bytes(b"x" * 1000)
    with pytest.raises(UnreachableError, match="not the bytes that were signed"):
        store.fetch(target, DIGESTS[NEW])
    found = store.fetch(target, DIGESTS[NEW])
    assert found.read_bytes() == PACKAGES[NEW]
    found.write_bytes(b"changed on this disk")
    assert store.held(DIGESTS[NEW]) is None, "looked at again before each use"


def test_a_lease_that_is_over_stops_a_host_that_has_its_package(world):
    host = world.host("h-1")
    world.direct(world.order(NEW, "install"), lease=timedelta(seconds=-1))
    found = host.round()
    assert (found["whole"], host.log) == (False, [])
    assert any("lease-over" in line for line in host.said)


def test_a_director_root_that_the_image_repository_does_not_name_is_refused(world):
    host = world.host("h-1")
    file = world.data / "targets" / "directors" / RING / "root.json"
    file.write_bytes(file.read_bytes() + b" ")
    assert host.round()["whole"] is False
    assert (host.log, world.adoptions("h-1")) == ([], [])


def test_the_check_itself_insists_on_the_root_that_is_named_now(world):
    """Signed by the right keys is not enough: a root that was replaced may be a stolen key's."""
    host = world.host("h-1")
    old = director.first(RING, (), LEASE, world.keys, world.now - timedelta(days=1), development=True)
    base = world.url.rstrip("/")
    places = (f"{base}/metadata/director/{RING}/", f"{base}/metadata/image/", RING)
    refused = check(host.state, *places, root=old.files["1.root.json"])
    assert (refused.refused, "names another Director root" in refused.detail) == ("metadata", True)
    assert check(host.state, *places, root=world.root).refused is None


def test_a_host_with_a_damaged_journal_speaks_and_goes_back_and_never_forward(world):
    back, forward = world.host("h-back"), world.host("h-forward")
    back.round(settle=0.0)
    back.round(settle=0.0)
    for host in (back, forward):
        path = host.state / journal.FILE
        path.write_bytes(b"?" + path.read_bytes())
    found = forward.round()
    assert (found["whole"], forward.log, world.adoptions("h-forward")) == (True, [], [])
    world.direct(world.order(OLD, "rollback", withdraws=NEW))
    assert back.round()["running"] == {PRODUCT: OLD}
    enrol(forward.state, world.application("h-forward", new_journal=True))
    world.direct(world.order(NEW, "install"))
    assert forward.round()["running"] == {PRODUCT: NEW}


def test_crash_reports_of_the_spool_are_sent_once_and_the_unreadable_ones_put_aside(world):
    host = world.host("h-1")
    host.round()
    spool = host.state / "crashes"
    spool.mkdir()
    (spool / "one.json").write_text(json.dumps({"bugcheck": {"code": "0x50"}, "uptime": 3.7}))
    (spool / "two.json").write_text("{")
    (spool / "three.json").write_text(json.dumps({"kind": "sneeze"}))
    (spool / ".half").write_text("being written")
    host.round()
    assert [event.detail["report"] for event in world.gateway.events("crashed")] == ["one"]
    assert sorted(path.name for path in (spool / "refused").iterdir()) == ["three.json", "two.json"]
    assert sorted(path.name for path in spool.iterdir()) == [".half", "refused"]


def test_enrolling_again_changes_nothing_but_what_is_told(world):
    host = world.host("h-1")
    before = {path.name: path.read_bytes() for path in host.state.iterdir()}
    enrol(host.state, world.application("h-1", installed={}))
    assert {path.name: path.read_bytes() for path in host.state.iterdir()} == before
    assert (host.state / "agent.key").stat().st_mode & 0o777 == 0o600
    enrol(host.state, world.application("h-1", attributes=ATTRIBUTES | {"tags": ["internal"]}))
    assert json.loads((host.state / "host.json").read_text())["tags"] == ["internal"]


def test_who_may_not_enrol_is_refused_with_the_reason(world, tmp_path):
    world.host("h-1")
    state = tmp_path / "other"
    with pytest.raises(ConflictError, match="another key"):
        enrol(state, world.application("h-1"))
    with pytest.raises(ConflictError, match="pins another root"):
        enrol(state, world.application("h-2", image_root=b"{}"))
    with pytest.raises(UnauthenticatedError):
        enrol(tmp_path / "third", world.application("h-3", token="wrong"))
    with pytest.raises(InvalidError, match="--image-root"):
        enrol(tmp_path / "fourth", world.application("h-4", gateway="https://gateway.example"))
    assert not (state / "agent.json").exists()


def test_one_agent_at_a_time_lives_in_a_state_folder(world):
    host = world.host("h-1")
    with alone(host.state), pytest.raises(ConflictError, match="an agent runs"):
        host.round()


@pytest.fixture
def rollout(capsys, monkeypatch, tmp_path):
    for name in ("ROLLOUT_URL", "ROLLOUT_TOKEN", "ROLLOUT_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments):
        kept = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        try:
            with pytest.raises(SystemExit) as left:
                main([*map(str, arguments), "--json"])
        finally:
            for number, handler in zip((signal.SIGINT, signal.SIGTERM), kept, strict=True):
                signal.signal(number, handler)
        said = capsys.readouterr()
        return left.value.code, json.loads(said.out) if said.out else {}, said.err

    return call


def test_the_commands_enrol_and_run_a_host(world, rollout, tmp_path):
    (tmp_path / "token").write_text(world.gateway.enroller)
    state, root = tmp_path / "state-cli", tmp_path / "root-cli"
    root.mkdir()
    (root / "running").write_text(f"{OLD}\n")
    token = ("--token-file", tmp_path / "token")
    told = ("--host", "h-cli", "--os-build", "22631", "--hardware", "model-x", "--form", "laptop")
    code, _, words = rollout("host", "enrol", "--state", state, *token, *told)
    assert (code, "--gateway is needed" in words) == (2, True)
    there = ("--gateway", world.url, "--runs", f"{PRODUCT}/{OLD}")
    code, found, _ = rollout("host", "enrol", "--state", state, *token, *told, *there)
    assert (code, found["schema"], found["host"]) == (0, "rollout.enrolment/1", "h-cli")
    assert rollout("host", "enrol", "--state", state, *token)[0] == 0, "the second time it knows the rest"
    code, found, _ = rollout("host", "run", "--state", state, "--installer", f"{world.installer} {root}", "--once")
    assert (code, found["schema"], found["running"], found["phase"]) == (
        0,
        "rollout.agent/1",
        {PRODUCT: NEW},
        "applied",
    )
    code, found, _ = rollout("host", "run", "--state", tmp_path / "nobody", "--installer", "true", "--once")
    assert (code, found["type"]) == (1, "urn:rollout:problem:not-enrolled")


def test_the_swarm_is_a_command(world, rollout, tmp_path):
    (tmp_path / "enrol").write_text(world.gateway.enroller)
    (tmp_path / "collector").write_text(world.gateway.collector)
    tokens = ("--token-file", tmp_path / "enrol", "--collector-token-file", tmp_path / "collector")
    told = ("--gateway", world.url, "--hosts", "3", "--product", PRODUCT, "--runs", OLD, "--for", "2s")
    code, found, words = rollout("swarm", *tokens, *told)
    assert (code, found["schema"], found["enrolled"]) == (0, "rollout.swarm/1", 3)
    assert found["beats"] >= 3
    assert "3 hosts are enrolled" in words
    code, _, words = rollout("swarm", *tokens, "--gateway", "http://192.0.2.1:1", "--product", PRODUCT)
    assert (code, "--image-root" in words) == (2, True)
