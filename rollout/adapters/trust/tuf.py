"""The names of python-tuf that this program uses, imported in one place.

python-tuf documents them under these modules without marking them as exported, which strict typing refuses.
"""

from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]  # documented there, not marked as exported
from tuf.api.metadata import (  # type: ignore[attr-defined]  # documented there, not marked as exported
    Key,
    Metadata,
    MetaFile,
    Role,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.ngclient import (  # type: ignore[attr-defined]  # documented there, not marked as exported
    FetcherInterface,
    Updater,
    UpdaterConfig,
)

__all__ = [
    "CryptoSigner",
    "FetcherInterface",
    "Key",
    "MetaFile",
    "Metadata",
    "Role",
    "Root",
    "Signed",
    "Snapshot",
    "TargetFile",
    "Targets",
    "Timestamp",
    "Updater",
    "UpdaterConfig",
]
