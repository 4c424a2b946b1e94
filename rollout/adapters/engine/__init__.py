"""The Temporal server: found, or built from pinned source, and run as our own child process."""
