"""The reference agent: how a host verifies metadata, what it remembers, what it does."""
