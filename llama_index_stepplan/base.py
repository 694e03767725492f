"""StepPlan: the LLM, as the endpoints that LlamaIndex calls."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from typing import Any, TypeVar

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    MessageRole,
)
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools.types import BaseTool

from llama_index_stepplan._answers import Reading, to_chat_response, to_completion
from llama_index_stepplan._chunks import AsyncChunks, ChunkBuilder, chunks
from llama_index_stepplan._content import reads_files
from llama_index_stepplan._messages import to_messages
from llama_index_stepplan._request import request_call
from llama_index_stepplan._structured import StructuredPrediction
from llama_index_stepplan._tools import no_tool_call, to_tool, tool_selections
from llama_index_stepplan._untyped import chat_callback, completion_callback
from stepplan import AsyncClient, Client, Message, Request
from stepplan.integration.checks import CallCheck
from stepplan.integration.tools import as_openai_tool, with_strict

T = TypeVar("T")


class StepPlan(StructuredPrediction):
    """StepFun's Step Plan as an LLM in LlamaIndex: chat, tools, structured prediction and thinking, on both protocols.

    Example:
        `StepPlan(model="step-3.7-flash", reasoning_effort="high").complete("Hello")`

    Every option of a request may be given here, in `additional_kwargs`, or to one call (`llm.chat(messages,
    max_tokens=100)`): the call wins over `additional_kwargs`, which win over the field. Errors are those of `stepplan`.
    A model holds no connection: it pickles, copies, and works in any thread and event loop.

    Raises:
        InvalidRequestError: An argument is not known, or its value cannot be right.
    """

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
        return self._stream(messages, kwargs, _as_it_is)

    @chat_callback
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """See `chat`."""
        return await self._achat(messages, kwargs)

    @chat_callback
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """See `stream_chat`."""
        return await self._astream(messages, kwargs, _as_it_is)

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
        return self._stream(self._prompt_messages(prompt, formatted), kwargs, to_completion)

    @completion_callback
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """See `complete`."""
        return to_completion(await self._achat(self._prompt_messages(prompt, formatted), kwargs))

    @completion_callback
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        """See `stream_complete`."""
        return await self._astream(self._prompt_messages(prompt, formatted), kwargs, to_completion)

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
        offered = [with_strict(to_tool(tool), self.strict) for tool in tools]
        options: dict[str, Any] = {"tools": [as_openai_tool(tool) for tool in offered]}
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

    # --------------------------------------------------------------------------------------------------------- tokens

    def count_tokens(self, messages: Sequence[ChatMessage], tools: Sequence[Any] = ()) -> int:
        """How many input tokens a conversation has, as the server counts them.

        Raises:
            StepPlanError: As for `chat`.
        """
        client, request, _ = self._call(to_messages(messages), {"tools": tools or None})
        return client.count_tokens(request)

    async def acount_tokens(self, messages: Sequence[ChatMessage], tools: Sequence[Any] = ()) -> int:
        """See `count_tokens`."""
        client, request, _ = self._async_call(await _to_messages_aside(messages), {"tools": tools or None})
        return await client.count_tokens(request)

    # ----------------------------------------------------------------------------------------------- what they share

    def _chat(self, messages: Sequence[ChatMessage], options: dict[str, Any]) -> ChatResponse:
        client, request, reading = self._call(to_messages(messages), options)
        return to_chat_response(client.send(request), reading)

    async def _achat(self, messages: Sequence[ChatMessage], options: dict[str, Any]) -> ChatResponse:
        client, request, reading = self._async_call(await _to_messages_aside(messages), options)
        return to_chat_response(await client.send(request), reading)

    def _stream(
        self, messages: Sequence[ChatMessage], options: dict[str, Any], shape: Callable[[ChatResponse], T]
    ) -> Generator[T]:
        client, request, reading = self._call(to_messages(messages), options)
        return chunks(client.stream(request), ChunkBuilder(reading), shape)

    async def _astream(
        self, messages: Sequence[ChatMessage], options: dict[str, Any], shape: Callable[[ChatResponse], T]
    ) -> AsyncGenerator[T]:
        client, request, reading = self._async_call(await _to_messages_aside(messages), options)
        return AsyncChunks(client.stream(request), ChunkBuilder(reading), shape)

    def _call(self, messages: tuple[Message, ...], options: dict[str, Any]) -> tuple[Client, Request, Reading]:
        call = request_call(self, messages, options)
        client = Client(call.settings, protocol=self.protocol, http_client=self.http_client)
        return client, call.request, self._reading(call.request)

    def _async_call(
        self, messages: tuple[Message, ...], options: dict[str, Any]
    ) -> tuple[AsyncClient, Request, Reading]:
        call = request_call(self, messages, options)
        client = AsyncClient(call.settings, protocol=self.protocol, http_client=self.async_http_client)
        return client, call.request, self._reading(call.request)

    def _reading(self, request: Request) -> Reading:
        check = CallCheck(has_tools=bool(request.functions), raises=self.raise_invalid_tool_calls)
        return Reading(request, thinking=self.return_thinking, check=check)

    def _prompt_messages(self, prompt: str, formatted: bool) -> list[ChatMessage]:
        if not formatted and self.completion_to_prompt is not None:
            prompt = self.completion_to_prompt(prompt)
        return [ChatMessage(role=MessageRole.USER, content=prompt)]


def _as_it_is(chunk: ChatResponse) -> ChatResponse:
    return chunk


async def _to_messages_aside(messages: Sequence[ChatMessage]) -> tuple[Message, ...]:
    """`to_messages`, in a thread if it reads files: nothing may hold up the event loop."""
    if reads_files(messages):
        return await asyncio.to_thread(to_messages, messages)
    return to_messages(messages)
