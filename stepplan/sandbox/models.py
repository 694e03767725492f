"""The plan's models, with what is known of each."""

from collections.abc import Iterable
from dataclasses import dataclass

from stepplan.sandbox.jsontools import JSON

# The sample of the service's documentation.
_CREATED = 1_713_196_800


@dataclass(frozen=True, slots=True)
class Model:
    """What the service documents of a model, or was seen to do with it.

    Attributes:
        context: The tokens that input and output share; `None` if unknown.
        takes_images: Whether images and videos are accepted.
        takes_server_tools: Whether `web_search` and `retrieval` are accepted.
        efforts: The documented reasoning efforts.
        refuses_other_efforts: Whether other efforts are refused; elsewhere they were seen to pass unchecked.
        unset_effort: The effort without one in the request.
        is_router: Whether requests are passed on to another model, as `step-router-v1` does: effort is ignored.
        max_tokens: The largest `max_tokens`, if there is one.
    """

    context: int | None = 256_000
    takes_images: bool = False
    takes_server_tools: bool = True
    efforts: tuple[str, ...] = ("low", "medium", "high")
    refuses_other_efforts: bool = False
    unset_effort: str = "medium"
    is_router: bool = False
    max_tokens: int | None = None


MODELS = {
    "step-3.7-flash": Model(takes_images=True),
    "step-3.5-flash-2603": Model(efforts=("low", "high"), refuses_other_efforts=True, unset_effort="high"),
    "step-3.5-flash": Model(efforts=("low", "high"), unset_effort="high"),
    "step-router-v1": Model(context=None, takes_server_tools=False, efforts=(), is_router=True, max_tokens=250_000),
    "step-5-preview": Model(context=1_000_000, takes_images=True, takes_server_tools=False),
}
_UNKNOWN = Model(takes_images=True)


def model(name: str) -> Model:
    """What is known of a model; a name that is not in the table has no limits."""
    return MODELS.get(name, _UNKNOWN)


def listing(names: Iterable[str]) -> JSON:
    """The body of `GET /models`: the documented keys, and of known models those that were seen live."""
    return {"object": "list", "data": [_item(name) for name in names]}


def _item(name: str) -> JSON:
    item: JSON = {"id": name, "object": "model", "created": _CREATED, "owned_by": "stepai"}
    known = MODELS.get(name)
    if known is None:
        return item
    # The service writes the type in Chinese: "large language model" or "routing model".
    item |= {"model_type": "路由模型" if known.is_router else "大语言模型"}
    if not known.is_router:
        item |= {
            "max_input_tokens": known.context,
            "enable_reason": True,
            "enable_vision_input": known.takes_images,
            "reasoning_effort_support_list": list(known.efforts),
        }
    return item | {"supported_protocols": ["chat", "messages"]}
