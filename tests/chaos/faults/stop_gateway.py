"""SIGSTOP of gateway for longer than anybody counts it as alive, then SIGCONT."""

from tests.chaos.alone import stopped

NAME = "stop gateway"
inject = stopped("gateway")
