"""Identity of a driver image as a crash shows it, and whether a blamed module is ours.

An image is (name, TimeDateStamp, SizeOfImage, CheckSum); the time stamp is a hash since Windows 10,
not a date. The release manifest carries these tuples (`builds`), crashes carry what the host could read.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ImageIdentity:
    """One driver image; `name` may be a path inside a package, its last part is what a dump shows."""

    name: str
    timestamp: int
    size: int
    checksum: int


def is_own(module: Mapping[str, Any] | None, images: Collection[ImageIdentity]) -> bool:
    """Answer whether the blamed module is one of our images.

    `module` is the crash report's `module` (INTERFACES section 1.5) or None. Its file name must be
    one of ours, never a prefix of it, and each of `timestamp`, `size`, `checksum` it carries must
    agree with that image; a name alone is enough. A field of another type agrees with nothing.
    """
    if module is None or not isinstance(module.get("name"), str):
        return False
    name = file_name(module["name"])
    return bool(name) and any(file_name(image.name) == name and _agrees(module, image) for image in images)


def file_name(path: str) -> str:
    r"""Last part of a path of either slash, in lower case: `\SystemRoot\X.SYS` is `x.sys`."""
    return path.replace("\\", "/").rpartition("/")[2].lower()


def _agrees(module: Mapping[str, Any], image: ImageIdentity) -> bool:
    pairs = (("timestamp", image.timestamp), ("size", image.size), ("checksum", image.checksum))
    seen = ((module.get(field), ours) for field, ours in pairs)
    return all(value is None or (type(value) is int and value == ours) for value, ours in seen)
