"""SIGKILL of temporal alone; `up` starts it again."""

from tests.chaos.stage import Stage

NAME = "kill temporal"


def inject(stage: Stage) -> str:
    return f"killed temporal ({stage.kill('temporal')})"
