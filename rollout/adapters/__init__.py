"""I/O: the world behind the ports."""
