"""The door: how `serve` and `gateway` listen, and what a connection may cost before anybody knows who is there."""
