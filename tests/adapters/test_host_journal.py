"""The journal and the boot counter on disk: torn, damaged, full; nothing is ever guessed at."""

import json
import os
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.adapters.clock import SystemClock
from rollout.errors import DamagedError
from rollout.host import journal, trial
from rollout.host.course import Act, History, IllegalMoveError, Step
from rollout.host.folder import Sequence
from rollout.host.trial import Trial

LIVES = (
    (Act.INTEND, {"rollout": "r1", "candidate": 2, "baseline": 1, "sha256": "ab"}),
    (Act.APPLY, {"adoption": "a1"}),
    (Act.LOADED, {}),
    (Act.REVERT, {"why": "it fell"}),
    (Act.REVERTED, {}),
    (Act.INTEND, {"rollout": "r2", "candidate": 3, "baseline": 1, "sha256": "cd"}),
)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A journal's bytes, and every history that it went through."""
    folder = tmp_path_factory.mktemp("journal")
    journal.create(folder)
    opened = journal.open_journal(folder)
    histories = [opened.history]
    for act, facts in LIVES:
        opened.note(act, "sensor", **facts)
        histories.append(opened.history)
    return (folder / journal.FILE).read_bytes(), histories


def opened(folder, data):
    (folder / journal.FILE).write_bytes(data)
    return journal.open_journal(folder)


def test_a_journal_is_read_back_as_it_was_written(tmp_path, written):
    data, histories = written
    found = opened(tmp_path, data)
    assert found.history == histories[-1]
    assert found.note(Act.WITHDRAW, "sensor") is None
    assert journal.open_journal(tmp_path).history.step("sensor") is Step.IDLE


def test_cut_anywhere_it_is_the_journal_of_an_earlier_moment(tmp_path, written):
    data, histories = written
    first = data.index(b"\n") + 1
    for length in range(first, len(data) + 1):
        found = opened(tmp_path, data[:length])
        assert found.history == histories[data[:length].count(b"\n") - 1]
        assert (tmp_path / journal.FILE).read_bytes() == data[: data[:length].rfind(b"\n") + 1], "the torn tail is gone"
    for length in range(first):
        with pytest.raises(DamagedError):
            opened(tmp_path, data[:length])


@given(position=st.integers(0, 10_000), byte=st.integers(0, 255), tail=st.binary(max_size=8))
def test_a_damaged_journal_is_refused_or_is_an_earlier_moment_never_another_story(
    tmp_path_factory, written, position, byte, tail
):
    data, histories = written
    damaged = bytearray(data)
    damaged[position % len(data)] = byte
    try:
        found = opened(tmp_path_factory.getbasetemp(), bytes(damaged) + tail)
    except DamagedError:
        return
    assert found.history in histories


@given(st.lists(st.integers(0, len(LIVES)), max_size=8))
def test_lines_that_were_moved_or_taken_out_are_noticed(tmp_path_factory, written, order):
    data, histories = written
    lines = data.splitlines(keepends=True)
    try:
        found = opened(tmp_path_factory.getbasetemp(), b"".join(lines[number] for number in order))
    except DamagedError:
        return
    assert found.history in histories


def test_a_record_that_cannot_follow_is_not_written(tmp_path):
    journal.create(tmp_path)
    found = journal.open_journal(tmp_path)
    before = (tmp_path / journal.FILE).read_bytes()
    with pytest.raises(IllegalMoveError):
        found.note(Act.LOADED, "sensor")
    assert (tmp_path / journal.FILE).read_bytes() == before


def test_a_record_that_did_not_reach_the_disk_never_happened(tmp_path, monkeypatch):
    journal.create(tmp_path)
    found = journal.open_journal(tmp_path)
    before = (tmp_path / journal.FILE).read_bytes()

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            found.note(Act.INTEND, "sensor", **LIVES[0][1])
    assert found.history == History()
    assert (tmp_path / journal.FILE).read_bytes() == before
    found.note(Act.INTEND, "sensor", **LIVES[0][1])
    assert journal.open_journal(tmp_path).history == found.history


def test_a_journal_stays_small_and_forgets_nothing_that_counts(tmp_path):
    journal.create(tmp_path)
    found = journal.open_journal(tmp_path)
    for number in range(120):
        facts = LIVES[0][1] | {"rollout": f"r{number}", "sha256": "ab" * 128}
        found.note(Act.INTEND, "sensor", **facts)
        found.note(Act.APPLY, "sensor", adoption="a")
        found.note(Act.REVERT, "sensor")
        found.note(Act.REVERTED, "sensor")
    assert (tmp_path / journal.FILE).stat().st_size <= journal.COMPACT + 1000
    again = journal.open_journal(tmp_path).history
    assert again == found.history
    assert len(again.left) == 120


def test_a_boot_is_counted_once_and_the_last_chance_is_the_limit(tmp_path):
    armed = Trial("sensor", 2, 1, limit=2, boot="b0")
    trial.write(tmp_path, armed)
    assert trial.read(tmp_path) == armed
    counted = armed.begun("b0").begun("b1").begun("b1").begun("b2")
    assert (counted.boots, counted.failed) == (2, False)
    assert counted.begun("b3").failed
    trial.end(tmp_path)
    assert trial.read(tmp_path) is None


@settings(max_examples=30)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5), st.text())
def test_a_damaged_boot_counter_is_a_named_error(tmp_path_factory, value, text):
    folder = tmp_path_factory.getbasetemp()
    document = {"schema": trial.SCHEMA, **asdict(Trial("sensor", 2, 1, limit=2, boot="b0"))}
    for name in document:
        (folder / trial.FILE).write_text(json.dumps({**document, name: value}))
        try:
            found = trial.read(folder)
        except DamagedError:
            continue
        assert getattr(found, name) == value
    (folder / trial.FILE).write_text(text + "}")
    with pytest.raises(DamagedError):
        trial.read(folder)


def test_beats_ascend_through_restarts(tmp_path):
    taken = []
    for _ in range(3):
        sequence = Sequence(tmp_path)
        taken += [sequence.take() for _ in range(300)]
    assert taken == sorted(set(taken))


@pytest.mark.parametrize("content", [None, "{damaged", '{"next": true}', '{"next": 5}'])
def test_beats_ascend_where_their_file_was_lost_or_put_back(tmp_path, content):
    """No host beats a thousand times a second, so the clock stands above whatever it counted."""
    before = int(SystemClock().now() * 1000)
    if content is not None:
        (tmp_path / "seq.json").write_text(content)
    assert Sequence(tmp_path).take() > before


def test_beats_ascend_where_the_clock_was_set_back(tmp_path):
    ahead = int(SystemClock().now() * 1000) + 10**9
    (tmp_path / "seq.json").write_text(json.dumps({"next": ahead}))
    assert Sequence(tmp_path).take() > ahead
