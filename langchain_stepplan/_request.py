"""One call, from the model's fields and the arguments of the call."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage

from langchain_stepplan._messages import to_messages
from langchain_stepplan._tools import to_tool
from stepplan.integration.options import Call, call_options, hide_headers, to_call

if TYPE_CHECKING:
    from langchain_stepplan._fields import StepPlanFields

# LangChain leaves these among the arguments, for itself.
_MARKS = {"stream", "ls_structured_output_format", "structured_output_format"}


def request_call(
    model: "StepPlanFields", messages: Sequence[BaseMessage], stop: list[str] | None, given: dict[str, Any]
) -> Call:
    """One call; what is given to it wins over the model's fields.

    Raises:
        InvalidRequestError: An argument is not known, or a value cannot be right.
    """
    hide_headers(given)
    options = {name: value for name, value in given.items() if name not in _MARKS}
    if stop is not None:
        options["stop"] = stop
    of_call = call_options(options, type(model).model_fields, model.ADVICE)
    return to_call(to_messages(messages), model.__dict__, of_call, reader=to_tool)
