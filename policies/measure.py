"""Measures: per-host numbers beside crashes, reported in beats, that a policy may judge by.

A name has one spelling everywhere: in policies, beats and evidence.
"""

import re
from typing import Final

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)
MOST: Final = 16
"""Measures in one policy, and in one beat."""
LARGEST: Final = 1e15
"""No value, and no bound of one, is further from 0."""
