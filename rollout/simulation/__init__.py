"""Fleets, faults and runs: what the real software is tried on."""
