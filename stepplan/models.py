"""What is known of each model, as data.

The facts are advice: an unknown model name always works and is never checked.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

DEFAULT_MODEL = "step-3.7-flash"

DEFAULT_CONTEXT_WINDOW = 256_000
"""Tokens of input and output together. The documentation says 256K; this is the smaller reading of it."""

DEFAULT_MAX_TOKENS = 32_768
"""What is sent where the wire requires a limit and the caller set none. Reasoning counts against it."""


@dataclass(frozen=True, slots=True)
class Model:
    """What the documentation says of one model.

    Attributes:
        id: The name on the wire.
        reasoning_efforts: The accepted values of the reasoning effort.
        inputs: The kinds of content it takes: `text`, `image`, `video`.
        context_window: Tokens of input and output together.
    """

    id: str
    reasoning_efforts: tuple[str, ...]
    inputs: frozenset[str]
    context_window: int = DEFAULT_CONTEXT_WINDOW


def _table(*models: Model) -> dict[str, Model]:
    return {model.id: model for model in models}


# Efforts of the first two: StepFun's "Reasoning API" and "Messages create" pages. The documentation names none for
# step-3.5-flash; recorded answers show that it takes low and high.
MODELS = _table(
    Model("step-3.7-flash", ("low", "medium", "high"), frozenset({"text", "image", "video"})),
    Model("step-3.5-flash-2603", ("low", "high"), frozenset({"text"})),
    Model("step-3.5-flash", ("low", "high"), frozenset({"text"})),
)


def context_window(model: str) -> int:
    """Tokens of input and output together; the plan's usual window for a model that is not in the table."""
    known = MODELS.get(model)
    return known.context_window if known else DEFAULT_CONTEXT_WINDOW


def takes(model: str, kind: str) -> bool:
    """Whether `model` is not known to refuse content of this kind (`text`, `image` or `video`)."""
    known = MODELS.get(model)
    return known is None or kind in known.inputs


def closest_model(name: str) -> str | None:
    """The known model whose name `name` is a near miss of; `None` if it is itself known, or like none of them."""
    plain = name.strip().lower().rpartition("/")[2].replace("_", "-")
    if name in MODELS:
        return None
    return next(iter(get_close_matches(plain, MODELS, n=1, cutoff=0.7)), None)


def models_taking(kind: str) -> Iterable[str]:
    """The names of the known models that take content of this kind."""
    return (model.id for model in MODELS.values() if kind in model.inputs)
