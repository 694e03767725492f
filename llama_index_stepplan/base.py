"""StepPlan: the LLM. Its fields, and the endpoints that LlamaIndex calls."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, Self

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
)
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools.types import BaseTool
from pydantic import Field, SecretStr

from llama_index_stepplan._blocks import reads_files
from llama_index_stepplan._convert import to_messages
from llama_index_stepplan._request import merge_options, to_request, unknown
from llama_index_stepplan._response import to_chat_response, to_completion
from llama_index_stepplan._stream import ChunkBuilder
from llama_index_stepplan._structured import StructuredPredictionLLM
from llama_index_stepplan._tools import no_tool_call, tool_data, tool_selections
from llama_index_stepplan._typed import chat_callback, completion_callback
from stepplan import AsyncClient, Client, InvalidRequestError, Message, ProtocolName, Region, Request, Settings
from stepplan.models import DEFAULT_MODEL, context_window

_ALIASES = {"api_base": "base_url"}
"""What other LLM classes call our arguments."""

_OPTION_FIELDS = (
    "model",
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "stop",
    "frequency_penalty",
    "reasoning_effort",
    "replay_reasoning",
    "repair_history",
    "extra_body",
)
_CLIENT_FIELDS = ("http_client", "async_http_client")


class StepPlan(StructuredPredictionLLM):
    """StepFun's Step Plan as an LLM in LlamaIndex: chat, tools, structured prediction and thinking, on both protocols.

    Example:
        `StepPlan(model="step-3.7-flash", reasoning_effort="high").complete("Hello")`

    Every option of a request may be given here, in `additional_kwargs`, or to one call (`llm.chat(messages,
    max_tokens=100)`): the call wins over `additional_kwargs`, which win over the field. Errors are those of `stepplan`.
    A model holds no connection: it pickles, copies, and works in any thread and event loop.

    Raises:
        InvalidRequestError: An argument is not known, or its value cannot be right.
    """

    model: str = Field(default=DEFAULT_MODEL, description="The model's name; any name works.")
    protocol: ProtocolName = Field(
        default="openai", description="`openai` (Chat Completions) or `anthropic` (Messages)."
    )
    region: Region = Field(default="global", description="`global` (api.stepfun.ai) or `china` (api.stepfun.com).")
    base_url: str | None = Field(
        default=None, description="Instead of the region's; with or without /v1. Also accepted as `api_base`."
    )
    api_key: SecretStr | str | None = Field(
        default=None,
        exclude=True,
        repr=False,
        description="The key; unset, STEP_API_KEY or STEPFUN_API_KEY is read when first needed.",
    )
    temperature: float | None = Field(default=None, description="0 to 2; unset, the server's default.")
    top_p: float | None = Field(default=None, description="Over 0, at most 1; unset, the server's default.")
    top_k: int | None = Field(default=None, description="0 to 500. Messages only.")
    max_tokens: int | None = Field(
        default=None, description="Limit on thinking and answer together. Unset: none on Chat, 32,768 on Messages."
    )
    stop: str | list[str] | None = Field(default=None, description="Sequences that end the answer.")
    frequency_penalty: float | None = Field(default=None, description="-2 to 2. Chat Completions only.")
    reasoning_effort: str | None = Field(default=None, description="`low`, `medium` or `high`, where the model has it.")
    replay_reasoning: bool = Field(
        default=True, description="Send the thinking of earlier answers of ours back, block for block."
    )
    repair_history: bool = Field(
        default=False, description="Report tool calls without a result as interrupted, instead of raising."
    )
    is_function_calling_model: bool = Field(default=True, description="Whether agents may offer tools to the model.")
    strict: bool | None = Field(
        default=None, description="Ask the server to hold to schemas exactly. Chat Completions only; sent if set."
    )
    context_window: int | None = Field(
        default=None,
        description="Tokens of input and output together; unset, what is known of the model, else 256,000.",
    )
    max_retries: int = Field(default=2, description="Further tries after a failure that may pass; 0 turns them off.")
    timeout: float = Field(default=600.0, description="Seconds for a whole (not streamed) answer.")
    stream_timeout: float = Field(default=120.0, description="Seconds a stream may bring nothing but pings.")
    connect_timeout: float = Field(default=10.0, description="Seconds to connect.")
    default_headers: dict[str, str] | None = Field(
        default=None, exclude=True, repr=False, description="Sent with every request. Like the key, never dumped."
    )
    extra_body: dict[str, Any] = Field(
        default_factory=dict, description="Fields to send as they are; they win over the options."
    )
    additional_kwargs: dict[str, Any] = Field(default_factory=dict, description="Options for every call.")
    http_client: Any = Field(
        default=None, exclude=True, repr=False, description="An httpx client of yours; never closed here."
    )
    async_http_client: Any = Field(
        default=None, exclude=True, repr=False, description="An async httpx client of yours; never closed here."
    )

    if not TYPE_CHECKING:  # checkers derive a typed signature from the fields

        def __init__(self, **fields: Any) -> None:
            fields = {_ALIASES.get(name, name): value for name, value in fields.items()}
            for name in fields:
                if name not in type(self).model_fields:
                    raise InvalidRequestError(unknown(name, (*type(self).model_fields, *_ALIASES)))
            if isinstance(fields.get("api_key"), str):
                fields["api_key"] = SecretStr(fields["api_key"])
            super().__init__(**fields)
            self._settings()
            self._request((), {})

    def __getstate__(self) -> dict[str, Any]:
        """Clients of the caller's stay behind: connections do not travel between processes."""
        return FunctionCallingLLM.__getstate__(self.model_copy(update=dict.fromkeys(_CLIENT_FIELDS)))

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Clients of the caller's are shared with the copy: connections cannot be copied."""
        clients = (getattr(self, name) for name in (*_CLIENT_FIELDS, "rate_limiter"))
        return super().__deepcopy__({**(memo or {}), **{id(client): client for client in clients}})

    @classmethod
    def class_name(cls) -> str:
        """The stable id for serialization; tracers show it as the provider."""
        return "stepplan"

    @property
    def metadata(self) -> LLMMetadata:
        """Facts about the model, from the fields and from what is known of it. Cheap, and the same for any name."""
        return LLMMetadata(
            context_window=self.context_window or context_window(self.model),
            num_output=self.max_tokens or -1,
            is_chat_model=True,
            is_function_calling_model=self.is_function_calling_model,
            model_name=self.model,
        )

    @property
    def takes_json_schema(self) -> bool:
        """Whether objects are asked for by their schema; Messages documents no such field, so there it is a tool."""
        return self.protocol == "openai"

    def to_payload(self) -> dict[str, Any]:
        """What callbacks and tracers are told about this model; no secret is in it."""
        names = ("model", "protocol", "temperature", "max_tokens", "reasoning_effort")
        options = {name: value for name in names if (value := getattr(self, name)) is not None}
        return {**super().to_payload(), "base_url": self._settings().root, **options}

    # ------------------------------------------------------------------------------------------------------ endpoints

    @chat_callback
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The whole answer to a conversation.

        Args:
            messages: The conversation; nothing in it is changed.
            **kwargs: Options for this call; besides those of the class `tools`, `tool_choice`, `response_format`,
                `parallel_tool_calls`, `extra_headers`, and `timeout` in seconds.

        Raises:
            StepPlanError: Of the class that says what went wrong.
        """
        return self._chat(messages, kwargs)

    @chat_callback
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """The answer as it comes: each chunk holds the message so far, the last one the whole. See `chat`."""
        return self._stream_chat(messages, kwargs)

    @chat_callback
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """See `chat`."""
        return await self._achat(messages, kwargs)

    @chat_callback
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """See `stream_chat`."""
        return await self._astream_chat(messages, kwargs)

    @completion_callback
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The whole answer to a prompt, as text alone.

        Args:
            prompt: What is asked; it becomes a user message.
            formatted: Whether `prompt` is in its final form, or `completion_to_prompt` is still to be applied.
            **kwargs: As for `chat`.

        Raises:
            StepPlanError: As for `chat`.
        """
        return to_completion(self._chat(self._prompt_messages(prompt, formatted), kwargs))

    @completion_callback
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """The answer to a prompt as it comes; each chunk holds the text so far. See `complete`."""
        chunks = self._stream_chat(self._prompt_messages(prompt, formatted), kwargs)

        def completions() -> CompletionResponseGen:
            with closing(chunks):
                yield from map(to_completion, chunks)

        return completions()

    @completion_callback
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """See `complete`."""
        return to_completion(await self._achat(self._prompt_messages(prompt, formatted), kwargs))

    @completion_callback
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        """See `stream_complete`."""
        chunks = await self._astream_chat(self._prompt_messages(prompt, formatted), kwargs)

        async def completions() -> CompletionResponseAsyncGen:
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield to_completion(chunk)

        return completions()

    # ---------------------------------------------------------------------------------------------------------- tools

    def _prepare_chat_with_tools(  # noqa: PLR0917 - LlamaIndex's signature
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,  # noqa: ARG002 - LlamaIndex passes it to every LLM
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        tool_choice: Any = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        messages = list(chat_history or ())
        if user_msg is not None:
            messages.append(ChatMessage(user_msg) if isinstance(user_msg, str) else user_msg)
        options: dict[str, Any] = {"tools": [tool_data(tool, strict=self.strict) for tool in tools]}
        if tools and not allow_parallel_tool_calls:
            options["parallel_tool_calls"] = False
        if tool_choice is not None:
            options["tool_choice"] = tool_choice
        elif tool_required and tools:
            options["tool_choice"] = "required"
        return {"messages": messages, **options, **kwargs}

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **_: Any
    ) -> list[ToolSelection]:
        """The tool calls to run; in the middle of a stream, the calls as far as they have come.

        Raises:
            ValueError: There is none, and `error_on_no_tool_call` is set.
        """
        selections = tool_selections(response.message)
        if error_on_no_tool_call and not selections:
            raise no_tool_call(response.message)
        return selections

    # ------------------------------------------------------------------------------------------------------- requests

    def _chat(self, messages: Sequence[ChatMessage], options: Mapping[str, Any]) -> ChatResponse:
        request = self._request(to_messages(messages), options)
        return to_chat_response(self._client(options).send(request), request)

    async def _achat(self, messages: Sequence[ChatMessage], options: Mapping[str, Any]) -> ChatResponse:
        request = self._request(await _to_messages_aside(messages), options)
        return to_chat_response(await self._async_client(options).send(request), request)

    def _stream_chat(self, messages: Sequence[ChatMessage], options: Mapping[str, Any]) -> Generator[ChatResponse]:
        request = self._request(to_messages(messages), options)
        events = self._client(options).stream(request)

        def chunks() -> Generator[ChatResponse]:
            builder = ChunkBuilder(request)
            with closing(events):
                for event in events:
                    if chunk := builder.add(event):
                        yield chunk

        return chunks()

    async def _astream_chat(
        self, messages: Sequence[ChatMessage], options: Mapping[str, Any]
    ) -> AsyncGenerator[ChatResponse]:
        request = self._request(await _to_messages_aside(messages), options)
        events = self._async_client(options).stream(request)

        async def chunks() -> AsyncGenerator[ChatResponse]:
            builder = ChunkBuilder(request)
            async with aclosing(events):
                async for event in events:
                    if chunk := builder.add(event):
                        yield chunk

        return chunks()

    def _prompt_messages(self, prompt: str, formatted: bool) -> list[ChatMessage]:
        if not formatted and self.completion_to_prompt is not None:
            prompt = self.completion_to_prompt(prompt)
        return [ChatMessage(role=MessageRole.USER, content=prompt)]

    def _options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        fields = {name: getattr(self, name) for name in _OPTION_FIELDS}
        return merge_options(fields, self.additional_kwargs, options)

    def _request(self, messages: tuple[Message, ...], options: Mapping[str, Any]) -> Request:
        merged = self._options(options)
        merged.pop("timeout", None)
        return to_request(messages, merged)

    def _client(self, options: Mapping[str, Any]) -> Client:
        return Client(self._settings(options), protocol=self.protocol, http_client=self.http_client)

    def _async_client(self, options: Mapping[str, Any]) -> AsyncClient:
        return AsyncClient(self._settings(options), protocol=self.protocol, http_client=self.async_http_client)

    def _settings(self, options: Mapping[str, Any] | None = None) -> Settings:
        key = SecretStr(self.api_key) if isinstance(self.api_key, str) else self.api_key
        timeout = {**self.additional_kwargs, **(options or {})}.get("timeout")
        return Settings(
            api_key=key,
            region=self.region,
            base_url=self.base_url,
            max_retries=self.max_retries,
            connect_timeout=self.connect_timeout,
            timeout=timeout or self.timeout,
            stream_timeout=timeout or self.stream_timeout,
            headers=self.default_headers or {},
        )


async def _to_messages_aside(messages: Sequence[ChatMessage]) -> tuple[Message, ...]:
    """`to_messages`, in a thread if it opens files: nothing may hold up the event loop."""
    if reads_files(messages):
        return await asyncio.to_thread(to_messages, messages)
    return to_messages(messages)
