"""The picture of a simulation: one run over time, and how many hosts were harmed over all runs."""
