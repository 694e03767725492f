"""Structured prediction, in all four forms, over one plan: same prompt, same schema, same checks.

LlamaIndex's own programs drop the system prompt in the async form and do not ask for the tool when streaming.
"""

from collections.abc import AsyncGenerator, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.instrumentation.events.llm import (
    LLMStructuredPredictEndEvent,
    LLMStructuredPredictInProgressEvent,
    LLMStructuredPredictStartEvent,
)
from llama_index.core.program.utils import FlexibleModel
from llama_index.core.prompts import BasePromptTemplate
from llama_index.core.types import PydanticProgramMode
from llama_index_instrumentation import get_dispatcher
from pydantic import BaseModel, ValidationError

from llama_index_stepplan._fields import StepPlanFields
from llama_index_stepplan._partial import PartialReader
from llama_index_stepplan._replay import INVALID_CALLS
from llama_index_stepplan._untyped import response_kwargs
from stepplan import InvalidRequestError, NamedTool, ResponseDecodeError, Tool, parse_arguments
from stepplan.arguments import shown
from stepplan.integration.objects import Answer, ObjectReader, to_instance
from stepplan.integration.options import call_options, merged_options
from stepplan.integration.schemas import is_class
from stepplan.integration.tools import (
    as_json_schema,
    as_openai_response_format,
    as_openai_tool,
    as_openai_tool_choice,
    class_tool,
    takes_json_schema,
    with_strict,
)

M = TypeVar("M", bound=BaseModel)

dispatcher = get_dispatcher(__name__)

_OWN_OPTIONS = {"tools", "tool_choice", "tool_required", "allow_parallel_tool_calls", "response_format"}
"""What this module decides; callers' values are left aside, as LlamaIndex's programs do."""


class StructuredOutputError(ResponseDecodeError, ValueError):
    """The answer is not the object that was asked for."""


@dataclass(frozen=True, slots=True)
class _Plan(Generic[M]):
    """What to ask, and how to read the answer."""

    output_cls: type[M]
    messages: list[ChatMessage]
    options: dict[str, Any]
    reader: ObjectReader
    start: LLMStructuredPredictStartEvent

    def stream_reader(self) -> "_StreamReader[M]":
        """Reads one streamed answer."""
        return _StreamReader(self)

    def result(self, response: ChatResponse) -> M:
        """The object.

        Raises:
            ContentBlockedError: The model refused to answer.
            StructuredOutputError: The answer does not hold one.
        """
        answer = _to_answer(response)
        try:
            return self._validated(self.reader.read(answer) or {}, answer)
        except ResponseDecodeError as error:
            failure = StructuredOutputError(str(error), body=error.body)
            raise failure from error.__cause__

    def _validated(self, found: dict[str, Any], answer: Answer) -> M:
        try:
            return to_instance(self.output_cls, found)
        except ValidationError as error:
            said = f"The answer is not a valid {self.output_cls.__name__}: {error}"
            raise self.reader.failure(answer, said, found) from error


class _StreamReader(Generic[M]):
    """A streamed answer: the parts of the object while they come, and at the end the object."""

    def __init__(self, plan: _Plan[M]) -> None:
        self._plan = plan
        self._parts = PartialReader(plan.output_cls)
        self._last = ChatResponse(message=ChatMessage())

    def read(self, chunk: ChatResponse) -> M | FlexibleModel | None:
        """The object as far as it has come, if this chunk brings it further."""
        self._last = chunk
        calls = chunk.message.additional_kwargs.get("tool_calls")
        if calls and self._plan.reader.tool is not None:
            return self._parts.read(calls[0]["function"]["arguments"])
        return self._parts.read(chunk.message.content or "")

    def result(self) -> M:
        """The whole object. See `_Plan.result`."""
        return self._plan.result(self._last)


