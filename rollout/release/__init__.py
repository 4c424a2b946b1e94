"""Bytes to release: archive, manifest, content, driver images; pure."""
