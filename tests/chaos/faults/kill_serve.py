"""SIGKILL of serve alone; `up` starts it again."""

from tests.chaos.alone import killed

NAME = "kill serve"
inject = killed("serve")
