"""What a host measures: repeated while it can be believed, left out of the beat where it cannot, never a silence."""

import os
import time

import click
import msgspec
import pytest

from policies.measure import MOST
from rollout.host import messages
from rollout.host.installer import Installer
from rollout.host.measures import LARGEST_FILE, Meter
from rollout.host.saying import Saying
from rollout.service.cli.swarm import _measured
from rollout.simulation.swarm.faults import Measured
from rollout.simulation.swarm.host import SimulatedHost
from rollout.telemetry import Beat
from tests.adapters.host_world import Machine, script


class Booted(Machine):
    def uptime(self):
        return 1000.0


@pytest.fixture
def file(tmp_path):
    return tmp_path / "measures.json"


def meter_of(file, said=None):
    return Meter(file, Booted(), Saying([].append if said is None else said.append))


def test_what_the_product_wrote_is_read_anew_each_time(file):
    meter = meter_of(file)
    assert meter.read() == {}
    file.write_text('{"cpu": 0.25, "boot.seconds": 31, "drift": -1.5}')
    assert meter.read() == {"cpu": 0.25, "boot.seconds": 31, "drift": -1.5}
    file.write_text("{}")
    assert meter.read() == {}
    assert meter_of(None).read() == {}


def test_what_was_written_in_an_earlier_boot_says_nothing(file):
    file.write_text('{"cpu": 0.25}')
    before = time.time() - 5000
    os.utime(file, (before, before))
    assert meter_of(file).read() == {}


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "null", '{"cpu": "1"}', '{"cpu": NaN}', '{"cpu": 1e999}', '{"cpu": 1e16}', '{"cpu": true}',
        '{"CPU": 1}', '{"": 1}', '{"c p": 1}', '{"cpu": {}}', '{"' + "c" * 64 + '": 1}',
        "{" + ", ".join(f'"m{number}": 1' for number in range(MOST + 1)) + "}", '{"cpu": 1}' + " " * LARGEST_FILE,
        '{"\\ud800": 1}',
    ],
)  # fmt: skip
def test_a_file_that_the_gateway_would_refuse_is_left_out_and_said_once(file, text):
    said = []
    meter = meter_of(file, said)
    file.write_text(text)
    assert (meter.read(), meter.read()) == ({}, {})
    assert len(said) == 1
    file.write_text('{"cpu": 1}')
    assert meter.read() == {"cpu": 1}
    assert said[1].endswith("is reported again")


def test_a_folder_in_its_place_hinders_neither_beats_nor_the_way_back(tmp_path):
    said = []
    meter = meter_of(tmp_path, said)
    meter.forget()
    assert meter.read() == {}
    assert len(said) == 1


def test_another_release_begins_with_an_empty_page(tmp_path, file):
    (tmp_path / "root").mkdir()
    meter = meter_of(file)
    installer = Installer(f"{script(tmp_path)} {tmp_path / 'root'}", tmp_path, 20.0, meter.forget)
    for act in (lambda: installer.load("sensor", 8, file), lambda: installer.revert("sensor", 7, None)):
        file.write_text('{"cpu": 1}')
        act()
        assert not file.exists()


def test_a_beat_names_measures_only_where_there_are_any():
    beat = {"adoption": None, "phase": "idle"}
    assert "measures" not in messages.beat("h", "b", 1, 1.0, {}, **beat)
    told = messages.beat("h", "b", 1, 1.0, {}, **beat, measures={"cpu": 0.5})
    assert msgspec.convert(told, Beat).measures == {"cpu": 0.5}


def test_simulated_hosts_report_their_own_number_and_more_with_a_candidate():
    hosts = [SimulatedHost(f"h-{n}", "sensor", 1, 0.0, measured=Measured("cpu", 0.1, 0.05)) for n in range(50)]
    before = [host.beat(1.0)["measures"]["cpu"] for host in hosts]
    assert 0.09 <= min(before) < max(before) <= 0.11
    for host in hosts:
        host.direct(3)
        host.ask()
        host.go("a-1")
        host.load()
    after = [host.beat(2.0)["measures"]["cpu"] for host in hosts]
    assert after == pytest.approx([value + 0.05 for value in before])
    assert "measures" not in SimulatedHost("h", "sensor", 1, 0.0).beat(1.0)


def test_the_swarm_is_told_what_to_measure_in_a_word():
    assert _measured("cpu=0.1+0.05") == Measured("cpu", 0.1, 0.05)
    assert _measured("boot.seconds=30") == Measured("boot.seconds", 30.0)
    assert _measured(None) is None
    for text in ("cpu", "cpu=", "=1", "CPU=1", "cpu=x", "cpu=nan", "cpu=inf", "cpu=1+nan", "cpu=1e16"):
        with pytest.raises(click.UsageError, match="--measure"):
            _measured(text)
