"""The engine's database deleted, with the engine killed; `up` waits meanwhile, so that it finds nothing."""

import signal

from tests.chaos.stage import Stage

NAME = "delete engine's database"


def inject(stage: Stage) -> str:
    stage.signal("up", signal.SIGSTOP)
    try:
        stage.kill("temporal")
        files = sorted((stage.data / "engine").glob("temporal-*.sqlite*"))
        for file in files:
            file.unlink()
    finally:
        stage.signal("up", signal.SIGCONT)
    return f"killed temporal and deleted its database ({len(files)} files)"
