"""SIGKILL of gateway alone; `up` starts it again."""

from tests.chaos.alone import killed

NAME = "kill gateway"
inject = killed("gateway")
