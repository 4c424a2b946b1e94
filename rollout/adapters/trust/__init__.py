"""Signed metadata: keys, the next version of each role as bytes, and its copy in files."""
