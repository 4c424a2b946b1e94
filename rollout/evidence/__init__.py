"""Evidence: what happened to hosts, as rows that recompute every decision (P7)."""
