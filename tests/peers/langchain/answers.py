"""Features of answers: reasoning, blocks, tool calls, token counts, errors."""

import asyncio
import operator
import threading
from collections.abc import Callable
from functools import reduce
from typing import Any, cast

from langchain_core import exceptions as lc
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.runnables import Runnable
from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream

from stepplan.sandbox import Fault, ToolCall, Turn, Usage
from tests.peers.features import Bench
from tests.peers.features import for_langchain as feature

THOUGHT = Turn(reasoning="Let me think.", text="Sunny.")


def look(place: str) -> str:
    """Look at a place."""
    return f"sunny in {place}"


def both(it: Bench, model: Any, turn: Turn) -> list[AIMessage]:
    """The answer, whole and streamed."""
    it.plan.script(turn, turn)
    return [model.invoke("go"), streamed(model)]


def streamed(model: Any) -> AIMessageChunk:
    """The sum of the chunks."""
    return reduce(operator.add, cast("list[AIMessageChunk]", list(model.stream("go"))))


def kinds(message: AIMessage) -> list[str]:
    """The kinds of its blocks."""
    return [block["type"] for block in message.content_blocks]


@feature("Reasoning", "reasoning is in `content_blocks`, whole and streamed")
def reasoning_arrives(it: Bench) -> None:
    for message in both(it, it.llm(), THOUGHT):
        assert kinds(message) == ["reasoning", "text"], f"blocks are {kinds(message)}"
        assert message.content_blocks[0].get("reasoning") == "Let me think."


@feature("Reasoning", "reasoning is sent back with tool results")
def reasoning_replays(it: Bench) -> None:
    model = it.llm()
    for said in both(it, model.bind_tools([look]), Turn(reasoning="I look.", tool_calls=[CALL])):
        model.invoke([HumanMessage("go"), said, ToolMessage("sunny", tool_call_id="a")])
        assert "I look." in str(it.plan.requests[-1].body["messages"]), "it is dropped"


CALL = ToolCall("look", {"place": "x"}, "a")


@feature("Reasoning", "another provider's reasoning is left out, not sent as text")
def foreign_reasoning_is_dropped(it: Bench) -> None:
    said = AIMessage(
        [{"type": "thinking", "thinking": "SECRET", "signature": "SECRET"}, {"type": "text", "text": "Yes."}],
        response_metadata={"model_provider": "somebody"},
    )
    it.llm().invoke([HumanMessage("a"), said, HumanMessage("b")])
    assert "SECRET" not in str(it.plan.requests[-1].body["messages"]), "it is sent"


@feature("Answers", "`content` is a string, with or without reasoning")
def content_is_text(it: Bench) -> None:
    for message in both(it, it.llm(), THOUGHT):
        assert message.content == "Sunny.", f"it is a {type(message.content).__name__}"


@feature("Answers", '`output_version="v1"` streams one block each for reasoning, text and tool call')
def standard_content(it: Bench) -> None:
    it.plan.script(Turn(reasoning="Let me think.", text="I look.", tool_calls=[CALL]))
    message = streamed(it.llm(output_version="v1").bind_tools([look]))
    assert kinds(message) == ["reasoning", "text", "tool_call"], f"blocks are {kinds(message)}"


@feature("Answers", "model name and finish reason appear once, whole and streamed")
def metadata(it: Bench) -> None:
    for message in both(it, it.llm(), THOUGHT):
        said = message.response_metadata
        assert (said.get("model_name") or said.get("model")) == "step-3.7-flash", "no model name"
        assert (said.get("finish_reason") or said.get("stop_reason")) in {"stop", "end_turn"}, "no finish reason"


@feature("Answers", "streams report token usage by default")
def usage_in_streams(it: Bench) -> None:
    it.plan.script(Turn(text="a", usage=Usage(20, 5, cached_tokens=12)))
    usage = streamed(it.bare(max_retries=0)).usage_metadata
    assert usage is not None, "there are none"
    assert (usage["input_tokens"], usage["output_tokens"]) in {(20, 5), (32, 5)}, "they are counted twice"
    assert usage.get("input_token_details", {}).get("cache_read") == 12, "cached tokens are missing"


