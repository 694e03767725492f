"""Messages and their blocks: the vocabulary that every protocol and adapter shares.

Nothing here is specific to a vendor. All of these are frozen values, and collections are tuples.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Text:
    """Text, from the user, the model or a tool."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """An image. Images are accepted in user messages and tool results.

    Attributes:
        url: A `data:` URL (see `Image.from_base64`), an `http(s)` URL that StepFun's servers can reach, or, over Chat
            Completions, the `stepfile://` URL of a file that was uploaded to StepFun.
        detail: The resolution to read it at, `low` or `high`; `None` leaves it to the server. Chat Completions only.
    """

    url: str
    detail: str | None = None

    @classmethod
    def from_base64(cls, data: str, media_type: str, detail: str | None = None) -> "Image":
        """An image from base64 text: `Image.from_base64(data, "image/png")`."""
        return cls(f"data:{media_type};base64,{data}", detail)


@dataclass(frozen=True, slots=True)
class Video:
    """A video, by a URL like that of an `Image`. Accepted in user messages, over Chat Completions only."""

    url: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """The model's reasoning before its answer.

    Attributes:
        text: The reasoning; empty if the server sent only a signature.
        signature: The signature of a Messages `thinking` block. It is sent back unchanged, and never made up.
        redacted: The opaque data of a `redacted_thinking` block, which has no text.
    """

    text: str
    signature: str | None = None
    redacted: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model's request to call a function.

    Attributes:
        id: Matches the call with its `ToolResult`.
        name: The function's name, as the caller gave it in `Tool.name`.
        arguments: JSON text as the model wrote it. It may be invalid or cut off; parse it with `parse_arguments`.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The result of a called function; a block of a `user` message.

    Attributes:
        tool_call_id: The `id` of the `ToolCall`.
        content: What the function returned.
        is_error: The function failed, and the content is the error.
    """

    tool_call_id: str
    content: tuple[Text | Image | Video, ...]
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class ServerToolCall:
    """A call of a tool that the server ran while it answered, with what it found.

    You can show it to the user. It is not sent back to the model, because no protocol documents that.

    Attributes:
        id: The call's id, distinct within a message.
        name: The tool's type, such as `web_search`.
        arguments: JSON as the model wrote it; that of a web search has a `keyword`.
        results: What was found, as the server sent it; a page has an `index`, a `url`, a `title` and a `summary`.
    """

    id: str
    name: str
    arguments: str = "{}"
    results: tuple[Mapping[str, Any], ...] = ()


Block = Text | Image | Video | Reasoning | ToolCall | ToolResult | ServerToolCall
"""A typed piece of a message."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: Role
    content: tuple[Block, ...]

    @classmethod
    def system(cls, *content: Block | str) -> "Message":
        """A message with instructions for the model. Strings become `Text`."""
        return cls("system", _blocks(content))

    @classmethod
    def user(cls, *content: Block | str) -> "Message":
        """A message from the user, or with tool results. Strings become `Text`."""
        return cls("user", _blocks(content))

    @classmethod
    def assistant(cls, *content: Block | str) -> "Message":
        """A message from the model. Strings become `Text`."""
        return cls("assistant", _blocks(content))


def _blocks(content: tuple[Block | str, ...]) -> tuple[Block, ...]:
    return tuple(Text(item) if isinstance(item, str) else item for item in content)
