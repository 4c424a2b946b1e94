"""The digest of a policy: one value for one meaning, however it was spelt.

SHA-256 over canonical JSON (sorted keys, no spaces, UTF-8) of the complete document: YAML or JSON, `60s` or `1m`,
`5%` or `0.05`, inherited or written out, all give the same digest.
"""

import hashlib
import json

from policies.document import Policy


def canonical(policy: Policy) -> bytes:
    """Return the bytes that are digested."""
    text = json.dumps(policy.document(), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def digest(policy: Policy) -> str:
    """Return the lower-case hex SHA-256 of the policy."""
    return hashlib.sha256(canonical(policy)).hexdigest()