@feature(
    "Answers",
    "reasoning tokens are reported, whole and streamed",
    absent={"anthropic": "Messages does not report them"},
)
def reasoning_tokens(it: Bench) -> None:
    for message in both(it, it.llm(), Turn(text="a", usage=Usage(20, 5, reasoning_tokens=3))):
        usage = message.usage_metadata
        assert usage is not None, "there are no counts"
        assert usage.get("output_token_details", {}).get("reasoning") == 3, "they are missing or counted twice"


@feature("Answers", "messages and traces name the same provider")
def one_provider(it: Bench) -> None:
    model = it.llm()
    named = {message.response_metadata.get("model_provider") for message in both(it, model, THOUGHT)}
    assert named == {model._get_ls_params().get("ls_provider")}, f"messages say {named}"


@feature("Answers", "`stream_events(version='v3')` emits a valid sequence")
def v3_is_valid(it: Bench) -> None:
    it.plan.script(Turn(reasoning="Hm.", text="I look.", tool_calls=[CALL]))
    assert_valid_event_stream(v3_events(it.llm().bind_tools([look])))


@feature("Answers", "`stream_events(version='v3')` finishes a block before it starts the next")
def v3_finishes_blocks(it: Bench) -> None:
    it.plan.script(Turn(reasoning="Hm.", text="I look.", tool_calls=[CALL]))
    events = v3_events(it.llm().bind_tools([look]))
    marks = [event["event"] for event in events if event["event"] in {"content-block-start", "content-block-finish"}]
    assert marks[:2] == ["content-block-start", "content-block-finish"], "all finish at the end"


def v3_events(model: Any) -> list[dict[str, Any]]:
    """The events of a stream."""
    return list(model.stream_events("go", version="v3"))


@feature("Tool calls", "parallel tool calls, whole and streamed")
def parallel_calls(it: Bench) -> None:
    calls = [ToolCall("look", {"place": place}, place) for place in ("x", "y")]
    for message in both(it, it.llm().bind_tools([look]), Turn(tool_calls=calls)):
        assert [call["args"] for call in message.tool_calls] == [{"place": "x"}, {"place": "y"}]


@feature("Tool calls", "arguments stream as the model writes them")
def arguments_stream(it: Bench) -> None:
    it.plan.script(Turn(tool_calls=[ToolCall("look", {"place": "a place with a long name " * 4}, "a")]))
    pieces = [chunk.tool_call_chunks for chunk in cast("Any", it.llm().bind_tools([look]).stream("go"))]
    assert sum(bool(piece) for piece in pieces) > 3, "they come at once"


@feature("Tool calls", "a call cut off by the token limit is in `invalid_tool_calls`, whole and streamed")
def cut_off_calls(it: Bench) -> None:
    turn = Turn(tool_calls=[ToolCall("look", '{"place": "Pa', "a")], finish_reason="length")
    model = it.llm().bind_tools([look])
    for message in both(it, model, turn):
        assert not message.tool_calls, f"it is run with {message.tool_calls[0]['args']}"
        assert [call["args"] for call in broken(message)] == ['{"place": "Pa']


@feature("Tool calls", "a streamed call with broken JSON is in `invalid_tool_calls`, with the reason")
def broken_calls(it: Bench) -> None:
    it.plan.script(Turn(tool_calls=[ToolCall("look", '{"place": "x"', "a")]))
    message = streamed(it.llm().bind_tools([look]))
    assert not message.tool_calls, "it is mended and run"
    assert broken(message)[0]["error"], "there is no reason"


def broken(message: AIMessage) -> list[Any]:
    """The message's broken calls, as its standard blocks show them."""
    return [block for block in message.content_blocks if block["type"] == "invalid_tool_call"]


