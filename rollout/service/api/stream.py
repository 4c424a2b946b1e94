"""Answers that have no end yet; their classes say what they are, to readers and to the OpenAPI document."""

from starlette.responses import StreamingResponse


class Lines(StreamingResponse):
    """One JSON document a line."""

    media_type = "application/x-ndjson"


class EventStream(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"
