"""What the API measures of itself, in its own registry. Labels are routes, never names of people or hosts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """Requests by route and status, and what the store says of rollouts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "rollout_api_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "rollout_api_request_seconds", "Time to the first byte of an answer.", ["route"], registry=self.registry
        )
        self.rollouts = Gauge("rollout_api_rollouts", "Rollouts by state.", ["state"], registry=self.registry)
        self.frozen = Gauge("rollout_api_frozen", "1 while everything is frozen.", registry=self.registry)
