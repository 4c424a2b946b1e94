"""Thousands of simulated hosts in one process, over the real host protocol and the real metadata checks."""
