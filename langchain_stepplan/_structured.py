"""Structured output: what is asked for, and a parser that says why there is no object."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any, Literal, TypeGuard, cast, get_args

import pydantic
import pydantic.v1
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.output_parsers import BaseCumulativeTransformOutputParser
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables import Runnable, RunnableAssign, RunnableParallel
from langchain_core.utils.pydantic import is_basemodel_subclass
from typing_extensions import override

from langchain_stepplan._errors import to_langchain
from langchain_stepplan._replay import arguments_and_reason
from langchain_stepplan._tools import to_function
from stepplan import ContentBlockedError, InvalidRequestError, ResponseDecodeError, Tool
from stepplan.arguments import shown
from stepplan.integration.objects import Answer, ObjectReader, to_instance
from stepplan.integration.tools import as_json_schema, as_openai_response_format, as_openai_tool, with_strict

Method = Literal["json_schema", "function_calling", "json_mode"]
Schema = Mapping[str, Any] | type


class StructuredOutputParser(BaseCumulativeTransformOutputParser[Any]):
    """Reads an object from an answer: from a tool call, or from the text.

    While an answer streams in, it gives what there is of the object so far; of a class, once the class accepts it. The
    end is read strictly.

    Attributes:
        reader: Where the object is in the answer.
        object_type: The Pydantic class (of version 1 or 2) to make of it; `None` for a dict.
    """

    reader: ObjectReader = ObjectReader("object")
    object_type: Any = None

    @override
    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """The object in an answer; `None` if the model called another tool.

        Raises:
            OutputParserException: There is none; the message says why, and what to do.
            ContentBlockedError: The model refused to answer (a `ModelRefusalError`, where LangChain has it).
        """
        [generation] = result
        if not isinstance(generation, ChatGeneration):
            raise OutputParserException("Structured output is read from the answers of chat models only.")
        message = cast("AIMessage", generation.message)
        answer = _to_answer(message)
        if partial and answer.finish_reason is None:
            return self._part(answer)
        try:
            found = self.reader.read(answer)
            return None if found is None else self._typed(found, answer)
        except ContentBlockedError as error:
            refusal: Any = to_langchain(error)
            refusal.raw_message = message  # as LangChain's own parsers do
            raise refusal from None
        except ResponseDecodeError as error:
            raise OutputParserException(str(error), llm_output=error.body) from error.__cause__

    @override
    def parse(self, text: str) -> Any:
        """The object in an answer's text."""
        return self.parse_result([ChatGeneration(message=AIMessage(text))])

    @override
    def _transform(self, input: Iterator[str | BaseMessage]) -> Iterator[Any]:
        """The parts of the object; `None`, which LangChain leaves out of streams, if the model called another tool."""
        empty = True
        for part in super()._transform(input):
            empty = False
            yield part
        if empty:
            yield None

    @override
    async def _atransform(self, input: AsyncIterator[str | BaseMessage]) -> AsyncIterator[Any]:
        """See `_transform`."""
        empty = True
        async for part in super()._atransform(input):
            empty = False
            yield part
        if empty:
            yield None

    def _part(self, answer: Answer) -> Any:
        found = self.reader.read_part(answer)
        try:
            return self._typed(found, answer) or None
        except (ResponseDecodeError, ValueError):  # it does not fit yet, or holds what JSON cannot express
            return None

    def _typed(self, found: dict[str, Any], answer: Answer) -> Any:
        if self.object_type is None:
            return found
        try:
            if issubclass(self.object_type, pydantic.BaseModel):
                return to_instance(self.object_type, found)
            return self.object_type.parse_obj(found)
        except (pydantic.ValidationError, pydantic.v1.ValidationError) as error:
            said = f"The answer is not a valid {self.object_type.__name__}: {error}"
            raise self.reader.failure(answer, said, found) from error

    @property
    @override
    def OutputType(self) -> Any:
        return self.object_type or dict[str, Any]

    @property
    @override
    def _type(self) -> str:
        return "stepplan_structured_output"


