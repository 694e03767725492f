"""The ways the service's wire is known, or suspected, to vary."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Dialect:
    """Which of the possible shapes the sandbox speaks. The defaults are those seen live.

    Attributes:
        chat_reasoning_fields: The names that carry reasoning: `reasoning`, `reasoning_content` or `both`, with the same
            text.
        chat_idle_finish: `finish_reason` of a chunk that does not finish: `""` or null.
        chat_idle_role: `delta.role` of every chunk but the first: `""`, `assistant`, or left out.
        chat_usage: Usage on `every_chunk` (cumulative), on the `last` only, in a chunk of its own without choices
            (`trailing_empty_choices`), or not at all (`none`).
        chat_tool_finish: `finish_reason` of an answer with tool calls; some documented samples say `stop`.
        chat_tool_pieces: `split`: a tool call's name alone, then its arguments in pieces; `whole`: all in one delta.
        tool_ids: `chatcmpl-tool-` and 16 hex digits as seen live, or `call_` and 22 characters as in the documents.
        messages_profile: `live`: the stream of Anthropic's shape; `docs`: as in the documented sample, which has no
            `content_block_stop`, no usage at the start, and `stop_reason` outside of `delta`.
        messages_signature: A thinking block's signature: 32 hex digits, null, or left out.
        messages_trailing_done: Whether `data: [DONE]` follows `message_stop`.
        messages_model_field: Whether answers name the model.
        ping: Whether a ping follows the first event: an event on Messages, a comment on Chat Completions. The `docs`
            profile always has one.
    """

    chat_reasoning_fields: Literal["both", "reasoning", "reasoning_content"] = "both"
    chat_idle_finish: Literal[""] | None = ""
    chat_idle_role: Literal["", "assistant", "absent"] = ""
    chat_usage: Literal["every_chunk", "last", "trailing_empty_choices", "none"] = "every_chunk"
    chat_tool_finish: Literal["tool_calls", "stop"] = "tool_calls"
    chat_tool_pieces: Literal["split", "whole"] = "split"
    tool_ids: Literal["chatcmpl-tool", "call"] = "chatcmpl-tool"
    messages_profile: Literal["live", "docs"] = "live"
    messages_signature: Literal["hex32", "absent"] | None = "hex32"
    messages_trailing_done: bool = False
    messages_model_field: bool = True
    ping: bool = False
