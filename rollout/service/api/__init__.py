"""The control API: the only door for people and CI (INTERFACES section 4)."""
