"""Structured prediction, in all four forms, over one plan: same prompt, same schema, same checks.

LlamaIndex's own programs drop the system prompt in the async form and do not ask for the tool when streaming.
"""

from abc import abstractmethod
from collections.abc import AsyncGenerator, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.instrumentation.events.llm import (
    LLMStructuredPredictEndEvent,
    LLMStructuredPredictInProgressEvent,
    LLMStructuredPredictStartEvent,
)
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.program.utils import FlexibleModel
from llama_index.core.prompts import BasePromptTemplate
from llama_index.core.types import PydanticProgramMode
from llama_index_instrumentation import get_dispatcher
from pydantic import BaseModel, ValidationError

from llama_index_stepplan._partial import PartialReader
from llama_index_stepplan._replay import INVALID_CALLS
from llama_index_stepplan._untyped import response_kwargs
from stepplan import ResponseDecodeError
from stepplan.names import wire_name

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
    by_tool: bool
    start: LLMStructuredPredictStartEvent

    def reader(self) -> "_StreamReader[M]":
        """Reads one streamed answer."""
        return _StreamReader(self)

    def text(self, response: ChatResponse) -> str:
        """The JSON of the object, as far as it has come."""
        if not self.by_tool:
            return response.message.content or ""
        calls = response.message.additional_kwargs.get("tool_calls")
        return calls[0]["function"]["arguments"] if calls else ""

    def result(self, response: ChatResponse) -> M:
        """The object.

        Raises:
            StructuredOutputError: The answer does not hold one.
        """
        called = bool(response.message.additional_kwargs.get("tool_calls"))
        # A model that ignores the tool and writes the object down has answered too.
        text = self.text(response) if called else response.message.content or ""
        if called and text.strip() in {"", "null"}:
            text = "{}"
        try:
            return self.output_cls.model_validate_json(text)
        except ValidationError as error:
            failure = StructuredOutputError(self._complaint(response, text, error, called=called))
            failure.body = text
            raise failure from error

    def _complaint(self, response: ChatResponse, text: str, error: ValidationError, *, called: bool) -> str:
        name = self.output_cls.__name__
        if response_kwargs(response).get("finish_reason") == "length":
            return f"The answer was cut off before the {name} was whole: raise max_tokens, or lower reasoning_effort."
        if invalid := response.message.additional_kwargs.get(INVALID_CALLS):
            return f"The answer holds no {name}. {invalid[0]['error']}"
        if self.by_tool and not called:
            return f"The model answered in words instead of calling {name}: {text[:200]!r}."
        return f"The answer is not a valid {name}: {error}"


class _StreamReader(Generic[M]):
    """A streamed answer: the parts of the object while they come, and at the end the object."""

    def __init__(self, plan: _Plan[M]) -> None:
        self._plan = plan
        self._parts = PartialReader(plan.output_cls)
        self._last = ChatResponse(message=ChatMessage())

    def read(self, chunk: ChatResponse) -> M | FlexibleModel | None:
        """The object as far as it has come, if this chunk brings it further."""
        self._last = chunk
        return self._parts.read(self._plan.text(chunk))

    def result(self) -> M:
        """The whole object. See `_Plan.result`."""
        return self._plan.result(self._last)


class StructuredPredictionLLM(FunctionCallingLLM):
    """A function calling LLM that predicts objects over its own wire.

    `pydantic_program_mode` chooses how: by default the protocol's best way, `FUNCTION` a tool; any other mode is
    LlamaIndex's own affair.
    """

    strict: bool | None

    @property
    @abstractmethod
    def takes_json_schema(self) -> bool:
        """Whether the protocol has a response format for objects; otherwise a tool stands in."""

    def structured_predict(
        self,
        output_cls: type[M],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> M:
        """An object instead of words.

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
        reader = plan.reader()
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
            reader = plan.reader()
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
        by_tool = mode == PydanticProgramMode.FUNCTION or not self.takes_json_schema
        options = {name: value for name, value in (llm_kwargs or {}).items() if name not in _OWN_OPTIONS}
        return _Plan(
            output_cls=output_cls,
            messages=self._extend_messages(prompt.format_messages(llm=self, **prompt_args)),
            options=options | (_as_tool if by_tool else _as_format)(output_cls, self.strict),
            by_tool=by_tool,
            start=LLMStructuredPredictStartEvent(output_cls=output_cls, template=prompt, template_args=prompt_args),
        )


def object_schema(cls: type[BaseModel]) -> dict[str, Any]:
    """The class's JSON Schema, as an object at the top: Pydantic gives one that refers to itself as a reference."""
    schema = cls.model_json_schema()
    reference = schema.pop("$ref", None)
    return schema if reference is None else {**schema["$defs"][reference.rpartition("/")[2]], **schema}


def _as_format(output_cls: type[BaseModel], strict: bool | None) -> dict[str, Any]:
    schema: dict[str, Any] = {"name": wire_name(output_cls.__name__), "schema": object_schema(output_cls)}
    if strict is not None:
        schema["strict"] = strict
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _as_tool(output_cls: type[BaseModel], strict: bool | None) -> dict[str, Any]:
    schema = object_schema(output_cls)
    function: dict[str, Any] = {
        "name": output_cls.__name__,
        "description": schema.get("description", ""),
        "parameters": schema,
    }
    if strict is not None:
        function["strict"] = strict
    return {
        "tools": [{"type": "function", "function": function}],
        "tool_choice": {"type": "function", "function": {"name": output_cls.__name__}},
    }
