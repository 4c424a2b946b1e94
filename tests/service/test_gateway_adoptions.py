import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import update

from rollout.adapters.store.schema import member
from tests.service.gateway_world import NEW, PRODUCT, world

CONFIRM = {"confirm": {"uptime": "60s", "reboots": 0, "deadline": "30m"}}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with world(tmp_path_factory.mktemp("gateway") / "data") as found:
        yield found


@pytest.fixture
def empty(shared):
    shared.empty()
    return shared


@pytest.fixture
def rollout(empty):
    empty.hosts = empty.fleet(60)
    empty.start(policy=CONFIRM)
    empty.knows()
    return empty


def no(reason):
    return {"answer": "no", "reason": reason}


def test_a_go_is_stored_counted_and_told_before_it_is_answered(rollout):
    host = rollout.hosts[0]
    answer = rollout.signed(host, "/v1/adoptions", rollout.question(host)).json()
    assert (answer["answer"], answer["valid"]) == ("go", 60)
    (event,) = rollout.events("granted")
    assert event.adoption == answer["adoption"]
    assert event.detail == {"ring": "canary", "stratum": "laptop-22631-model-x", "order": 0, "boot": "b1"}
    assert (rollout.tally().granted, rollout.tally().outstanding) == (1, 1)
    assert rollout.signed(host, "/v1/adoptions", rollout.question(host)).json() == answer
    assert len(rollout.events("granted")) == 1


def test_fifty_concurrent_askers_get_no_more_than_the_window(rollout):
    rollout.judge(window=5, windows={"laptop-22631-model-x": 7})
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(rollout.ask, rollout.hosts[:50]))
    assert sorted(answer["answer"] for answer in answers) == ["go"] * 5 + ["wait"] * 45
    assert {answer["retry_after"] for answer in answers if answer["answer"] == "wait"} == {15}
    orders = [event.detail["order"] for event in rollout.events("granted")]
    assert orders == [0, 1, 2, 3, 4]


def test_the_stratum_has_a_window_of_its_own(rollout):
    rollout.judge(window=50, windows={"laptop-22631-model-x": 3})
    answers = rollout.send("/v1/adoptions", {"adoptions": [rollout.question(host) for host in rollout.hosts]}).json()
    assert [answer["answer"] for answer in answers["answers"]] == ["go"] * 3 + ["wait"] * 57
    assert answers["unknown"] == []


def test_an_unknown_host_in_a_batch_is_answered_in_its_place(rollout):
    rows = [rollout.question("nobody"), rollout.question(rollout.hosts[0])]
    answers = rollout.send("/v1/adoptions", {"adoptions": rows}).json()
    assert answers["answers"][0] == no("unknown-host")
    assert answers["answers"][1]["answer"] == "go"
    assert answers["unknown"] == ["nobody"]
    assert rollout.ask("nobody") == no("unknown-host")


def test_a_halt_answers_everyone_also_who_holds_a_go(rollout):
    host, other = rollout.hosts[:2]
    assert rollout.ask(host)["answer"] == "go"
    rollout.write(lambda tx: tx.rollouts.move("r1", "halted", ["running"]))
    assert rollout.ask(host) == rollout.ask(other) == no("halted")
    rollout.write(lambda tx: tx.rollouts.freeze("p", "r"))
    assert rollout.ask(host) == no("frozen")


@pytest.mark.parametrize("state", ["paused", "held"])
def test_a_pause_makes_everyone_wait(rollout, state):
    host = rollout.hosts[0]
    assert rollout.ask(host)["answer"] == "go"
    rollout.write(lambda tx: tx.rollouts.move("r1", state, ["running"]))
    assert rollout.ask(host)["answer"] == rollout.ask(rollout.hosts[1])["answer"] == "wait"


