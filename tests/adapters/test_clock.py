"""The clock: a step of the wall clock changes nothing until it has lasted; the clock since boot carries on."""

from dataclasses import dataclass

import pytest

from rollout.adapters.clock import BELIEVED_AFTER_SECONDS, SystemClock

HOUR = 3600.0


@dataclass
class Machine:
    """Two clocks that pass together; `off` is how far the wall clock is wrong."""

    passed: float = 0.0
    off: float = 0.0

    def wall(self):
        return 1_800_000_000.0 + self.passed + self.off

    def since_boot(self):
        return 500.0 + self.passed


@pytest.fixture
def machine():
    return Machine()


@pytest.fixture
def clock(machine):
    found = SystemClock(machine.wall, machine.since_boot)
    found.now()
    return found


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_step_that_does_not_last_is_never_seen(machine, clock, step):
    machine.off = step
    for _ in range(10):
        machine.passed += 60
        assert clock.now() == pytest.approx(machine.wall() - step)
    machine.off = 0
    assert clock.now() == pytest.approx(machine.wall())


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_step_that_lasts_is_believed(machine, clock, step):
    machine.off = step
    clock.now()
    machine.passed += BELIEVED_AFTER_SECONDS
    assert clock.now() == pytest.approx(machine.wall())


def test_a_second_step_is_doubted_from_its_own_beginning(machine, clock):
    machine.off = HOUR
    clock.now()
    machine.passed += BELIEVED_AFTER_SECONDS - 1
    machine.off = -HOUR
    clock.now()
    machine.passed += 1
    assert clock.now() == pytest.approx(machine.wall() + HOUR)


def test_a_clock_that_is_set_by_little_or_slowed_is_followed(machine, clock):
    for _ in range(100):
        machine.passed += 10
        machine.off += 1
        assert clock.now() == pytest.approx(machine.wall())


def test_the_real_clocks_agree_with_themselves():
    clock = SystemClock()
    first, began = clock.now(), clock.elapsed()
    assert clock.now() - first == pytest.approx(clock.elapsed() - began, abs=5)
