"""Tools in the forms that LangChain's users write, as the core's."""

import inspect
from collections.abc import Mapping
from typing import Any

from langchain_core.utils.function_calling import convert_to_openai_tool

from langchain_stepplan._schemas import recursive_schema
from stepplan import Retrieval, Tool, WebSearch
from stepplan.integration import tools

_NO_WORDS_OF_ITS_OWN = inspect.getdoc(dict)
"""What LangChain takes for the description of a TypedDict without a docstring."""


def to_tool(given: Any) -> tools.Offered:
    """A tool: one of StepFun's own, or a function (see `to_function`).

    Raises:
        InvalidRequestError: It is neither.
    """
    return tools.to_tool(given) if isinstance(given, Mapping | WebSearch | Retrieval) else to_function(given)


def to_function(given: Any, *, default_name: str = "") -> Tool:
    """A function that the caller runs. Plain data is read by the core, everything else by LangChain.

    Args:
        given: A tool, a function, a Pydantic class (of version 1 or 2), a TypedDict, or plain data.
        default_name: The name of plain data that has none.

    Raises:
        InvalidRequestError: It is none of these, or a tool that is not a function.
    """
    if isinstance(given, Mapping | Tool):
        return tools.to_function(given, default_name=default_name)
    try:
        data = convert_to_openai_tool(given)
        schema = recursive_schema(given)
    except tools.NO_TOOL as error:
        raise tools.no_tool(given, error) from error
    if data["function"].get("description") == _NO_WORDS_OF_ITS_OWN:
        data["function"]["description"] = ""
    if schema is not None:
        data["function"]["parameters"] = schema
    return tools.to_function(data)