def test_reasons_name_what_is_wrong(rollout):
    host = rollout.hosts[0]
    assert rollout.ask(host, director_version=2) == no("superseded")
    assert rollout.ask(host, sha256="c" * 64) == no("not-directed")
    assert rollout.ask(host, release_counter=99) == no("not-directed")
    assert rollout.ask(host, product="nothing") == no("not-directed")
    rollout.write(lambda tx: rollout.direct(tx, "r1", "canary", exposure_bp=0))
    assert rollout.ask(host) == no("not-exposed")
    rollout.write(lambda tx: rollout.direct(tx, "r1", "canary", action="hold"))
    assert rollout.ask(host)["answer"] == "wait"
    rollout.write(lambda tx: rollout.direct(tx, "another", "canary"))
    assert rollout.ask(host) == no("not-directed")


def test_an_older_rollout_of_the_product_is_superseded_unless_it_was_halted(rollout):
    rollout.write(lambda tx: tx.rollouts.move("r1", "completed", ["running"]))
    rollout.start("r2", counter=7)
    assert rollout.ask(rollout.hosts[0]) == no("superseded")
    rollout.write(lambda tx: tx.rollouts.move("r1", "halted", ["completed"]))
    assert rollout.ask(rollout.hosts[0]) == no("halted")


def test_the_held_out_are_told_so(empty):
    hosts = empty.fleet(30)
    empty.start(upto=1)
    empty.knows()
    assert {empty.ask(host)["reason"] for host in hosts} == {"held-out"}


def test_nothing_goes_without_judgement_engine_and_folded_failures(empty):
    host, crashing, *_ = empty.fleet(5)
    empty.start()
    assert empty.ask(host)["answer"] == "wait"
    empty.judge()
    assert empty.ask(host)["answer"] == "wait"  # a counter seen once is old
    empty.sees()
    empty.judge(verdict="blind")
    assert empty.ask(host)["answer"] == "wait"
    empty.judge(verdict="healthy")
    empty.send("/v1/crashes", {"host": crashing, "report": "x", "kind": "bugcheck"})
    assert empty.ask(host)["answer"] == "wait"
    empty.judge()
    assert empty.ask(host)["answer"] == "go"


def confirm(world_, host, adoption, **change):
    beat = world_.beat(host, adoption=adoption, phase="applied", running={PRODUCT: NEW}, **change)
    assert world_.signed(host, "/v1/beats", beat).status_code == 202
    return world_.adoption(adoption).state


def test_uptime_since_activation_confirms_and_the_slot_comes_back(rollout):
    host = rollout.hosts[0]
    adoption = rollout.ask(host)["adoption"]
    assert confirm(rollout, host, adoption, uptime=100.0) == "open"
    assert confirm(rollout, host, adoption, uptime=159.0) == "open"
    assert confirm(rollout, host, adoption, uptime=59.0, boot="b2") == "open"
    assert confirm(rollout, host, adoption, uptime=60.0, boot="b2") == "confirmed"
    assert (rollout.tally().confirmed, rollout.tally().outstanding) == (1, 0)
    assert rollout.ask(host) == no("already")
    assert [event.adoption for event in rollout.events("confirmed")] == [adoption]


def test_nobody_confirms_for_another_nor_without_naming_it(rollout):
    host, other = rollout.hosts[:2]
    adoption = rollout.ask(host)["adoption"]
    for speaker, named, uptime in (
        (other, adoption, 0.0),
        (other, adoption, 900.0),
        (host, None, 0.0),
        (host, None, 900.0),
    ):
        beat = rollout.beat(speaker, adoption=named, phase="applied", running={PRODUCT: NEW}, uptime=uptime)
        rollout.signed(speaker, "/v1/beats", beat)
    assert rollout.adoption(adoption).state == "open"


def test_a_self_revert_fails_keeps_its_slot_and_later_beats_change_nothing(rollout):
    host = rollout.hosts[0]
    adoption = rollout.ask(host)["adoption"]
    rollout.signed(host, "/v1/beats", rollout.beat(host, adoption=adoption, phase="reverted"))
    assert (rollout.adoption(adoption).state, rollout.adoption(adoption).outcome) == ("failed", "reverted")
    assert (rollout.tally().failed, rollout.tally().outstanding) == (1, 1)
    assert confirm(rollout, host, adoption, uptime=0.0) == confirm(rollout, host, adoption, uptime=999.0) == "failed"
    assert len(rollout.events("reverted")) == 1


