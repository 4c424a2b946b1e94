"""Development keys: private Image keys that lie on the server, so that one machine can try everything.

Whoever takes such a server can sign any release. Their roots say `x-development`, hosts take them from
loopback only, and a service refuses to run with them unless `up` started it.
"""

from pathlib import Path

from rollout.adapters.settings import Settings
from rollout.adapters.trust.keys import development_image_keys
from rollout.errors import InvalidError


def ensure_development_keys(folder: Path) -> None:
    """Make the Image repository's development keys under a keys folder, once; Directors' follow with their rings."""
    development_image_keys(folder / "image")


def are_development_keys(folder: Path) -> bool:
    """Whether any private Image key lies in this keys folder."""
    return any((folder / "image").glob("*.pem"))


def refuse_development(settings: Settings) -> None:
    """InvalidError where this data folder holds development keys and the process was not started by `up`."""
    if not settings.supervised and are_development_keys(settings.data / "keys"):
        raise InvalidError(
            f"{settings.data / 'keys' / 'image'} holds development keys; start them with `rollout up`, or remove them "
            "and import metadata signed by the key ceremony",
            slug="development-keys",
        )
