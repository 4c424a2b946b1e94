"""What the worker shows of the store: gauges read at each scrape, never older than the scrape itself."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rollout.judge.harm import OF_STRATUM
from rollout.ports.rollout import RolloutRecord, Tally
from rollout.ports.store import Store, Transaction

COUNTS = tuple(Tally.__dataclass_fields__)


class StoreCollector(Collector):
    """Prometheus metrics of every judged rollout and every published repository."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def describe(self) -> Iterable[Metric]:
        """Nothing is known before the first scrape."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the store once."""
        yield from self._store.read(_metrics)


def _metrics(tx: Transaction) -> list[Metric]:
    state = GaugeMetricFamily("rollout_state", "1 for the state a rollout is in", labels=["rollout", "state"])
    window = GaugeMetricFamily("rollout_window_hosts", "Adoptions that may be outstanding", labels=["rollout"])
    evidence = GaugeMetricFamily("rollout_evidence_ratio", "E of the halting guards", labels=["rollout", "guard"])
    verdict = GaugeMetricFamily("rollout_verdict", "1 for the verdict in force", labels=["rollout", "verdict"])
    age = GaugeMetricFamily("rollout_data_age_seconds", "Age of the newest control beat", labels=["rollout"])
    clock = GaugeMetricFamily("rollout_clock_seconds", "Rollout clock: stands still while blind", labels=["rollout"])
    counts = GaugeMetricFamily("rollout_adoptions_hosts", "Adoptions", labels=["rollout", "ring", "stratum", "count"])
    judged_often = CounterMetricFamily("rollout_judgements", "Judgements stored, by whomever", labels=["rollout"])
    rings = GaugeMetricFamily("rollout_ring_state", "1 for the state a ring is in", labels=["rollout", "ring", "state"])
    frozen = GaugeMetricFamily("rollout_frozen", "1 while everything is frozen")
    frozen.add_metric([], float(tx.rollouts.frozen() is not None))
    for record in tx.rollouts.judged():
        state.add_metric([record.id, record.state], 1)
        for ring in tx.rollouts.rings(record.id):
            rings.add_metric([record.id, ring.name, ring.state], 1)
        _add_counts(tx, record, counts)
        if (judged := tx.judging.judgement(record.id)) is None:
            continue
        window.add_metric([record.id], judged.window)
        judged_often.add_metric([record.id], judged.counter)
        verdict.add_metric([record.id, judged.verdict], 1)
        clock.add_metric([record.id], judged.clock)
        evidence.add_metric([record.id, "all"], judged.document["e"]["halt"])
        for guard, value in judged.document["e"]["guards"].items():
            if not guard.startswith(OF_STRATUM):  # as many series as models, and others each time
                evidence.add_metric([record.id, guard], value)
        if judged.document["data_age"] is not None:
            age.add_metric([record.id], judged.document["data_age"])
    return [state, rings, window, evidence, verdict, age, clock, counts, judged_often, frozen, _expiry(tx)]


class AgeCollector(Collector):
    """What one process does again and again, and how long ago it last did, by its own clock."""

    def __init__(self, name: str, help_text: str, label: str, ages: Callable[[], Mapping[str, float]]) -> None:
        self._name, self._help, self._label, self._ages = name, help_text, label, ages

    def describe(self) -> Iterable[Metric]:
        """Nothing is known before the first scrape."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Ask how old each is now."""
        found = GaugeMetricFamily(self._name, self._help, labels=[self._label])
        for name, age in self._ages().items():
            found.add_metric([name], age)
        yield found


def _add_counts(tx: Transaction, record: RolloutRecord, counts: GaugeMetricFamily) -> None:
    for (ring, stratum), tally in tx.adoptions.tallies(record.id).items():
        for name in COUNTS:
            counts.add_metric([record.id, ring, stratum, name], getattr(tally, name))


def _expiry(tx: Transaction) -> Metric:
    expiry = GaugeMetricFamily(
        "rollout_metadata_expiry_timestamp_seconds", "When signed metadata expires", labels=["repository", "role"]
    )
    for repository in tx.publications.repositories():
        for role, at in repository.expires.items():
            expiry.add_metric([repository.name, role], at)
    return expiry