def crash(world_, host, report, **change):
    message = {"host": host, "report": report, "kind": "bugcheck"} | change
    answer = world_.signed(host, "/v1/crashes", message)
    assert answer.status_code == 202, answer.text


def test_a_crash_after_the_grant_fails_the_adoption_once(rollout):
    host = rollout.hosts[0]
    adoption = rollout.ask(host)["adoption"]
    module = {"name": "csagent.sys", "timestamp": 1, "size": 2, "checksum": 3, "offset": "0x334c"}
    for _ in range(2):
        crash(rollout, host, "a", boot="b1", module=module, crashed_at="2001-01-01T00:00:00Z")
    (event,) = rollout.events("crashed")
    assert event.detail == {"report": "a", "own": [PRODUCT], "before": []}  # the boot that asked outweighs its clock
    assert (rollout.adoption(adoption).outcome, rollout.tally().outstanding) == ("crash", 1)


def test_a_crash_before_the_grant_is_not_held_against_it(rollout):
    host = rollout.hosts[0]
    adoption = rollout.ask(host)["adoption"]
    crash(rollout, host, "a", boot="b0", crashed_at="2001-01-01T00:00:00Z")
    (event,) = rollout.events("crashed")
    assert event.detail == {"report": "a", "own": [], "before": ["r1"]}
    assert rollout.adoption(adoption).state == "open"


def test_a_wrong_clock_is_set_right_by_the_signature(rollout):
    host = rollout.hosts[0]
    adoption = rollout.ask(host)["adoption"]
    behind = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 200 + 1))
    rollout.signed(
        host, "/v1/crashes", {"host": host, "report": "a", "kind": "bugcheck", "crashed_at": behind}, skew=-200
    )
    assert rollout.adoption(adoption).outcome == "crash"


def test_live_dumps_and_power_losses_are_kept_and_fail_nothing(rollout):
    host = rollout.hosts[0]
    adoption = rollout.ask(host)["adoption"]
    crash(rollout, host, "a", kind="live")
    crash(rollout, host, "b", kind="power")
    assert rollout.adoption(adoption).state == "open"
    assert rollout.events("crashed") == []


def test_a_malformed_crash_spoils_its_batch(rollout):
    good = {"host": rollout.hosts[0], "report": "a", "kind": "bugcheck"}
    for change in (
        {"kind": "sneeze"},
        {"crashed_at": "yesterday"},
        {"bugcheck": {"code": 80}},
        {"module": {"size": True}},
    ):
        assert rollout.send("/v1/crashes", {"crashes": [good, good | change]}).status_code == 400
    assert rollout.events("crashed") == []


def test_who_is_granted_while_asleep_is_awake(rollout):
    host = rollout.hosts[0]
    rollout.signed(host, "/v1/beats", rollout.beat(host, sleeping=True))
    assert rollout.ask(host)["answer"] == "go"
    assert rollout.presence(host).absent == 0
    assert [event.kind.value for event in rollout.events("asleep", "awake", "granted")] == [
        "asleep",
        "awake",
        "granted",
    ]


def test_who_waits_is_awake_and_heard_from_its_question_on(rollout):
    for host in rollout.hosts[:5]:
        assert rollout.ask(host)["answer"] == "go"
    late, silent = rollout.hosts[5:7]
    rollout.signed(late, "/v1/beats", rollout.beat(late, sleeping=True))
    before = rollout.store.read(lambda tx: tx.events.last_heard())
    assert [rollout.ask(host)["answer"] for host in (late, silent)] == ["wait", "wait"]
    assert rollout.presence(late).absent == 0
    assert [event.kind.value for event in rollout.events("asleep", "awake")] == ["asleep", "awake"]
    log = rollout.store.read(lambda tx: tx.events.heard_after(before))
    heard = [key for _, _, keys in log for key in keys.tolist()]
    keys = rollout.store.read(lambda tx: tx.hosts.keys([late, silent]))
    assert sorted(heard) == sorted(keys.values())


