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
from llama_index_stepplan._tools import no_tool_call, server_tools, to_tool, tool_selections
from llama_index_stepplan._untyped import chat_callback, completion_callback
from stepplan import AsyncClient, Client, Message, Request
from stepplan.integration.checks import CallCheck
from stepplan.integration.tools import as_openai_tool, with_strict

T = TypeVar("T")


class StepPlan(StructuredPrediction):
    """A LlamaIndex LLM for StepFun's models on the Step Plan.

    Install it with `pip install llama-index-llms-stepplan`, and set the key with `export STEP_API_KEY=...`.

    Example:
        Complete a prompt, and stream the thinking and the answer:

        ```python
        from llama_index.llms.stepplan import StepPlan

        llm = StepPlan(model="step-3.7-flash", reasoning_effort="high")
        print(llm.complete("Hello"))

        for chunk in llm.stream_complete("Why is the sky blue?"):
            print(chunk.additional_kwargs.get("thinking_delta", ""), chunk.delta, sep="", end="", flush=True)
        ```

        Run an agent, and get an object instead of text:

        ```python
        await FunctionAgent(tools=[get_weather], llm=llm).run("What is the weather in Rome?")
        llm.structured_predict(Person, PromptTemplate("{text}"), text="Bob is 42 years old.")
        ```

    All arguments are optional. You can set an option of a request here, in `additional_kwargs`, or for one call, as in
    `llm.chat(messages, max_tokens=100)`. The call wins over `additional_kwargs`, which wins over the argument here.

    A model can be pickled and copied, and works in any thread and event loop. Errors are the classes of `stepplan`.

    Raises:
        InvalidRequestError: An argument is unknown, or its value is invalid.
    """

    @chat_callback
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Answer a conversation.

        Args:
            messages: The conversation. It is not changed.
            **kwargs: Options for this call: those of the class, and `tools`, `tool_choice`, `response_format`,
                `parallel_tool_calls`, `extra_headers`, and `timeout` in seconds.

        Raises:
            StepPlanError: The call failed. The class tells why.
        """
        return self._chat(messages, kwargs)

    @chat_callback
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """Like `chat`, as a stream. Each chunk holds the message so far, and the last one holds all of it."""
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
        """Complete a prompt. The response has the text only.

        Args:
            prompt: The prompt. It is sent as a user message.
            formatted: Whether `completion_to_prompt` has already been applied to the prompt.
            **kwargs: As for `chat`.

        Raises:
            StepPlanError: As for `chat`.
        """
        return to_completion(self._chat(self._prompt_messages(prompt, formatted), kwargs))

    @completion_callback
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """Like `complete`, as a stream. Each chunk holds the text so far."""
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
        offered += [tool for tool in server_tools(self.additional_kwargs) if tool not in offered]
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
        """The tool calls to run. In the middle of a stream, the arguments are those that have arrived so far.

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