def _to_answer(message: AIMessage) -> Answer:
    return Answer(
        text=message.text,
        calls=[(call["name"], call["args"]) for call in message.tool_calls],
        invalid=next((arguments_and_reason(call)[1] for call in message.invalid_tool_calls), None),
        finish_reason=message.response_metadata.get("finish_reason"),
    )


def structured_output(
    bind_tools: Callable[..., Runnable[Any, AIMessage]],
    schema: Schema | None,
    *,
    method: Method | None,
    strict: bool | None,
    tools: Sequence[Any],
    include_raw: bool,
    best: Method,
    has_formats: bool,
    options: Mapping[str, Any],
) -> Runnable[Any, Any]:
    """A model bound to the schema, with the parser behind it.

    Args:
        bind_tools: The model's method.
        schema: What the answers are to be; `None` for any object.
        method: How the model is asked; `None` for the best way.
        strict: Whether the server is to hold to the schema strictly.
        tools: Tools that the model may call instead.
        include_raw: Whether the message is to be given, too.
        best: The best way for this model over this protocol.
        has_formats: Whether the protocol has response formats.
        options: Further options of the calls.

    Raises:
        InvalidRequestError: The arguments do not fit together.
    """
    asked, method = method, _method(best if method is None else method, schema, strict, has_formats=has_formats)
    by_tool = method == "function_calling"
    tool = None if schema is None else with_strict(to_function(schema, default_name="answer"), strict)
    described: dict[str, Any] = {} if tool is None else as_openai_tool(tool)["function"]
    marks = {"ls_structured_output_format": {"kwargs": {"method": method, "strict": strict}, "schema": described}}
    if decided := options.keys() & {"response_format", *(["tool_choice"] if by_tool else [])}:
        raise InvalidRequestError(f"{decided.pop()} is decided by with_structured_output: leave it out.")
    reader = ObjectReader("JSON object" if tool is None else tool.name, others=bool(tools))
    if tool is not None and by_tool:
        reader = replace(reader, tool=tool.name)
        choice = {"type": "any"} if tools else {"type": "tool", "name": tool.name}
        if asked not in {None, method}:
            choice["asked_by"] = f"method={asked!r}"
        llm = bind_tools([as_openai_tool(tool), *tools], tool_choice=choice, strict=strict, **marks, **options)
    else:
        llm = bind_tools(tools, strict=strict, response_format=_response_format(method, tool), **marks, **options)
    parser = StructuredOutputParser(reader=reader, object_type=schema if _is_model(schema) else None)
    if not include_raw:
        return llm | parser
    # Not `RunnablePassthrough.assign`, nor lambdas: neither pickles.
    parsed = RunnableAssign(RunnableParallel(parsed=itemgetter("raw") | parser, parsing_error=_none))
    failed = RunnableAssign(RunnableParallel(parsed=_none))
    return RunnableParallel(raw=llm) | parsed.with_fallbacks([failed], exception_key="parsing_error")


def _method(method: Method, schema: Schema | None, strict: bool | None, *, has_formats: bool) -> Method:
    """How the model is asked, by this protocol."""
    if method not in get_args(Method):
        raise InvalidRequestError(
            f"method={shown(method)} is not known: it is {', '.join(map(repr, get_args(Method)))}."
        )
    if schema is None and method != "json_mode":
        raise InvalidRequestError(f"method={method!r} needs a schema.")
    if strict is not None and method == "json_mode":
        raise InvalidRequestError("strict has no meaning with method='json_mode', which has no schema.")
    if has_formats or method == "function_calling":
        return method
    if schema is None:
        raise InvalidRequestError(
            "method='json_mode' needs a schema over this protocol, which has no response formats: give one, or use "
            "protocol='openai'."
        )
    return "function_calling"


def _response_format(method: Method, tool: Tool | None) -> dict[str, Any]:
    if tool is None or method == "json_mode":
        return {"type": "json_object"}
    return as_openai_response_format(as_json_schema(tool))


def _none(_: object) -> None:
    return None


def _is_model(schema: Any) -> TypeGuard[type]:
    return isinstance(schema, type) and is_basemodel_subclass(schema)