def test_a_boot_loop_that_asks_again_and_again_is_not_heard_by_asking(rollout):
    host = rollout.hosts[0]
    assert rollout.ask(host)["answer"] == "go"
    before = rollout.store.read(lambda tx: tx.events.last_heard())
    assert rollout.ask(host, boot="b2")["answer"] == "go"
    assert rollout.store.read(lambda tx: tx.events.last_heard()) == before


def test_a_shutdown_announced_with_an_open_adoption_is_not_believed(rollout):
    host, other = rollout.hosts[:2]
    rollout.ask(host)
    for speaker, absent in ((host, 0), (other, 2)):
        rollout.signed(speaker, "/v1/beats", rollout.beat(speaker, leaving=True))
        assert rollout.presence(speaker).absent == absent


def test_one_adoption_at_a_time(rollout):
    host = rollout.hosts[0]
    adoption = rollout.adoption(rollout.ask(host)["adoption"])
    key = adoption.host
    elsewhere = replace(adoption, id="e", rollout="r9", product="other", host=key)
    rollout.write(lambda tx: tx.connection.exec_driver_sql("DELETE FROM adoption"))
    rollout.write(lambda tx: tx.connection.exec_driver_sql(
        "INSERT INTO rollout SELECT 'r9', 99, 'other', counter, policy_digest, policy, state, state_since,"
        " 1, started_by, reason, started_at, map_n, salt, strata, first_event, first_beat, revision, 0,"
        " stop_reason, stopped_at, completed_clock, superseded FROM rollout"))  # fmt: skip
    rollout.write(lambda tx: tx.adoptions.grant(elsewhere))
    assert rollout.ask(host)["answer"] == "wait"


def test_two_hosts_of_one_redundancy_group_are_never_unconfirmed_together(rollout):
    first, second, third, alone = rollout.hosts[:4]
    for host in (first, second):
        assert rollout.enrol(host, group="pair").status_code == 200
    rollout.enrol(third, group="other")
    batch = {"adoptions": [rollout.question(host) for host in (first, second, third, alone)]}
    answers = rollout.send("/v1/adoptions", batch).json()["answers"]
    assert [answer["answer"] for answer in answers] == ["go", "wait", "go", "go"]
    assert rollout.ask(first)["answer"] == "go", "its own adoption is no hindrance"
    assert rollout.ask(second)["answer"] == "wait"
    crash(rollout, first, "a")
    rollout.judge()
    assert rollout.ask(second)["answer"] == "wait", "who failed keeps its slot, and its partner waits"
    rollout.write(lambda tx: tx.adoptions.release_slot(*tx.adoptions.of_rollout("r1", "failed")))
    assert rollout.ask(second)["answer"] == "go"


def test_a_rollout_that_is_over_keeps_no_partner_waiting(rollout):
    first, second = rollout.hosts[:2]
    for host in (first, second):
        rollout.enrol(host, group="pair")
    rollout.ask(first)
    rollout.write(lambda tx: tx.rollouts.end("r1"))
    assert rollout.store.read(lambda tx: tx.adoptions.unconfirmed_in({"pair", "none"})) == {}


def test_a_host_that_a_limit_holds_back_waits_for_the_ring_of_its_turn(rollout):
    host, other = rollout.hosts[:2]

    def turn(ring):
        mine = member.c.host == rollout.store.read(lambda tx: tx.hosts.find(host).key)
        rollout.write(lambda tx: tx.connection.execute(update(member).where(mine).values(turn=ring)))

    turn("early")
    assert [rollout.ask(each)["answer"] for each in (host, other)] == ["wait", "go"]
    turn("canary")
    assert rollout.ask(host)["answer"] == "go"
