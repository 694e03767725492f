"""One call, from the model's fields, its `additional_kwargs` and the arguments of the call."""

from typing import TYPE_CHECKING, Any

from llama_index_stepplan._tools import to_tool
from stepplan import Message
from stepplan.integration.options import Call, call_options, hide_headers, to_call

if TYPE_CHECKING:
    from llama_index_stepplan._fields import StepPlanFields


def request_call(model: "StepPlanFields", messages: tuple[Message, ...], given: dict[str, Any]) -> Call:
    """One call; what is given to it wins over the model's `additional_kwargs`, which win over its fields.

    Raises:
        InvalidRequestError: An argument is not known, or a value cannot be right.
    """
    hide_headers(given)
    layers = (call_options(options, type(model).model_fields) for options in (model.additional_kwargs, given))
    return to_call(messages, model.__dict__, *layers, reader=to_tool)
