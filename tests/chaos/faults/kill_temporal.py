"""SIGKILL of temporal alone; `up` starts it again."""

from tests.chaos.alone import killed

NAME = "kill temporal"
inject = killed("temporal")
