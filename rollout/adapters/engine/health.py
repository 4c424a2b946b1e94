"""Does a Temporal server answer? One gRPC health check, written by hand.

The SDK would answer too, but importing it costs 0.8 s, and the supervisor and `doctor` ask often.
One HTTP/2 exchange (RFC 9113) carries `grpc.health.v1.Health/Check`: header fields are sent as
literals without indexing (RFC 7541 section 6.2.2), and of the answer only the DATA frame is read.
"""

import socket
import struct
import time
from threading import Event, Thread

from rollout.errors import UnreachableError

_SERVICE = b"temporal.api.workflowservice.v1.WorkflowService"
_FIELDS = (
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/grpc.health.v1.Health/Check"),
    (b":authority", b"temporal"),
    (b"content-type", b"application/grpc"),
    (b"te", b"trailers"),
)
_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_STREAM, _END_HEADERS = 0x1, 0x4
_SERVING = b"\x08\x01"  # protobuf: field 1, varint 1
_BYTES_AT_MOST = 64 * 1024
_SECONDS_PER_TRY = 2.0
_SECONDS_BETWEEN_TRIES = 0.05


def serving(address: str, timeout: float = _SECONDS_PER_TRY) -> bool:
    """Ask once; True only for a Temporal frontend that says it serves, within `timeout` seconds."""
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + timeout
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout) as connection:
            connection.sendall(_question())
            return _says_serving(connection, deadline)
    except (OSError, ValueError):
        return False


def reach(address: str, seconds: float = 5.0) -> None:
    """Wait until the server answers; UnreachableError after `seconds`: who asked hears of it within ten."""
    answered, late = Event(), Event()

    def ask() -> None:
        while not late.wait(_SECONDS_BETWEEN_TRIES):
            if serving(address):
                answered.set()
                return

    Thread(target=ask, daemon=True, name="engine-reach").start()  # looking a name up knows no timeout
    if not answered.wait(seconds):
        late.set()
        raise UnreachableError(
            f"no Temporal server answers at {address}; start it, or unset TEMPORAL_ADDRESS to use the built-in one",
            slug="engine-unreachable",
        )


def _question() -> bytes:
    fields = b"".join(
        b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in _FIELDS
    )  # every length is below 127: one byte, no Huffman coding
    message = b"\x0a" + bytes([len(_SERVICE)]) + _SERVICE
    body = b"\x00" + struct.pack(">I", len(message)) + message
    return (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        + _frame(_SETTINGS, 0, 0, b"")
        + _frame(_HEADERS, _END_HEADERS, 1, fields)
        + _frame(_DATA, _END_STREAM, 1, body)
    )


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def _says_serving(connection: socket.socket, deadline: float) -> bool:
    """Read frames until the answer's DATA frame; a stream that ends without one is no."""
    unread = b""
    taken = 0
    while (left := deadline - time.monotonic()) > 0 and taken < _BYTES_AT_MOST:
        connection.settimeout(left)
        received = connection.recv(4096)
        if not received:
            return False
        taken += len(received)
        unread += received
        while len(unread) >= 9 and len(unread) >= 9 + int.from_bytes(unread[:3], "big"):
            end = 9 + int.from_bytes(unread[:3], "big")
            kind, flags, payload, unread = unread[3], unread[4], unread[9:end], unread[end:]
            if kind == _DATA:
                return payload[5:] == _SERVING
            if kind == _HEADERS and flags & _END_STREAM:
                return False
    return False
