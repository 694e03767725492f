"""`ChatStepPlan`: StepFun's Step Plan as a LangChain chat model."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable
from typing_extensions import override

from langchain_stepplan import _standard
from langchain_stepplan._answers import combined, to_result
from langchain_stepplan._chunks import Chunks
from langchain_stepplan._errors import langchain_errors
from langchain_stepplan._fields import StepPlanFields
from langchain_stepplan._messages import to_messages
from langchain_stepplan._prompts import readable
from langchain_stepplan._request import request_call
from langchain_stepplan._structured import Method, Schema, structured_output
from langchain_stepplan._tokens import estimate, estimate_text
from langchain_stepplan._tools import to_tool
from langchain_stepplan._unvalidated import to_generation
from langchain_stepplan._v3_events import V3Event, V3Events
from stepplan import AsyncClient, Client, MessageEnd, Request, Response, Tool, wire_protocol
from stepplan.integration.checks import CallCheck
from stepplan.integration.options import Call
from stepplan.integration.tools import (
    as_openai_tool,
    as_openai_tool_choice,
    takes_json_schema,
    to_tool_choice,
    to_tools,
    with_strict,
)

_standard.register()


class ChatStepPlan(StepPlanFields):
    """StepFun's Step Plan as a chat model, over either of its wire protocols.

    Example:
        ```python
        llm = ChatStepPlan(model="step-3.7-flash", reasoning_effort="high")  # STEP_API_KEY from the environment
        llm.invoke("Hello").text
        ```

    Answers hold their text in `content`, what the model thought in `additional_kwargs["reasoning_content"]`, and both
    in order in `content_blocks`; the same over both protocols, whole or streamed. An argument that is not known
    raises an error that names the nearest one.
    """

    # ----------------------------------------------------------------------------------------------------- answers

    @override
    def _convert_input(self, model_input: LanguageModelInput) -> PromptValue:
        return readable(super()._convert_input(model_input))

    def _result(self, request: Request, response: Response) -> ChatResult:
        return to_result(response, v1=self._v1, check=self._check(request))

    @override
    def _combine_llm_outputs(self, llm_outputs: list[dict[str, Any] | None]) -> dict[str, Any]:
        return combined(llm_outputs)

    def _check(self, request: Request) -> CallCheck:
        return CallCheck(has_tools=bool(request.functions), raises=self.raise_invalid_tool_calls)

    @property
    def _v1(self) -> bool:
        return self.output_version == "v1"

    def _client(self, call: Call) -> Client:
        return Client(call.settings, protocol=self.protocol, http_client=self.http_client)

    def _async_client(self, call: Call) -> AsyncClient:
        return AsyncClient(call.settings, protocol=self.protocol, http_client=self.http_async_client)

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with langchain_errors():
            call = request_call(self, messages, stop, kwargs)
            return self._result(call.request, self._client(call).send(call.request))

    @override
    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with langchain_errors():
            call = request_call(self, messages, stop, kwargs)
            return self._result(call.request, await self._async_client(call).send(call.request))

    @override
    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with langchain_errors():
            call = request_call(self, messages, stop, kwargs)
            chunks = Chunks(v1=self._v1, check=self._check(call.request))
            with contextlib.closing(self._client(call).stream(call.request)) as events:
                for event in events:
                    yield to_generation(chunks.add(event))

    @override
    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        with langchain_errors():
            call = request_call(self, messages, stop, kwargs)
            chunks = Chunks(v1=self._v1, check=self._check(call.request))
            async with contextlib.aclosing(self._async_client(call).stream(call.request)) as events:
                async for event in events:
                    yield to_generation(chunks.add(event))

    def _stream_chat_model_events(
        self,
        messages: list[BaseMessage],
        *,
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - core sends the events itself
        **kwargs: Any,
    ) -> Iterator[V3Event]:
        """The hook of `stream_events(version="v3")`."""
        with langchain_errors():
            call = request_call(self, messages, stop, kwargs)
            v3_events = V3Events(self.protocol, self._check(call.request))
            last: list[V3Event] = []  # core asks for nothing after it, so the connection is freed before
            with contextlib.closing(self._client(call).stream(call.request)) as events:
                for event in events:
                    if isinstance(event, MessageEnd):
                        last = v3_events.add(event)
                    else:
                        yield from v3_events.add(event)
            yield from last

    async def _astream_chat_model_events(
        self,
        messages: list[BaseMessage],
        *,
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - core sends the events itself
        **kwargs: Any,
    ) -> AsyncIterator[V3Event]:
        """The hook of `astream_events(version="v3")`."""
        with langchain_errors():
            call = request_call(self, messages, stop, kwargs)
            v3_events = V3Events(self.protocol, self._check(call.request))
            last: list[V3Event] = []
            async with contextlib.aclosing(self._async_client(call).stream(call.request)) as events:
                async for event in events:
                    if isinstance(event, MessageEnd):
                        last = v3_events.add(event)
                    else:
                        for v3_event in v3_events.add(event):
                            yield v3_event
            for v3_event in last:
                yield v3_event

    # ------------------------------------------------------------------------------------------------------- tools

    @override
    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | Any],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools that it may call.

        Args:
            tools: Tools, functions, Pydantic classes, TypedDicts, JSON Schemas or tools in OpenAI's or Anthropic's
                form. A name that the API refuses travels under a legal alias.
            tool_choice: `auto`, `none`, `any` (also `required` or True), or a tool's name, in either vendor's form.
                Messages cannot force a call: there one is asked for in the system prompt, with a warning.
            strict: Ask the server to hold arguments to their schema. Chat Completions only; sent only when set.
            **kwargs: Further arguments of the calls, such as `parallel_tool_calls` or `temperature`.

        Raises:
            InvalidRequestError: A tool is run by a server, or the choice names a tool that is not there.
        """
        with langchain_errors():
            offered = [with_strict(tool, strict) for tool in to_tools(tools, to_tool)]
            choice = to_tool_choice(tool_choice, offered)
        if choice != "auto":
            kwargs["tool_choice"] = as_openai_tool_choice(choice)
        return self.bind(tools=[as_openai_tool(tool) for tool in offered], **kwargs)

    @override
    def with_structured_output(
        self,
        schema: dict[str, Any] | type | None = None,
        *,
        method: Method | None = None,
        include_raw: bool = False,
        strict: bool | None = None,
        tools: list[Any] | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """The model with answers that are objects.

        Args:
            schema: A Pydantic class (answers are instances), a TypedDict, a JSON Schema or a tool (answers are dicts).
            method: `json_schema` (Chat Completions' default) has the server hold the answer to the schema;
                `function_calling` (the default over Messages, and of models that do not support `json_schema`) makes
                the schema a tool that must be called; `json_mode` asks for any JSON object. Over Messages the first and
                the last are done by a tool, with a warning.
            include_raw: Give `{"raw": message, "parsed": object, "parsing_error": error}`, and raise no parsing error.
            strict: Ask the server to hold to the schema strictly; sent only when set.
            tools: Tools that the model may call instead of answering. The object is `None` then.
            **kwargs: Further arguments of the calls.

        Raises:
            InvalidRequestError: The arguments do not fit together.
        """
        with langchain_errors():
            by_schema = takes_json_schema(kwargs.get("model") or self.model, self.protocol)
            return structured_output(
                self.bind_tools,
                cast("Schema | None", schema),
                method=method,
                strict=strict,
                tools=tools or [],
                include_raw=include_raw,
                best="json_schema" if by_schema else "function_calling",
                has_formats=wire_protocol(self.protocol).FACTS.documents("response_format"),
                options=kwargs,
            )

    # ------------------------------------------------------------------------------------------------------ tokens

    def count_tokens(self, input: LanguageModelInput, *, tools: Sequence[Any] = (), **kwargs: Any) -> int:
        """How many input tokens this would be, as the plan counts them: one request, which costs no tokens.

        Args:
            input: What `invoke` takes.
            tools: The tools that would be bound.
            **kwargs: Further arguments of the call.

        Raises:
            ModelError: As for `invoke`.
        """
        with langchain_errors():
            call = self._counted(input, tools, kwargs)
            return self._client(call).count_tokens(call.request)

    async def acount_tokens(self, input: LanguageModelInput, *, tools: Sequence[Any] = (), **kwargs: Any) -> int:
        """`count_tokens`, without blocking the event loop."""
        with langchain_errors():
            call = self._counted(input, tools, kwargs)
            return await self._async_client(call).count_tokens(call.request)

    def _counted(self, input: LanguageModelInput, tools: Sequence[Any], given: Mapping[str, Any]) -> Call:
        return request_call(self, self._convert_input(input).to_messages(), None, {**given, "tools": tools})

    @override
    def get_num_tokens(self, text: str) -> int:
        """About how many tokens a text has; no network, no download. `count_tokens` is exact."""
        return estimate_text(text) if self.custom_get_token_ids is None else len(self.get_token_ids(text))

    @override
    def get_token_ids(self, text: str) -> list[int]:
        """The ids of a text's tokens, by `custom_get_token_ids`.

        Raises:
            NotImplementedError: There is none: StepFun publishes no tokenizer.
        """
        if self.custom_get_token_ids is None:
            raise NotImplementedError("StepFun publishes no tokenizer: use get_num_tokens(), or count_tokens().")
        return self.custom_get_token_ids(text)

    @override
    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """About how many tokens messages and tools have; no network, so that `trim_messages` may call it often."""
        with langchain_errors():
            functions = [tool for tool in to_tools(tools or (), to_tool) if isinstance(tool, Tool)]
            return estimate(to_messages(messages), functions)
