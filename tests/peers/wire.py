"""Streams of both protocols, and a server that replays one."""

import json
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def plain(raw: Any) -> dict[str, Any]:
    """A response's `raw` as data, whatever it is."""
    data: dict[str, Any] = raw.model_dump() if hasattr(raw, "model_dump") else dict(raw or {})
    return data


def chat_chunk(delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
    """A chunk of a Chat Completions stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def call_piece(index: int, arguments: str = "", name: str | None = None, id: str | None = None) -> dict[str, Any]:
    """A piece of a tool call in such a chunk."""
    return {"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def message_events(
    block: Mapping[str, Any], deltas: Sequence[Mapping[str, Any]], usage: Mapping[str, int]
) -> list[dict[str, Any]]:
    """A Messages stream of one block, whose start has these token counts and whose end has only those of the answer."""
    message = {"id": "m1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": usage}
    stop_reason = "tool_use" if block["type"] == "tool_use" else "end_turn"
    return [
        {"type": "message_start", "message": {**message, "stop_reason": None, "stop_sequence": None}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": stop_reason}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]


@contextmanager
def replay(chunks: Sequence[Mapping[str, Any]]) -> Generator[str]:
    """A server that answers every request with these events; the value is its root."""
    named = "".join(f"event: {chunk.get('type', 'message')}\ndata: {json.dumps(chunk)}\n\n" for chunk in chunks)
    content = (named if "type" in chunks[0] else f"{named}data: [DONE]\n\n").encode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
