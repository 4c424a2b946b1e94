"""What the gateway measures of itself, in its own registry."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_COMMIT_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """Counters, gauges and histograms; none carries a host's name."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.beats = Counter("rollout_gateway_beats", "Beats taken, replays included.", registry=self.registry)
        self.unknown = Counter("rollout_gateway_unknown_hosts", "Rows of unknown hosts.", registry=self.registry)
        self.adoptions = Counter(
            "rollout_gateway_adoptions", "Questions by answer.", ["answer"], registry=self.registry
        )
        self.crashes = Counter("rollout_gateway_crashes", "Crash reports by kind.", ["kind"], registry=self.registry)
        self.enrolments = Counter("rollout_gateway_enrolments", "Enrolments answered.", registry=self.registry)
        self.rejected = Counter(
            "rollout_gateway_rejected", "Requests refused, by reason.", ["reason"], registry=self.registry
        )
        self.rejected.labels("busy")  # there from the start: the first one that is sent away is an increase
        self.queue = Gauge(
            "rollout_gateway_queue_rows", "Rows waiting for a commit.", ["queue"], registry=self.registry
        )
        self.commit_seconds = Histogram(
            "rollout_gateway_commit_seconds",
            "Time of a commit, waiting for the store included.",
            ["queue"],
            buckets=_COMMIT_BUCKETS,
            registry=self.registry,
        )
        self.engine_age = Gauge(
            "rollout_gateway_engine_age_seconds", "Since the engine was seen, -1 if never.", registry=self.registry
        )
