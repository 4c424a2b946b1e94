"""Other rules for halting, each a small function over the same paths as the judge."""
