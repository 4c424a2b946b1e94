"""SIGKILL of worker alone; `up` starts it again."""

from tests.chaos.alone import killed

NAME = "kill worker"
inject = killed("worker")
