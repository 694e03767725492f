"""Tools and the choice among them, in every form that LangChain's users write."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from langchain_core.utils.function_calling import convert_to_openai_tool

from langchain_stepplan._schemas import recursive_schema
from stepplan import InvalidRequestError, JSONSchema, NamedTool, Tool, ToolChoice

_ANY = ("any", "required", True)


def to_openai_tools(tools: Sequence[Any], strict: bool | None = None) -> list[dict[str, Any]]:
    """The tools in the one form in which they travel through LangChain.

    Raises:
        InvalidRequestError: One is run by a server, and is no function.
    """
    formatted = [_to_openai_tool(tool, strict) for tool in tools]
    for tool in formatted:
        if tool.get("type") != "function":
            raise InvalidRequestError(
                f"The tool type {tool.get('type')!r} is no function: pass it with extra_body={{'tools': [...]}}."
            )
    return formatted


def _to_openai_tool(tool: Any, strict: bool | None) -> dict[str, Any]:
    if (schema := recursive_schema(tool)) is not None:
        tool = {**convert_to_openai_tool(tool)["function"], "parameters": schema}
    return convert_to_openai_tool(tool, strict=strict)


def to_tool(formatted: Mapping[str, Any]) -> Tool:
    """A tool for the core."""
    function: Mapping[str, Any] = formatted["function"]
    return Tool(
        name=function["name"],
        description=function.get("description") or "",
        parameters=function.get("parameters") or {},
        strict=function.get("strict"),
    )


def to_openai_tool_choice(choice: Any, names: Sequence[str]) -> Any:
    """Any way of saying which tool to call, as `None` (the model's choice), `none`, `required`, or a named function.

    A tool that has the name of a choice, such as `any`, wins.

    Raises:
        InvalidRequestError: It names a tool that is not there, or says nothing known.
    """
    if isinstance(choice, str) and choice in names:
        return _named(choice, names)
    if choice in _ANY:
        return "required"
    if choice in (None, False, "auto"):
        return None
    if choice == "none":
        return "none"
    if isinstance(choice, str):
        return _named(choice, names)
    if isinstance(choice, Mapping):
        said = cast("Mapping[str, Any]", choice)
        name = said.get("name") or cast("Mapping[str, Any]", said.get("function") or {}).get("name")
        if isinstance(name, str):
            return _named(name, names)
        if said.get("type") in {"auto", "any", "none", "required"}:
            return to_openai_tool_choice(said["type"], names)
    raise InvalidRequestError(
        f"tool_choice={choice!r} is not understood: it is 'auto', 'none', 'any', or the name of a tool."
    )


def _named(name: str, names: Sequence[str]) -> dict[str, Any]:
    if name not in names:
        raise InvalidRequestError(f"tool_choice names {name!r}, but the tools are: {', '.join(names) or 'none'}.")
    return {"type": "function", "function": {"name": name}}


def to_tool_choice(choice: Any, tools: Sequence[Tool]) -> ToolChoice:
    """The choice for the core."""
    formatted = to_openai_tool_choice(choice, [tool.name for tool in tools])
    if isinstance(formatted, dict):
        return NamedTool(cast("dict[str, Any]", formatted)["function"]["name"])
    return cast("ToolChoice", formatted or "auto")


def to_response_format(value: Any) -> JSONSchema | str | None:
    """The response format for the core, from its Chat Completions form.

    Raises:
        InvalidRequestError: It is of no known form.
    """
    if value is None or isinstance(value, JSONSchema):
        return value
    if isinstance(value, Mapping):
        said = cast("Mapping[str, Any]", value)
        match said.get("type"):
            case "text":
                return None
            case "json_object":
                return "json_object"
            case "json_schema":
                schema: Mapping[str, Any] = said["json_schema"]
                return JSONSchema(schema.get("name") or "answer", schema["schema"], schema.get("strict"))
            case _:
                pass
    raise InvalidRequestError(
        f"response_format={value!r} is not understood: it is {{'type': 'json_object'}} or {{'type': 'json_schema', "
        "'json_schema': {...}}; with_structured_output() takes classes."
    )
