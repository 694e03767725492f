"""What is known about each model, as data.

The facts are advice: a model that is not in the table is never checked and always works.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

DEFAULT_MODEL = "step-3.7-flash"

DEFAULT_CONTEXT_WINDOW = 256_000
"""Tokens of input and output together. The documentation says 256K, which this reads as the smaller number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What is known about one model.

    Attributes:
        id: The model's name in requests.
        display_name: Its name in sentences.
        inputs: The kinds of content it accepts in messages: `text`, `image`, `video`.
        reasoning_efforts: The values of `reasoning_effort` that it accepts; empty if it ignores the option, so that any
            value may be sent.
        context_window: Tokens of input and output together.
        max_output_tokens: The largest `max_tokens`; `None` if no limit is documented.
        json_schema: It supports the response format `json_schema` (over Chat Completions).
        web_search: It supports StepFun's own `web_search` tool, which runs on the server (over Chat Completions).
    """

    id: str
    display_name: str
    inputs: frozenset[str]
    reasoning_efforts: tuple[str, ...]
    context_window: int = DEFAULT_CONTEXT_WINDOW
    max_output_tokens: int | None = None
    json_schema: bool = True
    web_search: bool = True


_TEXT = frozenset({"text"})
_TEXT_IMAGE_VIDEO = frozenset({"text", "image", "video"})


def _table(*models: Model) -> dict[str, Model]:
    return {model.id: model for model in models}


# Sources, as of 2026-11-25: StepFun's pages "Reasoning API", "Messages create", "Models", "JSON mode" (2026-09-29) and
# "Web search".
MODELS = _table(
    Model(
        id="step-3.7-flash",
        display_name="Step 3.7 Flash",
        inputs=_TEXT_IMAGE_VIDEO,
        reasoning_efforts=("low", "medium", "high"),
    ),
    Model(
        id="step-3.5-flash-2603",
        display_name="Step 3.5 Flash 2603",
        inputs=_TEXT,
        reasoning_efforts=("low", "high"),
    ),
    # Its efforts are not documented; recorded answers show that it accepts low and high.
    Model(
        id="step-3.5-flash",
        display_name="Step 3.5 Flash",
        inputs=_TEXT,
        reasoning_efforts=("low", "high"),
    ),
    # On the plan since 2026-09-20. The pricing page excludes it from web search. Its output limit is not documented.
    Model(
        id="step-5-preview",
        display_name="Step 5 Preview",
        inputs=_TEXT_IMAGE_VIDEO,
        reasoning_efforts=("low", "medium", "high"),
        context_window=1_000_000,
        web_search=False,
    ),
    # Routes to other models; plan only. Refuses images and web search (`unsupported_content_type`) and ignores the
    # effort. The limit on max_tokens is that of September 2026; its context window and json_schema are not documented.
    Model(
        id="step-router-v1",
        display_name="Step Router v1",
        inputs=_TEXT,
        reasoning_efforts=(),
        max_output_tokens=250_000,
        json_schema=False,
        web_search=False,
    ),
)
"""The known models by name."""


def context_window(model: str) -> int:
    """Tokens of input and output together; for an unknown model, the window that most of the plan's models have."""
    known = MODELS.get(model)
    return known.context_window if known else DEFAULT_CONTEXT_WINDOW


def takes(model: str, kind: str) -> bool:
    """Whether `model` accepts content of this kind (`text`, `image` or `video`); an unknown model does."""
    known = MODELS.get(model)
    return known is None or kind in known.inputs


def closest_model(name: str) -> str | None:
    """The known model whose name `name` is a near miss of; `None` if it is itself known, or like none of them."""
    plain = name.strip().lower().rpartition("/")[2].replace("_", "-")
    if name in MODELS:
        return None
    return next(iter(get_close_matches(plain, MODELS, n=1, cutoff=0.7)), None)


def models_taking(kind: str) -> Iterable[str]:
    """The names of the known models that accept content of this kind."""
    return (model.id for model in MODELS.values() if kind in model.inputs)
