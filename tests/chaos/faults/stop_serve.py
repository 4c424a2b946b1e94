"""SIGSTOP of serve for longer than anybody counts it as alive, then SIGCONT."""

from tests.chaos.alone import stopped

NAME = "stop serve"
inject = stopped("serve")
