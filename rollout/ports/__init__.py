"""What the stages and operations need from the world, as protocols and plain records.

One file a concern. A `Transaction` gives them all under one commit, so that check and grant are one.
"""
