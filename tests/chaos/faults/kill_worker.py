"""SIGKILL of worker alone; `up` starts it again."""

from tests.chaos.stage import Stage

NAME = "kill worker"


def inject(stage: Stage) -> str:
    return f"killed worker ({stage.kill('worker')})"
