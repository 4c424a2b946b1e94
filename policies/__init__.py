"""Policies: what a rollout may do, as frozen documents. Nothing else of ours is imported here."""
