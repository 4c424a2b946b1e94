"""The disk fills up to the last byte, and has room again."""

from tests.chaos.surroundings import Stage, last, ready
from tests.small_disk import fill, mount, unmount

NAME = "disk full"
MEBIBYTES = 128


def environment(stage: Stage) -> dict[str, str]:
    """Lay the data folder on a small disk; SkipTest where nothing can be mounted."""
    mount(stage.data, MEBIBYTES)
    return {}


def clear(stage: Stage) -> None:
    """Take the small disk away, with all that lies on it."""
    unmount(stage.data)


def inject(stage: Stage) -> str:
    """Fill the disk, until the gateway says that it is not ready and some seconds more; then make room."""
    seconds = stage.random.uniform(1, 6)
    try:
        fill(stage.data)
        stage.wait(lambda: not ready(stage), 60)
        last(seconds)
    finally:
        (stage.data / "filling").unlink()
    stage.wait(lambda: ready(stage), 120)
    return f"the disk was full to the last byte until the gateway said so, and {seconds:.1f} s more"
