"""Answers composed for a test, over either protocol, whole and streamed."""

import json
from dataclasses import dataclass
from typing import Any

from stepplan import ProtocolName


@dataclass(frozen=True)
class Answer:
    """An answer as pieces of reasoning, text and one call's arguments; `reason` is the finish reason of Chat."""

    reasoning: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    arguments: tuple[str, ...] | None = None
    reason: str = "stop"
    ends: bool = True

    @property
    def stop_reason(self) -> str:
        return {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens"}[self.reason]

    def whole(self, protocol: ProtocolName) -> str:
        if protocol == "openai":
            message: dict[str, Any] = {"role": "assistant", "content": "".join(self.text)}
            if self.reasoning:
                message["reasoning_content"] = "".join(self.reasoning)
            if self.arguments is not None:
                function = {"name": "look", "arguments": "".join(self.arguments)}
                message["tool_calls"] = [{"id": "a", "type": "function", "function": function}]
            return json.dumps({"id": "1", "choices": [{"message": message, "finish_reason": self.reason}]})
        content = [json.dumps({"type": "thinking", "thinking": "".join(self.reasoning)})] if self.reasoning else []
        content += [json.dumps({"type": "text", "text": "".join(self.text)})] if self.text else []
        if self.arguments is not None:  # the object is put in as the model wrote it
            content.append(f'{{"type": "tool_use", "id": "a", "name": "look", "input": {"".join(self.arguments)}}}')
        return f'{{"id": "1", "content": [{", ".join(content)}], "stop_reason": "{self.stop_reason}"}}'

    def frames(self, protocol: ProtocolName) -> list[str]:
        return list(self._chat() if protocol == "openai" else self._messages())

    def stream(self, protocol: ProtocolName) -> bytes:
        return "".join(f"{frame}\n\n" for frame in self.frames(protocol)).encode()

    def _chat(self) -> list[str]:
        deltas: list[dict[str, Any]] = [{"reasoning_content": piece} for piece in self.reasoning]
        deltas += [{"content": piece} for piece in self.text]
        if self.arguments is not None:
            pieces: list[dict[str, Any]] = [{"id": "a", "function": {"name": "look"}}]
            pieces += [{"function": {"arguments": piece}} for piece in self.arguments]
            deltas += [{"tool_calls": [{"index": 0, **piece}]} for piece in pieces]
        chunks = [{"id": "1", "choices": [{"delta": delta}]} for delta in deltas]
        chunks.append({"id": "1", "choices": [{"delta": {}, "finish_reason": self.reason}]})
        return [f"data: {json.dumps(chunk)}" for chunk in chunks] + (["data: [DONE]"] if self.ends else [])

    def _messages(self) -> list[str]:
        found: list[dict[str, Any]] = [{"type": "message_start", "message": {"id": "1"}}]
        index = -1
        for kind, pieces in (("thinking", self.reasoning), ("text", self.text)):
            index += bool(pieces)
            found += [_delta(index, f"{kind}_delta", **{kind: piece}) for piece in pieces]
        if self.arguments is not None:
            block = {"type": "tool_use", "id": "a", "name": "look", "input": {}}
            found.append({"type": "content_block_start", "index": index + 1, "content_block": block})
            found += [_delta(index + 1, "input_json_delta", partial_json=piece) for piece in self.arguments]
        found.append({"type": "message_delta", "delta": {"stop_reason": self.stop_reason}})
        found += [{"type": "message_stop"}] if self.ends else []
        return [f"event: {frame['type']}\ndata: {json.dumps(frame)}" for frame in found]


def _delta(index: int, kind: str, **fields: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}
