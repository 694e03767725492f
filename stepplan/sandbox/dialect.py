"""The variants of the service's wire format, known and suspected."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Dialect:
    """The shapes that the sandbox sends. The defaults are those that were captured from the service.

    Attributes:
        chat_profile: `live`: the Chat Completions stream that StepFun's quickstart page shows (March 2026): role
            `assistant` in every delta, no `finish_reason` but in the last chunk, which holds content too, token counts
            that start at the prompt's, and `agent`. `old`: StepFun's samples of 2024: role and `finish_reason` are `""`
            until a last chunk without content; the first chunk has `created` and token counts of 0. `openai`: as OpenAI
            sends it: the role in the first chunk only, `finish_reason` null.
        chat_reasoning_fields: The names that carry reasoning: `reasoning`, `reasoning_content`, or `both` with the same
            text.
        chat_usage: Token counts on `every_chunk` (cumulative), on the `last` only, in a chunk of their own without
            choices (`trailing_empty_choices`), or not at all (`none`).
        chat_tool_finish: `finish_reason` of an answer with tool calls; some documented samples have `stop`.
        chat_tool_pieces: `split`: a tool call's name alone, then its arguments in pieces; `whole`: all in one delta.
        tool_ids: `chatcmpl-tool-` and 16 hex digits as captured, or `call_` and 22 characters as documented.
        messages_profile: `live`: the stream of Anthropic's shape; `docs`: that of the documented sample, which has no
            `content_block_stop`, no usage at the start, and `stop_reason` outside `delta`.
        messages_signature: A thinking block's signature: 32 hex digits, null, or left out.
        messages_trailing_done: Whether `data: [DONE]` follows `message_stop`.
        messages_model_field: Whether answers name the model.
        ping: Whether a ping follows the first event: an event over Messages, a comment over Chat Completions. The
            `docs` profile always has one.
    """

    chat_profile: Literal["live", "old", "openai"] = "live"
    chat_reasoning_fields: Literal["both", "reasoning", "reasoning_content"] = "both"
    chat_usage: Literal["every_chunk", "last", "trailing_empty_choices", "none"] = "every_chunk"
    chat_tool_finish: Literal["tool_calls", "stop"] = "tool_calls"
    chat_tool_pieces: Literal["split", "whole"] = "split"
    tool_ids: Literal["chatcmpl-tool", "call"] = "chatcmpl-tool"
    messages_profile: Literal["live", "docs"] = "live"
    messages_signature: Literal["hex32", "absent"] | None = "hex32"
    messages_trailing_done: bool = False
    messages_model_field: bool = True
    ping: bool = False
