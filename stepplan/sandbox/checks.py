"""What the service refuses, of all that it documents or was seen to refuse."""

import math
from collections.abc import Collection, Iterable, Mapping

from stepplan.sandbox.errors import Refusal
from stepplan.sandbox.jsontools import JSON, as_list, as_object

MODELS = ("step-3.7-flash", "step-3.5-flash-2603", "step-3.5-flash", "step-router-v1", "step-5-preview")
_TEXT_ONLY = frozenset({"step-3.5-flash-2603", "step-3.5-flash", "step-router-v1"})
_EFFORTS = {"step-3.5-flash-2603": ("low", "high")}
_MOST_IMAGES = 60
_WHOLE = frozenset({"max_tokens", "max_completion_tokens", "top_k", "n"})
# The allowed ranges, ends included unless they are open.
RANGES: Mapping[str, tuple[float, float]] = {
    "max_tokens": (1, math.inf),
    "max_completion_tokens": (1, math.inf),
    "n": (1, math.inf),
    "temperature": (0, 2),
    "top_p": (math.ulp(0.0), 1),
}


def check_model(body: JSON, models: Collection[str]) -> None:
    """Refuse a body that is no object, and a model that does not exist."""
    if not body:
        raise Refusal(400)
    model = body.get("model")
    if not isinstance(model, str):
        raise missing("model")
    if model not in models:
        raise Refusal(404, f"The model {model} does not exist or you have no access to it")


def messages_of(body: JSON) -> list[JSON]:
    """The messages; there must be one."""
    messages = [as_object(message) for message in as_list(body.get("messages"))]
    if not messages:
        raise missing("messages")
    return messages


def _parts(messages: Iterable[JSON]) -> list[JSON]:
    """All parts of all messages, those inside of tool results too."""
    parts: list[JSON] = []
    for message in messages:
        own = [as_object(part) for part in as_list(message.get("content"))]
        parts += own
        parts += _parts(part for part in own if part.get("type") == "tool_result")
    return parts


def check_parts(body: JSON, messages: list[JSON], allowed: Collection[str]) -> None:
    """Refuse unknown parts, too many images, and images for a model that has no eyes."""
    kinds = [part.get("type") for part in _parts(messages)]
    if unknown := [kind for kind in kinds if kind not in allowed]:
        raise invalid(f"messages.content.type {unknown[0]}", " or ".join(sorted(allowed)))
    images = sum(kind in ("image", "image_url") for kind in kinds)
    if images > _MOST_IMAGES:
        raise Refusal(400, f"too many images: {images}, at most {_MOST_IMAGES} are allowed", "images_too_many")
    if body["model"] in _TEXT_ONLY and any(kind in ("image", "image_url", "video_url") for kind in kinds):
        kind = "unsupported_content_type" if body["model"] == "step-router-v1" else ""
        raise Refusal(400, f"The model {body['model']} takes text only", kind)


def check_ranges(body: JSON, ranges: Mapping[str, tuple[float, float]]) -> None:
    """Refuse numbers out of range, and anything else in their place."""
    for name, (low, high) in ranges.items():
        value = body.get(name)
        if value is None:
            continue
        is_number = isinstance(value, int if name in _WHOLE else int | float) and not isinstance(value, bool)
        if not is_number or not low <= value <= high:
            raise invalid(name, f"between {low:g} and {high:g}")
    if not isinstance(body.get("stream", False), bool | None):
        raise invalid("stream", "true or false")


def check_effort(body: JSON, effort: object, name: str) -> None:
    """Refuse what the model's documents exclude; other words were seen to pass unchecked."""
    if effort is None:
        return
    allowed = _EFFORTS.get(body["model"])
    if not isinstance(effort, str) or (allowed and effort not in allowed):
        raise invalid(name, " or ".join(allowed or ("low", "medium", "high")))


def check_stop(stop: object, name: str) -> None:
    """Refuse stop sequences that are no strings."""
    words = as_list(stop)
    if stop is not None and (not isinstance(stop, list) or not all(isinstance(word, str) for word in words)):
        raise invalid(name, "strings")


def missing(name: str) -> Refusal:
    """The refusal for a field that must be there."""
    return Refusal(400, f"Request param: {name} is required")


def invalid(name: str, recommended: str) -> Refusal:
    """The refusal for a value that must be another."""
    return Refusal(400, f"Request param: {name} is invalid, recommended val is: {recommended}")