@feature("Errors", "errors are subclasses of LangChain's `ModelError`")
def errors_are_langchains(it: Bench) -> None:
    for status, expected in (
        (401, lc.ModelAuthenticationError),
        (404, lc.ModelNotFoundError),
        (429, lc.ModelRateLimitError),
        (503, lc.ModelAPIError),
    ):
        it.plan.script(Turn(fault=Fault(status=status)))
        error = failure(it.llm())
        assert isinstance(error, expected), f"{status} is a {type(error).__name__}"
        it.plan.reset()


@feature("Errors", "a prompt that is too long raises `ContextOverflowError`")
def overflow(it: Bench) -> None:
    said = {
        "openai": {
            "type": "invalid_request_error",
            "code": "context_length_exceeded",
            "message": "This model's maximum context length is 256000 tokens.",
        },
        "anthropic": {"type": "invalid_request_error", "message": "prompt is too long: 300000 tokens > 256000 maximum"},
    }
    it.plan.script(Turn(fault=Fault(status=400, body={"error": said[it.protocol]})))
    error = failure(it.llm())
    assert isinstance(error, lc.ContextOverflowError), f"it is a {type(error).__name__}"


@feature("Errors", "a used-up quota (402) has its own error and is not retried")
def quota(it: Bench) -> None:
    it.plan.script(Turn(fault=Fault(status=402, times=9)))
    error = failure(it.llm(max_retries=2))
    assert len(it.plan.requests) == 1, f"{len(it.plan.requests)} requests"
    assert type(error).__name__ != "APIStatusError", "it is a bare APIStatusError"


@feature("Errors", "a stream that breaks off raises an error")
def cut_streams(it: Bench) -> None:
    it.plan.script(Turn(text="Some words that came.", fault=Fault(cut_at=900)))
    failure(it.llm(), stream=True)


@feature("Errors", "an error event in a stream raises a `ModelError`")
def errors_in_streams(it: Bench) -> None:
    overloaded = {"type": "overloaded_error", "message": "overloaded"}
    it.plan.script(Turn(text="Some words, and then some more.", fault=Fault(error_after=4, error=overloaded)))
    error = failure(it.llm(), stream=True)
    assert isinstance(error, lc.ModelError), f"it is a {type(error).__name__}"


@feature("Errors", "a stream that fails before its first event is retried")
def streams_are_retried(it: Bench) -> None:
    it.plan.script(Turn(text="At last.", fault=Fault(status=503, headers={"Retry-After": "0"})))
    assert streamed(it.llm(max_retries=2)).text == "At last."


@feature("Errors", "a connection reset is retried")
def resets(it: Bench) -> None:
    it.plan.script(Turn(text="At last.", fault=Fault(reset=True)))
    assert it.llm(max_retries=2).invoke("go").text == "At last."


@feature("Errors", "a stream that sends only pings times out, sync and async")
def stalls(it: Bench) -> None:
    stalled = Turn(text="a b c d e f g h", fault=Fault(stall_after=4, pings=True, ping_interval=0.05))
    it.plan.script(stalled, stalled)
    limits = {"ChatStepPlan": ("stream_timeout",), "ChatAnthropic": ("timeout",)}
    names = limits.get(it.candidate.cls, ("timeout", "stream_chunk_timeout"))
    limit: dict[str, Any] = dict.fromkeys(names, 0.5)
    model = it.llm(**limit)

    async def read() -> None:
        async for _ in model.astream("go"):
            pass

    assert ends_with_an_error(lambda: asyncio.run(read())), "async hangs"
    assert ends_with_an_error(lambda: list(model.stream("go"))), "sync hangs"


def ends_with_an_error(run: Callable[[], object]) -> bool:
    """Whether it does, within seconds."""
    errors: list[Exception] = []

    def attempt() -> None:
        try:
            run()
        except Exception as error:  # noqa: BLE001 - any will do
            errors.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(4)
    return bool(errors)


def failure(model: Runnable[Any, Any], prompt: Any = "go", *, stream: bool = False) -> Exception:
    """What the model raises."""
    try:
        if stream:
            list(model.stream(prompt))
        else:
            model.invoke(prompt)
    except Exception as error:  # noqa: BLE001 - which one it is is the question
        return error
    raise AssertionError("there is no error")
