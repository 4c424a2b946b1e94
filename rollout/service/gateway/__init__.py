"""The gateway: the host protocol of INTERFACES section 1, and the signed metadata as files."""
