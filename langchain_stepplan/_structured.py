"""Structured output: what asks for it, and a parser that says why there is none."""

import json
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Literal, TypeGuard, cast

import pydantic
import pydantic.v1
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import BaseCumulativeTransformOutputParser
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables import Runnable, RunnableAssign, RunnableParallel
from langchain_core.utils.json import parse_json_markdown
from langchain_core.utils.pydantic import is_basemodel_subclass
from typing_extensions import override

from langchain_stepplan._errors import refused
from langchain_stepplan._replay import arguments_and_reason
from langchain_stepplan._tools import to_openai_tools
from stepplan import InvalidRequestError, parse_partial_arguments
from stepplan.names import wire_name

Method = Literal["json_schema", "function_calling", "json_mode"]
Schema = Mapping[str, Any] | type


class StructuredOutputParser(BaseCumulativeTransformOutputParser[Any]):
    """Reads an object from an answer: from the call of a tool, or from the text.

    While an answer streams in, it gives what there is of the object so far; of a class, once the class accepts it. The
    end is read strictly.

    Attributes:
        tool_name: The tool whose arguments are the object; `None` if the text is.
        object_type: The Pydantic class (of version 1 or 2) to make of it; `None` for a dict.
    """

    tool_name: str | None = None
    object_type: Any = None

    @override
    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """The object in an answer.

        Raises:
            OutputParserException: There is none; the message says why, and what to do.
            ModelError: The model refused (`ModelRefusalError`, where LangChain has it).
        """
        [generation] = result
        if not isinstance(generation, ChatGeneration):
            raise OutputParserException("Structured output is read from the answers of chat models only.")
        message = cast("AIMessage", generation.message)
        if partial and "finish_reason" not in message.response_metadata:
            return self._part(message)
        if message.response_metadata.get("finish_reason") == "content_filter":
            raise refused(message)
        return self._typed(self._read(message))

    @override
    def parse(self, text: str) -> Any:
        """The object in an answer's text."""
        return self.parse_result([ChatGeneration(message=AIMessage(text))])

    def _part(self, message: AIMessage) -> Any:
        found: dict[str, Any] = {}
        if self.tool_name is None and "{" in message.text:
            found = parse_json_markdown(message.text, parser=parse_partial_arguments)
        for call in message.tool_calls:
            if call["name"] == self.tool_name:
                found = call["args"]
        if self.object_type is None:
            return found or None
        try:
            return self._typed(found)
        except OutputParserException:
            return None

    def _read(self, message: AIMessage) -> dict[str, Any]:
        if self.tool_name is not None:
            for call in message.tool_calls:
                if call["name"] == self.tool_name:
                    return call["args"]
            raise self._nothing(message, "called no tool")
        try:
            value = parse_json_markdown(message.text, parser=json.loads)
        except ValueError as error:
            raise self._nothing(message, f"is not JSON ({error})") from error
        if not isinstance(value, dict):
            raise self._nothing(message, "is no JSON object")
        return cast("dict[str, Any]", value)

    def _nothing(self, message: AIMessage, what: str) -> Exception:
        reason = message.response_metadata.get("finish_reason")
        if reason == "length":
            said = "The answer was cut off at the token limit: raise max_tokens, or lower reasoning_effort."
        elif message.invalid_tool_calls:
            said = str(arguments_and_reason(message.invalid_tool_calls[0])[1])
        else:
            said = f"The answer {what}: {message.text[:500]!r}"
        return OutputParserException(said, llm_output=message.text)

    def _typed(self, found: dict[str, Any]) -> Any:
        if self.object_type is None:
            return found
        try:
            if issubclass(self.object_type, pydantic.BaseModel):
                return self.object_type.model_validate(found)
            return self.object_type.parse_obj(found)
        except (pydantic.ValidationError, pydantic.v1.ValidationError) as error:
            text = json.dumps(found, ensure_ascii=False)
            raise OutputParserException(
                f"The answer is no {self.object_type.__name__}: {error}", llm_output=text
            ) from error

    @property
    @override
    def OutputType(self) -> Any:
        return self.object_type or dict[str, Any]

    @property
    @override
    def _type(self) -> str:
        return "stepplan_structured_output"


def structured_output(
    bind: Callable[..., Runnable[Any, AIMessage]],
    schema: Schema | None,
    *,
    method: Method,
    strict: bool | None,
    tools: list[Any],
    include_raw: bool,
) -> Runnable[Any, Any]:
    """A model bound to the schema, and the parser behind it. `bind` is the model's `bind_tools`.

    Raises:
        InvalidRequestError: The arguments do not fit together.
    """
    if schema is None and method != "json_mode":
        raise InvalidRequestError(f"method={method!r} needs a schema.")
    if strict is not None and method == "json_mode":
        raise InvalidRequestError("strict has no meaning with method='json_mode', which knows no schema.")
    if tools and method == "function_calling":
        raise InvalidRequestError(
            "tools= goes with method='json_schema': with 'function_calling' the schema is the tool."
        )
    function = None if schema is None else to_openai_tools([schema], strict)[0]["function"]
    marks = {"ls_structured_output_format": {"kwargs": {"method": method, "strict": strict}, "schema": function or {}}}
    if method == "function_calling":
        name = cast("dict[str, Any]", function)["name"]
        llm = bind([schema], tool_choice=name, strict=strict, **marks)
    else:
        name = None
        llm = bind(tools, strict=strict, response_format=_response_format(method, function, strict), **marks)
    parser = StructuredOutputParser(tool_name=name, object_type=schema if _is_model(schema) else None)
    if not include_raw:
        return llm | parser
    # Not `RunnablePassthrough.assign`, nor lambdas: neither pickles.
    parsed = RunnableAssign(RunnableParallel(parsed=itemgetter("raw") | parser, parsing_error=_nothing))
    failed = RunnableAssign(RunnableParallel(parsed=_nothing))
    return RunnableParallel(raw=llm) | parsed.with_fallbacks([failed], exception_key="parsing_error")


def _nothing(_: object) -> None:
    return None


def _is_model(schema: Any) -> TypeGuard[type]:
    return isinstance(schema, type) and is_basemodel_subclass(schema)


def _response_format(method: Method, function: dict[str, Any] | None, strict: bool | None) -> dict[str, Any]:
    if method == "json_mode" or function is None:
        return {"type": "json_object"}
    schema: dict[str, Any] = {"name": wire_name(function["name"]), "schema": function["parameters"]}
    if strict is not None:
        schema["strict"] = strict
    return {"type": "json_schema", "json_schema": schema}
