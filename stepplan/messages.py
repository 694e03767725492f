"""Messages and their blocks: the vocabulary that every protocol and adapter shares.

Nothing here belongs to a vendor. Values are frozen, collections are tuples, and a value that exists is valid.
"""

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Text:
    """Words, in either direction."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """A picture for the model.

    Attributes:
        url: An `http(s)` URL that StepFun's servers can reach, or a `data:` URL (`Image.from_base64` makes one).
        detail: `low` or `high`; `None` leaves it to the server. Chat Completions only.
    """

    url: str
    detail: str | None = None

    @classmethod
    def from_base64(cls, data: str, media_type: str, detail: str | None = None) -> "Image":
        """A picture from base64 text, such as `Image.from_base64(data, "image/png")`."""
        return cls(f"data:{media_type};base64,{data}", detail)


@dataclass(frozen=True, slots=True)
class Video:
    """A film for the model, as an `http(s)` or `data:` URL. Chat Completions only."""

    url: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What the model thought before it answered.

    Attributes:
        text: The thinking; empty where the server sent only a signature.
        signature: What the Messages protocol signs a thinking block with; replayed as it came, never invented.
        redacted: The opaque data of a redacted thinking block; such a block has no text.
    """

    text: str
    signature: str | None = None
    redacted: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for a function to be called.

    Attributes:
        id: Pairs the call with its `ToolResult`.
        name: The function's name, as the caller offered it.
        arguments: JSON as the model wrote it, which may be broken or cut short; read it with `parse_arguments`.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a called function gave back; a block of a `user` message."""

    tool_call_id: str
    content: tuple[Text | Image | Video, ...]
    is_error: bool = False


Block = Text | Image | Video | Reasoning | ToolCall | ToolResult


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: tuple[Block, ...]

    @classmethod
    def system(cls, *content: Block | str) -> "Message":
        """Instructions. Strings become `Text`."""
        return cls("system", _blocks(content))

    @classmethod
    def user(cls, *content: Block | str) -> "Message":
        """What a person says, or what tools gave back. Strings become `Text`."""
        return cls("user", _blocks(content))

    @classmethod
    def assistant(cls, *content: Block | str) -> "Message":
        """What the model said. Strings become `Text`."""
        return cls("assistant", _blocks(content))


def _blocks(content: tuple[Block | str, ...]) -> tuple[Block, ...]:
    return tuple(Text(item) if isinstance(item, str) else item for item in content)
