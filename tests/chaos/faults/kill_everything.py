"""SIGKILL of `up` and all its children at one moment; `up` again on the same folder."""

from tests.chaos.stage import Stage

NAME = "kill everything"


def inject(stage: Stage) -> str:
    stage.kill_everything()
    stage.up()
    return "killed everything, and `rollout up` again on the same folder"
