"""What every test shares."""

import os

import pytest


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI a skipped test fails the run: a missing tool must not pass for a tested one."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if (
        reporter is not None
        and os.environ.get("ROLLOUT_NO_SKIPS")
        and reporter.stats.get("skipped")
        and exitstatus == 0
    ):
        session.exitstatus = 1
