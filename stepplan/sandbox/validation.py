"""Refuses the requests that the service documents as refused, or was seen to refuse."""

import math
from collections.abc import Collection, Iterable, Mapping

from stepplan.sandbox.http_errors import Refusal
from stepplan.sandbox.jsontools import JSON, as_list, as_object
from stepplan.sandbox.models import model

_MAX_IMAGES = 60
_INTEGERS = frozenset({"max_tokens", "max_completion_tokens", "top_k", "n"})
# The accepted ranges, ends included.
RANGES: Mapping[str, tuple[float, float]] = {
    "max_tokens": (1, math.inf),
    "max_completion_tokens": (1, math.inf),
    "n": (1, math.inf),
    "temperature": (0, 2),
    "top_p": (math.ulp(0.0), 1),
}


def check_model(body: JSON, models: Collection[str]) -> None:
    """Refuse a body that is not an object, and an unknown model."""
    if not body:
        raise Refusal(400)
    name = body.get("model")
    if not isinstance(name, str):
        raise missing("model")
    if name not in models:
        raise Refusal(404, f'The model "{name}" does not exist or you do not have access to it.')


def messages_of(body: JSON) -> list[JSON]:
    """The messages; an empty list is refused."""
    messages = [as_object(message) for message in as_list(body.get("messages"))]
    if not messages:
        raise missing("messages")
    return messages


def _parts(messages: Iterable[JSON]) -> list[JSON]:
    """The parts of all messages, with those inside tool results."""
    parts: list[JSON] = []
    for message in messages:
        own = [as_object(part) for part in as_list(message.get("content"))]
        parts += own
        parts += _parts(part for part in own if part.get("type") == "tool_result")
    return parts


def check_parts(body: JSON, messages: list[JSON], allowed: Collection[str]) -> None:
    """Refuse unknown parts, too many images, and images or videos for a model that takes text only."""
    kinds = [part.get("type") for part in _parts(messages)]
    if unknown := [kind for kind in kinds if kind not in allowed]:
        raise invalid(f"messages.content.type {unknown[0]}", " or ".join(sorted(allowed)))
    images = sum(kind in ("image", "image_url") for kind in kinds)
    if images > _MAX_IMAGES:
        raise Refusal(400, f"too many images: {images}, at most {_MAX_IMAGES} are allowed", "images_too_many")
    known = model(body["model"])
    if not known.takes_images and any(kind in ("image", "image_url", "video_url") for kind in kinds):
        kind = "unsupported_content_type" if known.is_router else ""
        raise Refusal(400, f"The model {body['model']} takes text only", kind)


def check_ranges(body: JSON, ranges: Mapping[str, tuple[float, float]]) -> None:
    """Refuse numbers out of range, and other types where a number belongs."""
    for name, (low, high) in ranges.items():
        value = body.get(name)
        if value is None:
            continue
        is_number = isinstance(value, int if name in _INTEGERS else int | float) and not isinstance(value, bool)
        if not is_number or not low <= value <= high:
            raise invalid(name, f"between {low:g} and {high:g}")
    if not isinstance(body.get("stream", False), bool | None):
        raise invalid("stream", "true or false")
    limit = model(body["model"]).max_tokens
    if limit is not None and (body.get("max_tokens") or 0) > limit:
        raise invalid("max_tokens", f"at most {limit}")


def check_effort(body: JSON, effort: object, name: str) -> None:
    """Refuse an effort that is not a string, or that the model is documented to refuse."""
    known = model(body["model"])
    if effort is None or known.is_router:
        return
    if not isinstance(effort, str) or (known.refuses_other_efforts and effort not in known.efforts):
        raise invalid(name, " or ".join(known.efforts))


def check_stop(stop: object, name: str) -> None:
    """Refuse stop sequences that are not strings."""
    sequences = as_list(stop)
    if stop is not None and (not isinstance(stop, list) or not all(isinstance(item, str) for item in sequences)):
        raise invalid(name, "strings")


def missing(name: str) -> Refusal:
    """The refusal for a required field that is missing."""
    return Refusal(400, f"Request param: {name} is required")


def invalid(name: str, recommended: str) -> Refusal:
    """The refusal for a value that is not accepted."""
    return Refusal(400, f"Request param: {name} is invalid, recommended val is: {recommended}")
