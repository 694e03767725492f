"""Tools in the forms that LangChain's users write, as the core's."""

from collections.abc import Mapping
from typing import Any

from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import PydanticUserError

from langchain_stepplan._schemas import recursive_schema
from stepplan import InvalidRequestError, Tool
from stepplan.integration import tools


def to_tool(given: Any, *, default_name: str = "") -> Tool:
    """A tool. Plain data is read by the core, everything else by LangChain.

    Args:
        given: A tool, a function, a Pydantic class (of version 1 or 2), a TypedDict, or plain data.
        default_name: The name of plain data that has none.

    Raises:
        InvalidRequestError: It is none of these, or a tool that is not a function.
    """
    if isinstance(given, Mapping | Tool):
        return tools.to_tool(given, default_name=default_name)
    try:
        data = convert_to_openai_tool(given)
        schema = recursive_schema(given)
    except (PydanticUserError, TypeError, ValueError) as error:
        raise InvalidRequestError(f"This is not a tool: {str(given)[:100]}. {error}") from error
    if schema is not None:
        data["function"]["parameters"] = schema
    return tools.to_tool(data)
