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
from stepplan.integration.signatures import signed
from stepplan.integration.tools import (
    as_openai_tool,
    as_openai_tool_choice,
    one_call_at_most,
    takes_json_schema,
    to_tool_choice,
    to_tools,
    with_strict,
)

_standard.register()


class ChatStepPlan(StepPlanFields):
    """A chat model for StepFun's models on the Step Plan.

    Install it with `pip install langchain-stepplan`, and set the key with `export STEP_API_KEY=...`.

    Example:
        Ask, and stream the reasoning and the answer:

        ```python
        from langchain_stepplan import ChatStepPlan

        llm = ChatStepPlan(model="step-3.7-flash", reasoning_effort="high")
        print(llm.invoke("Hello").text)

        for chunk in llm.stream("Why is the sky blue?"):
            print(chunk.additional_kwargs.get("reasoning_content", ""), chunk.text, sep="", end="", flush=True)
        ```

        Call tools, and get an object instead of text:

        ```python
        llm.bind_tools([get_weather]).invoke("What is the weather in Paris?").tool_calls
        llm.with_structured_output(Person).invoke("Bob is 42 years old.")
        ```

        Use the Messages protocol, and await the answer:

        ```python
        await ChatStepPlan(protocol="anthropic").ainvoke("Hello")
        ```

    An answer has its text in `text`, the reasoning in `additional_kwargs["reasoning_content"]`, and both, in order, in
    `content_blocks`. This is the same over both protocols, streamed or not.

    All arguments are optional. An unknown argument raises an error that suggests the closest known one.
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
    @signed
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
    @signed
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
    @signed
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
    @signed
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
        """The model, with tools that it may call.

        Args:
            tools: Tools, functions, Pydantic classes, TypedDicts, JSON Schemas or tools in OpenAI's or Anthropic's
                format. A name that the API does not accept is sent under an alias.
            tool_choice: `auto`, `none`, `any` (also `required` or True), or a tool's name, in either vendor's format.
                Messages has no field to force a call: the system prompt asks for it instead, and you get a warning.
            strict: Ask the server to make arguments follow their schema. Chat Completions only; sent only if set.
            **kwargs: Further arguments of the calls, such as `parallel_tool_calls` or `temperature`.

        Raises:
            InvalidRequestError: A tool runs on another vendor's servers, or the choice names a tool that is not there.
        """
        with langchain_errors():
            offered = [with_strict(tool, strict) for tool in to_tools(tools, to_tool)]
            choice = to_tool_choice(tool_choice, offered)
        if choice != "auto":
            kwargs["tool_choice"] = as_openai_tool_choice(choice)
        if one_call_at_most(tool_choice):
            kwargs.setdefault("parallel_tool_calls", False)
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
        """The model, with objects as answers.

        Args:
            schema: A Pydantic class (answers are instances), a TypedDict, a JSON Schema or a tool (answers are dicts).
            method: `json_schema`, the default over Chat Completions: the server constrains the answer to the schema.
                `function_calling`, the default over Messages and for models without `json_schema`: the schema is sent
                as a tool that the model has to call. `json_mode`: the answer is any JSON object. Over Messages,
                `json_schema` and `json_mode` use a tool, and warn.
            include_raw: Return `{"raw": message, "parsed": object, "parsing_error": error}`, and do not raise parsing
                errors.
            strict: Ask the server to follow the schema strictly. Sent only if set.
            tools: Tools that the model may call instead of answering. If it does, the object is `None`.
            **kwargs: Further arguments of the calls.

        Raises:
            InvalidRequestError: The arguments contradict each other.
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
        """How many input tokens a prompt has, as the server counts them. Takes one request, which costs no tokens.

        Args:
            input: What `invoke` takes.
            tools: The tools to count with it.
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
        """Estimate how many tokens a text has, offline. `count_tokens` is exact."""
        return estimate_text(text) if self.custom_get_token_ids is None else len(self.get_token_ids(text))

    @override
    def get_token_ids(self, text: str) -> list[int]:
        """The ids of a text's tokens, from your `custom_get_token_ids`.

        Raises:
            NotImplementedError: You did not set it. StepFun publishes no tokenizer.
        """
        if self.custom_get_token_ids is None:
            raise NotImplementedError("StepFun publishes no tokenizer: use get_num_tokens(), or count_tokens().")
        return self.custom_get_token_ids(text)

    @override
    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """Estimate how many tokens messages and tools have, offline, so that `trim_messages` can call it often."""
        with langchain_errors():
            functions = [tool for tool in to_tools(tools or (), to_tool) if isinstance(tool, Tool)]
            return estimate(to_messages(messages), functions)
