"""A client of a few lines, so that the sandbox is looked at with nothing of ours in between."""

import json
from typing import Any

import httpx

from stepplan.sandbox import Sandbox

JSON = dict[str, Any]
CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
WEATHER: JSON = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"], "default": "celsius"}},
    "required": ["city"],
}
CITY: JSON = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def auth(key: str = "sk-sandbox") -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def chat(question: str = "Hello there.", **fields: Any) -> JSON:
    return {"model": "step-3.7-flash", "messages": [{"role": "user", "content": question}], **fields}


def messages(question: str = "Hello there.", **fields: Any) -> JSON:
    return {"max_tokens": 1000, **chat(question), **fields}


def body_for(path: str, question: str = "Hello there.", **fields: Any) -> JSON:
    return chat(question, **fields) if path == CHAT else messages(question, **fields)


def tools(path: str, **parameters: JSON) -> list[JSON]:
    if path == CHAT:
        return [
            {"type": "function", "function": {"name": name, "parameters": schema}}
            for name, schema in parameters.items()
        ]
    return [{"name": name, "input_schema": schema} for name, schema in parameters.items()]


async def ask(plan: Sandbox, path: str, body: JSON, key: str = "sk-sandbox") -> httpx.Response:
    """Ask without a server."""
    transport = httpx.ASGITransport(plan.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox/step_plan") as client:
        return await client.post(path, json=body, headers=auth(key))


def post(plan: Sandbox, path: str, body: JSON, **options: Any) -> httpx.Response:
    """Ask over a real connection."""
    with httpx.Client(timeout=5, trust_env=False) as client:
        return client.post(f"{plan.base_url}{path}", json=body, headers=auth(plan.api_key), **options)


def data(text: str) -> list[JSON]:
    """The JSON of all `data:` lines of a stream."""
    lines = [line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def fold_chat(text: str) -> JSON:
    """A stream of Chat Completions as one message, the way clients put it together."""
    folded: JSON = {"reasoning": "", "reasoning_content": "", "content": "", "calls": {}, "finish": None, "usage": None}
    for chunk in data(text):
        folded["usage"] = chunk.get("usage", folded["usage"])
        for choice in chunk["choices"]:
            folded["finish"] = choice.get("finish_reason") or folded["finish"]
            for name in ("reasoning", "reasoning_content", "content"):
                folded[name] += choice["delta"].get(name, "")
            for piece in choice["delta"].get("tool_calls", []):
                call = folded["calls"].setdefault(piece["index"], {"arguments": ""})
                call["name"] = piece["function"].get("name", call.get("name"))
                call["id"] = piece.get("id", call.get("id"))
                call["arguments"] += piece["function"]["arguments"]
    return folded


def fold_messages(text: str) -> JSON:
    """A stream of Messages as one message, the way clients put it together."""
    folded: JSON = {"content": []}
    names = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
    for event in data(text):
        if event["type"] == "content_block_start":
            folded["content"].append({**event["content_block"], "partial_json": ""})
        elif event["type"] == "content_block_delta":
            block, delta = folded["content"][event["index"]], event["delta"]
            if delta["type"] == "signature_delta":
                block["signature"] = delta["signature"]
            else:
                block[names[delta["type"]]] += delta[names[delta["type"]]]
        elif event["type"] == "message_delta":
            folded |= {**event, **event.get("delta", {})}
    for block in folded["content"]:
        partial = block.pop("partial_json")
        if block["type"] == "tool_use":
            block["input"] = json.loads(partial or "{}")
    return folded
