"""SIGKILL of serve alone; `up` starts it again."""

from tests.chaos.stage import Stage

NAME = "kill serve"


def inject(stage: Stage) -> str:
    return f"killed serve ({stage.kill('serve')})"
