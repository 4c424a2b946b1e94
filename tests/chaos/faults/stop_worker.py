"""SIGSTOP of the only worker for longer than its judgement is fresh: meanwhile nobody may be let in; then SIGCONT."""

from tests.chaos.alone import stopped
from tests.chaos.owners import stop_empty_handed

NAME = "stop worker"
inject = stopped("worker", (10.0, 13.0), stop_empty_handed)
