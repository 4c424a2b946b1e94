"""Alerts and the dashboard: they name what is exported, each alert says what to run, and each fires when it should."""

import json
import re
import shutil
import socket
import subprocess
from pathlib import Path

import click
import httpx
import pytest
import yaml
from prometheus_client import generate_latest

from rollout.adapters.clock import SystemClock
from rollout.operation.publisher import Publisher
from rollout.operation.reconcile import Reconciler
from rollout.operation.watch import Watch
from rollout.service.cli.main import cli
from tests.service import api_world, gateway_world
from tests.service.gateway_world import until
from workflows.worker import failing_steps, observe

DEPLOY = Path(__file__).parents[2] / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
NAME = re.compile(r"\b(?:rollout_[a-z_]+|up)\b(?=[{ )\[=<>]|$)")
ELSEWHERE = {"up"}  # Prometheus' own
RULES = [rule for group in yaml.safe_load((PROMETHEUS / "rules.yaml").read_text())["groups"] for rule in group["rules"]]
PANELS = json.loads((DEPLOY / "grafana" / "rollouts.json").read_text())["panels"]
needs_prometheus = pytest.mark.skipif(
    shutil.which("promtool") is None or shutil.which("prometheus") is None,
    reason="Prometheus is not installed: apt-get install prometheus",
)


def named() -> set[str]:
    expressions = [rule["expr"] for rule in RULES]
    expressions += [target["expr"] for panel in PANELS for target in panel["targets"]]
    return {name for each in expressions for name in NAME.findall(re.sub(r'"[^"]*"|\b(?:by|on) \([^)]*\)', "", each))}


def families(text: str) -> set[str]:
    """Names of samples, also of those that have none yet."""
    declared = re.findall(r"^# TYPE (\S+) (\S+)", text, re.MULTILINE)
    return {name for name, _ in declared} | set(re.findall(r"^(rollout_\w+)", text, re.MULTILINE))


@pytest.mark.slow
def test_every_metric_of_rules_and_dashboard_is_exported_by_a_running_service(tmp_path):
    with api_world.world(tmp_path / "api") as here:
        here.fleet(20, running=1)
        here.add(1, 8)
        rollout = here.start(8)
        here.judge(rollout)
        here.let_go(rollout)
        exported = families(httpx.get(f"{here.url}/metrics", trust_env=False).text)
        exported |= families(worker_metrics(here.store, rollout))
    with gateway_world.world(tmp_path / "gateway") as here:
        exported |= families(here.http.get("/metrics").text)
    assert named() - exported <= ELSEWHERE
    assert len(named()) > 15


def worker_metrics(store, rollout):
    """What a worker shows that watches a rollout and renews a lease."""
    clock = SystemClock()
    watch = Watch(store, clock, "w", 60.0)
    watch.round()
    assert rollout in watch.ages()
    publisher = Publisher(store, clock, None, None, "w")
    registry = observe(store, watch, publisher, Reconciler(store, clock, None, "w"))
    failing_steps(registry).labels(rollout).inc()
    return generate_latest(registry).decode()


def test_every_alert_says_the_command_to_run_and_the_command_exists():
    for rule in RULES:
        program, name, *rest = rule["annotations"]["command"].split()
        assert program == "rollout"
        command = cli.get_command(click.Context(cli), name)
        assert command is not None, rule["alert"]
        if isinstance(command, click.Group):
            assert command.get_command(click.Context(command), rest[0]) is not None
        assert rule["annotations"]["summary"].endswith((".", ";"))
        assert rule["labels"]["severity"] in {"page", "ticket"}


def test_each_alert_is_shown_firing_and_silent():
    tests = yaml.safe_load((PROMETHEUS / "rules.test.yaml").read_text())["tests"]
    told = [(each["alertname"], bool(each["exp_alerts"])) for test in tests for each in test["alert_rule_test"]]
    assert set(told) == {(rule["alert"], fires) for rule in RULES for fires in (True, False)}


@needs_prometheus
def test_promtool_agrees():
    for command in (["check", "config", "prometheus.yaml"], ["test", "rules", "rules.test.yaml"]):
        done = subprocess.run(["promtool", *command], cwd=PROMETHEUS, capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@needs_prometheus
def test_a_real_prometheus_scrapes_the_service_and_the_alert_of_a_waiting_engine_is_pending(tmp_path):
    with gateway_world.world(tmp_path / "data") as here, socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
        found.close()
        target = str(here.http.base_url).removeprefix("http://").rstrip("/")
        scrape = {"job_name": "gateway", "static_configs": [{"targets": [target]}]}
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(PROMETHEUS / "rules.yaml")],
            "scrape_configs": [scrape],
        }
        (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(config))
        command = ["prometheus", f"--config.file={tmp_path}/prometheus.yaml", f"--storage.tsdb.path={tmp_path}/tsdb"]
        with subprocess.Popen(
            [*command, f"--web.listen-address=127.0.0.1:{port}"], stderr=subprocess.DEVNULL
        ) as server:
            try:
                until(lambda: "EngineUnseen" in alerts(port), 60)
            finally:
                server.terminate()
                server.wait(30)


def alerts(port):
    try:
        found = httpx.get(f"http://127.0.0.1:{port}/api/v1/alerts", trust_env=False)
        return {each["labels"]["alertname"] for each in found.json()["data"]["alerts"]}
    except (httpx.TransportError, KeyError, ValueError):
        return set()
