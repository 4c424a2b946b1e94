"""What a host does with its own hands, no network anywhere: load, revert, go back, and take up what was cut off."""

import json

import pytest

from rollout.errors import BusyError
from rollout.host import trial
from rollout.host.course import Act, Step
from rollout.host.installer import Installer
from tests.adapters.host_world import NEW, OLD, PRODUCT, Host


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def adopted(host, **terms):
    host.start(**terms)
    host.adopt()
    assert host.step is Step.APPLIED
    return host


def test_a_candidate_is_loaded_tried_and_settles(host):
    adopted(host, settle=0.0)
    assert host.log == ["install 2", "load 2"]
    assert host.spoken() == ({PRODUCT: NEW}, "a1", "applied")
    assert json.loads((host.state / "host.json").read_text())["installed"] == {PRODUCT: NEW}
    assert json.loads((host.state / "baselines.json").read_text())["baselines"] == {PRODUCT: OLD}
    assert trial.read(host.state) is not None
    host.change.tend()
    assert host.step is Step.SETTLED
    assert trial.read(host.state) is None
    host.start(restart=True)
    assert host.spoken() == ({PRODUCT: NEW}, "a1", "applied"), "what it adopted is named for as long as it runs"


def test_a_go_that_is_good_no_more_loads_nothing(host):
    host.start()
    host.adopt(good=False)
    assert (host.step, host.runs, host.log) == (Step.INTENT, OLD, ["install 2"])
    assert host.spoken() == ({PRODUCT: OLD}, None, "idle")
    assert trial.read(host.state) is None


def test_a_load_that_fails_goes_back_and_says_so(host):
    host.start()
    host.told("fail-load")
    host.adopt()
    assert (host.step, host.runs) == (Step.REVERTED, OLD)
    assert host.log[-1] == "revert 1"
    assert host.spoken() == ({PRODUCT: OLD}, "a1", "reverted")


def test_a_host_that_had_no_release_goes_back_to_none(tmp_path):
    host = Host(tmp_path, running=None)
    host.start()
    assert host.change.inventory.see(PRODUCT)
    host.told("fail-load")
    host.adopt()
    assert (host.step, host.runs, host.log[-1]) == (Step.REVERTED, None, "revert ")
    assert host.spoken() == ({}, "a1", "reverted")


def test_boots_that_do_not_last_bring_the_baseline_back_without_anybody(host):
    """Two boots are its chances; the third goes back, with no network and whatever the service thinks."""
    adopted(host, boots=2)
    for _ in range(2):
        host.start(boots=2, restart=True)
        assert (host.step, host.runs) == (Step.APPLIED, NEW)
    host.start(boots=2, restart=True)
    assert (host.step, host.runs) == (Step.REVERTED, OLD)
    assert host.spoken() == ({PRODUCT: OLD}, "a1", "reverted")
    host.start(restart=True)
    assert host.spoken() == ({PRODUCT: OLD}, "a1", "reverted"), "it says so until it adopts again"


def test_an_agent_that_only_restarts_counts_no_boot(host):
    adopted(host, boots=2)
    for _ in range(5):
        host.start(boots=2)
    assert (host.step, trial.read(host.state).boots) == (Step.APPLIED, 0)


def test_the_boot_that_settles_wins_back_every_chance(host):
    adopted(host, boots=1)
    host.start(boots=1, settle=0.0, restart=True)
    host.change.tend()
    for _ in range(3):
        host.start(boots=1, restart=True)
    assert (host.step, host.runs) == (Step.SETTLED, NEW)


def test_what_an_early_boot_stub_put_back_is_reported(host):
    """The stub sees the same file, counts the boot before any driver loads, and puts the baseline back itself."""
    adopted(host)
    found = trial.read(host.state)
    host.machine.number += 1
    trial.write(host.state, trial.Trial(PRODUCT, found.candidate, OLD, 0, host.machine.boot, boots=1, reverted=True))
    host.runs = OLD
    host.start()
    assert (host.step, host.runs) == (Step.REVERTED, OLD)
    assert host.spoken() == ({PRODUCT: OLD}, "a1", "reverted")


def test_a_release_that_needs_a_restart_is_applying_until_it_runs(host):
    host.start()
    host.told("later")
    host.adopt()
    assert (host.step, host.spoken()) == (Step.SCHEDULED, ({PRODUCT: OLD}, "a1", "applying"))
    host.start()
    assert host.step is Step.SCHEDULED, "the agent alone came back: the restart is still to come"
    host.start(restart=True)
    assert host.spoken() == ({PRODUCT: NEW}, "a1", "applied")


def test_a_restart_that_did_not_bring_the_release_ends_the_attempt(host):
    host.start()
    host.told("later")
    host.adopt()
    host.untold("pending")
    host.start(restart=True)
    assert host.spoken() == ({PRODUCT: OLD}, "a1", "reverted")


def cut_off(host, *acts):
    """A journal that ends here, and nothing was done after."""
    host.start()
    facts = {
        Act.INTEND: {"rollout": "r1", "candidate": NEW, "baseline": OLD, "sha256": "ab"},
        Act.APPLY: {"adoption": "a1"},
    }
    for act in acts:
        host.change._journal.note(act, PRODUCT, **facts.get(act, {}))


