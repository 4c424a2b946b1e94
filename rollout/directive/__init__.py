"""What a directive says, and whether a host may believe it: pure, used by hosts and by the server."""
