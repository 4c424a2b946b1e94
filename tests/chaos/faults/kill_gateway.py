"""SIGKILL of gateway alone; `up` starts it again."""

from tests.chaos.stage import Stage

NAME = "kill gateway"


def inject(stage: Stage) -> str:
    return f"killed gateway ({stage.kill('gateway')})"