def test_died_between_go_and_load_it_asks_again(host):
    cut_off(host, Act.INTEND, Act.APPLY)
    host.start()
    assert (host.step, host.runs, host.log) == (Step.INTENT, OLD, [])


def test_died_in_the_load_and_the_machine_with_it_it_goes_back(host):
    cut_off(host, Act.INTEND, Act.APPLY)
    trial.write(host.state, trial.Trial(PRODUCT, NEW, OLD, 2, host.machine.boot))
    host.start(restart=True)
    assert (host.step, host.log) == (Step.REVERTED, ["revert 1"])


def test_died_after_the_load_it_names_its_adoption(host):
    cut_off(host, Act.INTEND, Act.APPLY)
    host.runs = NEW
    host.start()
    assert host.spoken() == ({PRODUCT: NEW}, "a1", "applied")
    assert host.log == []


def test_what_runs_without_a_go_goes_back(host):
    """A lost record, or somebody's hands: a candidate that no adoption names does not stay."""
    cut_off(host, Act.INTEND)
    host.runs = NEW
    host.start()
    assert (host.step, host.runs) == (Step.REVERTED, OLD)


def test_a_way_back_that_was_cut_off_is_gone_to_its_end(host):
    adopted(host)
    host.told("fail-revert")
    host.change.give_back(PRODUCT, NEW, OLD, "cd")
    assert (host.step, host.spoken()) == (Step.RETURNING, ({PRODUCT: NEW}, "a1", "applying"))
    host.untold("fail-revert")
    host.start()
    assert (host.step, host.spoken()) == (Step.IDLE, ({PRODUCT: OLD}, None, "idle"))
    assert trial.read(host.state) is None


def test_an_installer_that_will_not_revert_is_asked_again_in_every_round(host):
    host.start()
    host.told("fail-load")
    host.told("fail-revert")
    host.adopt()
    assert host.step is Step.REVERTING
    host.change.tend()
    assert host.step is Step.REVERTING
    host.untold("fail-revert")
    host.change.tend()
    assert host.spoken() == ({PRODUCT: OLD}, "a1", "reverted")


def test_an_installer_that_is_gone_keeps_no_agent_from_speaking(host):
    adopted(host, boots=1)
    command, host.installer = host.installer, "/nowhere/installer"
    for _ in range(2):
        host.start(boots=1, restart=True)
    assert host.spoken() == ({}, "a1", "applying")
    host.installer = command
    host.start(boots=1)
    assert host.spoken() == ({PRODUCT: OLD}, "a1", "reverted")


def test_what_the_installer_does_not_know_is_not_said(host):
    adopted(host)
    host.told("fail-running")
    host.start()
    assert host.spoken() == ({}, "a1", "applied"), "a beat that names no counter confirms nothing"
    assert (host.step, host.runs) == (Step.APPLIED, NEW), "and a good candidate is not given up for it"


@pytest.mark.parametrize("said", ["x", "-1", "1 2", "\u0661"])
def test_what_the_installer_says_is_a_counter_or_nothing(host, said):
    (host.root / "running").write_text(said)
    host.start()
    assert host.spoken() == ({}, None, "idle")


def test_a_candidate_on_trial_goes_back_when_the_journal_is_lost(host):
    """Nobody knows any more why it runs; its boot counter says what ran before."""
    adopted(host)
    host.start(lost=True)
    assert host.runs == OLD
    assert trial.read(host.state) is None


def test_a_settled_release_stays_when_the_journal_is_lost(host):
    adopted(host, settle=0.0)
    host.change.tend()
    host.start(lost=True)
    assert host.spoken() == ({PRODUCT: NEW}, None, "idle")


def test_a_damaged_boot_counter_gives_the_candidate_no_further_chance(host):
    adopted(host)
    (host.state / trial.FILE).write_text("{")
    host.start(restart=True)
    assert (host.step, host.runs) == (Step.REVERTED, OLD)


def test_a_boot_counter_that_was_removed_is_armed_again(host):
    adopted(host)
    trial.end(host.state)
    host.start(restart=True)
    assert trial.read(host.state).candidate == NEW


def test_somebody_else_may_replace_what_has_settled(host):
    adopted(host, settle=0.0)
    host.change.tend()
    host.runs = 7
    host.start()
    assert host.spoken() == ({PRODUCT: 7}, None, "idle")
    assert host.log == ["install 2", "load 2"], "and nobody fights about it"


def test_two_installers_never_run_at_once(host):
    """One that a killed agent left behind holds the lock until it ends."""
    import fcntl

    installer = Installer(host.installer, host.state, 5.0)
    with (host.state / "installer.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert not installer.free()
        with pytest.raises(BusyError):
            installer.load(PRODUCT, NEW, host.package)
    assert installer.free()
    assert host.log == []


def test_an_installer_that_hangs_is_ended_and_has_failed(host):
    host.told("busy-load")
    installer = Installer(host.installer, host.state, 0.3)
    assert installer.load(PRODUCT, NEW, host.package) != 0
    assert installer.free()
    assert host.runs == OLD