class StructuredPrediction(StepPlanFields):
    """Predicts objects over its own wire.

    `pydantic_program_mode` chooses how: by default the best way of protocol and model, `FUNCTION` a tool; any other
    mode is LlamaIndex's own affair.
    """

    def structured_predict(
        self,
        output_cls: type[M],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> M:
        """An object instead of text.

        Args:
            output_cls: The Pydantic class of the object.
            prompt: The question.
            llm_kwargs: Options for this call.
            **prompt_args: What fills the prompt.

        Raises:
            StructuredOutputError: The answer does not hold the object, or was cut off.
            StepPlanError: As for `chat`.
        """
        plan = self._plan(output_cls, prompt, llm_kwargs, prompt_args)
        if plan is None:
            return cast("M", super().structured_predict(output_cls, prompt, llm_kwargs, **prompt_args))
        dispatcher.event(plan.start)
        result = plan.result(self.chat(plan.messages, **plan.options))
        dispatcher.event(LLMStructuredPredictEndEvent(output=result))
        return result

    async def astructured_predict(
        self,
        output_cls: type[M],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> M:
        """See `structured_predict`."""
        plan = self._plan(output_cls, prompt, llm_kwargs, prompt_args)
        if plan is None:
            return cast("M", await super().astructured_predict(output_cls, prompt, llm_kwargs, **prompt_args))
        dispatcher.event(plan.start)
        result = plan.result(await self.achat(plan.messages, **plan.options))
        dispatcher.event(LLMStructuredPredictEndEvent(output=result))
        return result

    def stream_structured_predict(
        self,
        output_cls: type[M],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Generator[M | FlexibleModel]:
        """The object as it fills in, the whole one last. Parts have the same fields, each `None` until it arrives."""
        plan = self._plan(output_cls, prompt, llm_kwargs, prompt_args)
        if plan is None:
            yield from super().stream_structured_predict(output_cls, prompt, llm_kwargs, **prompt_args)
            return
        dispatcher.event(plan.start)
        reader = plan.stream_reader()
        for chunk in self.stream_chat(plan.messages, **plan.options):
            if (part := reader.read(chunk)) is not None:
                dispatcher.event(LLMStructuredPredictInProgressEvent(output=part))
                yield part
        yield (result := reader.result())
        dispatcher.event(LLMStructuredPredictEndEvent(output=result))

    async def astream_structured_predict(
        self,
        output_cls: type[M],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> AsyncGenerator[M | FlexibleModel]:
        """See `stream_structured_predict`."""
        plan = self._plan(output_cls, prompt, llm_kwargs, prompt_args)
        if plan is None:
            return await super().astream_structured_predict(output_cls, prompt, llm_kwargs, **prompt_args)

        async def parts() -> AsyncGenerator[M | FlexibleModel]:
            dispatcher.event(plan.start)
            reader = plan.stream_reader()
            async for chunk in await self.astream_chat(plan.messages, **plan.options):
                if (part := reader.read(chunk)) is not None:
                    dispatcher.event(LLMStructuredPredictInProgressEvent(output=part))
                    yield part
            yield (result := reader.result())
            dispatcher.event(LLMStructuredPredictEndEvent(output=result))

        return parts()

    def _plan(
        self,
        output_cls: type[M],
        prompt: BasePromptTemplate,
        llm_kwargs: Mapping[str, Any] | None,
        prompt_args: dict[str, Any],
    ) -> _Plan[M] | None:
        """How to predict; `None` if LlamaIndex is to do it."""
        mode = self.pydantic_program_mode
        if mode not in {PydanticProgramMode.DEFAULT, PydanticProgramMode.FUNCTION}:
            return None
        options = {name: value for name, value in (llm_kwargs or {}).items() if name not in _OWN_OPTIONS}
        layers = (call_options(given, type(self).model_fields) for given in (self.additional_kwargs, options))
        model: str = merged_options({"model": self.model}, *layers)["model"]
        if not is_class(output_cls):
            raise InvalidRequestError(f"output_cls must be a Pydantic class, not {shown(output_cls)}.")
        by_tool = mode == PydanticProgramMode.FUNCTION or not takes_json_schema(model, self.protocol)
        tool = with_strict(class_tool(output_cls), self.strict)
        return _Plan(
            output_cls=output_cls,
            messages=self._extend_messages(prompt.format_messages(llm=self, **prompt_args)),
            options=options | (_as_tool if by_tool else _as_format)(tool),
            reader=ObjectReader(tool.name, tool=tool.name if by_tool else None),
            start=LLMStructuredPredictStartEvent(output_cls=output_cls, template=prompt, template_args=prompt_args),
        )


def _as_format(tool: Tool) -> dict[str, Any]:
    return {"response_format": as_openai_response_format(as_json_schema(tool))}


def _as_tool(tool: Tool) -> dict[str, Any]:
    return {"tools": [as_openai_tool(tool)], "tool_choice": as_openai_tool_choice(NamedTool(tool.name))}


def _to_answer(response: ChatResponse) -> Answer:
    kwargs = response.message.additional_kwargs
    calls = [call["function"] for call in kwargs.get("tool_calls", ())]
    invalid = kwargs.get(INVALID_CALLS)
    return Answer(
        text=response.message.content or "",
        calls=[(call["name"], parse_arguments(call["arguments"])) for call in calls],
        invalid=invalid[0]["error"] if invalid else None,
        finish_reason=response_kwargs(response).get("finish_reason"),
    )
