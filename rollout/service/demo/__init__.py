"""`rollout demo`: the whole service and a simulated fleet on one machine, until the end state."""
