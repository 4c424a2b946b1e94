"""Bytes to facts about crashes: dumps, event logs, bugchecks, attribution; pure."""
