"""Tools, agents and histories."""

import asyncio
import base64
import contextlib
import json
from typing import Any, Generic, TypeVar

from llama_index.core.agent.workflow import AgentStream, FunctionAgent
from llama_index.core.base.llms.types import (
    CacheControl,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from stepplan.sandbox import ToolCall, Turn
from tests.peers.features import Bench
from tests.peers.features import for_llama_index as feature

T = TypeVar("T")
HI = [ChatMessage("Hi")]
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"Sunny in {city}."


WEATHER = FunctionTool.from_defaults(get_weather)


async def run(agent: FunctionAgent, question: str) -> tuple[str, list[Any]]:
    start: Any = agent.run
    handler = start(user_msg=question)
    events = [event async for event in handler.stream_events()]
    return str(await handler), events


@feature("Tools and messages", "`FunctionAgent` accepts it with its defaults")
def agents_take_it(it: Bench) -> None:
    answer, _ = asyncio.run(run(FunctionAgent(tools=[get_weather], llm=it.bare()), "The weather in 'Rome'?"))
    assert "Sunny in Rome." in answer, f"the agent said {answer!r}"


@feature("Tools and messages", "agents stream thinking")
def agents_show_thinking(it: Bench) -> None:
    it.plan.script(Turn(reasoning="Let me see.", text="Sunny."))
    _, events = asyncio.run(run(FunctionAgent(tools=[get_weather], llm=it.llm()), "Well?"))
    shown = "".join(event.thinking_delta or "" for event in events if isinstance(event, AgentStream))
    assert shown == "Let me see.", f"the events show {shown!r}"


@feature("Tools and messages", "a tool call that was cut off is not run")
def cut_off_call(it: Bench) -> None:
    paid: list[int] = []

    def pay(to: str, amount: int) -> str:
        """Pay somebody."""
        paid.append(amount)
        return f"Paid {to}."

    call = ToolCall("pay", '{"to": "bob", "amount": 25', "1")
    it.plan.script(Turn(text="I pay.", tool_calls=[call], finish_reason="length"), Turn(text="Done."))
    with contextlib.suppress(Exception):  # what happens afterwards is not the question
        asyncio.run(run(FunctionAgent(tools=[pay], llm=it.llm()), "Pay Bob 2500."))
    assert it.plan.requests, "nothing was asked"
    assert paid == [], f"paid {paid}"


@feature("Tools and messages", "an agent's first tool can be chosen (`initial_tool_choice`)")
def initial_tool_choice(it: Bench) -> None:
    it.plan.script(Turn(text="Sunny."))
    agent = FunctionAgent(tools=[get_weather], llm=it.llm(), initial_tool_choice="get_weather")
    asyncio.run(run(agent, "Well?"))
    choice = it.body().get("tool_choice")
    asked = isinstance(choice, dict) or "You must call" in str(it.body().get("system"))
    assert asked, f"tool_choice is {choice!r}"


@feature("Tools and messages", "thinking is sent back with tool results")
def thinking_is_replayed(it: Bench) -> None:
    it.plan.script(Turn(reasoning="I need the weather.", tool_calls=[ToolCall("get_weather", {"city": "Rome"}, "1")]))
    llm = it.llm()
    answer = list(llm.stream_chat_with_tools([WEATHER], chat_history=HI))[-1].message
    result = ChatMessage("Sunny.", role="tool", additional_kwargs={"tool_call_id": "1"})
    llm.chat_with_tools([WEATHER], chat_history=[*HI, answer, result])
    assert "I need the weather." in str(it.body()), "it is not in the request"


@feature("Tools and messages", "`chat_history` is not changed")
def history_is_not_changed(it: Bench) -> None:
    history = [ChatMessage("Hello"), ChatMessage("Hi.", role="assistant")]
    it.llm().chat_with_tools([WEATHER], user_msg="Weather?", chat_history=history)
    assert len(history) == 2, f"it has {len(history)} messages"


@feature("Tools and messages", "messages are not changed when the prompt is cached")
def messages_are_not_changed(it: Bench) -> None:
    question = ChatMessage("Hello")
    before = question.model_dump()
    it.llm(**it.candidate.caching).chat([question])
    assert question.model_dump() == before, f"it added {question.additional_kwargs}"


@feature("Tools and messages", "`user_msg` may be a `ChatMessage`")
def message_as_question(it: Bench) -> None:
    it.llm().chat_with_tools([WEATHER], user_msg=ChatMessage("Weather?"), chat_history=[ChatMessage("Hello")])
    assert "Weather?" in str(it.body()), "it is not in the request"


class Box(BaseModel, Generic[T]):
    """A box."""

    content: T


@feature("Tools and messages", "a tool whose name has brackets works")
def bracketed_name(it: Bench) -> None:
    tool = FunctionTool.from_defaults(get_weather, name=Box[int].__name__)
    answer = it.llm().predict_and_call([tool], "The weather in 'Rome'?")
    assert answer.response == "Sunny in Rome.", f"it said {answer.response!r}"


def history_of(call: ToolCallBlock, result: ChatMessage) -> list[ChatMessage]:
    return [*HI, ChatMessage(role="assistant", blocks=[call]), result]


@feature("Tools and messages", "tool arguments given as a string are sent in the protocol's form")
def text_arguments(it: Bench) -> None:
    call = ToolCallBlock(tool_call_id="1", tool_name="look", tool_kwargs='{"city": "Rome"}')
    it.llm().chat(history_of(call, ChatMessage("ok", role="tool", additional_kwargs={"tool_call_id": "1"})))
    if it.protocol == "anthropic":
        [block] = it.body()["messages"][1]["content"]
        assert block["input"] == {"city": "Rome"}, f"input is {block['input']!r}"


@feature("Tools and messages", "tool arguments that were cut off are sent as an object")
def broken_arguments(it: Bench) -> None:
    call = ToolCallBlock(tool_call_id="1", tool_name="look", tool_kwargs='{"city": "Ro')
    it.llm().chat(history_of(call, ChatMessage("what?", role="tool", additional_kwargs={"tool_call_id": "1"})))
    turn = it.body()["messages"][1]
    sent = turn["content"][0]["input"] if it.protocol == "anthropic" else turn["tool_calls"][0]["function"]["arguments"]
    assert isinstance(sent if it.protocol == "anthropic" else parsed(sent), dict), f"it sent {sent!r}"


def parsed(text: str) -> Any:
    with contextlib.suppress(ValueError):
        return json.loads(text)
    return None


@feature("Tools and messages", "a tool call without an id gets one")
def call_without_id(it: Bench) -> None:
    call = ToolCallBlock(tool_name="look", tool_kwargs={"city": "Rome"})
    it.llm().chat(history_of(call, ChatMessage("ok", role="tool")))
    turn, result = it.body()["messages"][1:3]
    ids = (
        (turn["content"][0]["id"], result["content"][0]["tool_use_id"])
        if it.protocol == "anthropic"
        else (turn["tool_calls"][0]["id"], result["tool_call_id"])
    )
    assert ids[0] is not None, "it sent null"
    assert ids[0] == ids[1], f"it sent {ids}"


@feature("Tools and messages", "`tool_required=True` works on its own")
def required_tool(it: Bench) -> None:
    it.llm().chat_with_tools([WEATHER], user_msg="Hi", tool_required=True, tool_choice=None)
    asked = it.body().get("tool_choice") or "You must call" in str(it.body().get("system"))
    assert asked, f"tool_choice is {it.body().get('tool_choice')!r}"


@feature("Tools and messages", "an image in a tool result reaches the model")
def picture_in_result(it: Bench) -> None:
    call = ToolCallBlock(tool_call_id="1", tool_name="look", tool_kwargs={})
    result = ChatMessage(
        role="tool",
        blocks=[TextBlock(text="seen"), ImageBlock(image=PNG)],
        additional_kwargs={"tool_call_id": "1"},
    )
    it.llm().chat(history_of(call, result))
    assert "iVBORw0KGgo" in str(it.body()), "it is not in the request"


@feature("Tools and messages", "videos can be sent", absent={"anthropic": "Messages has no video"})
def video(it: Bench) -> None:
    it.llm().chat([ChatMessage(role="user", blocks=[VideoBlock(url="https://example.invalid/a.mp4")])])
    assert "video_url" in str(it.body()), "it is not in the request"


@feature("Tools and messages", "image URLs are sent as URLs, without blocking the event loop")
def picture_url(it: Bench) -> None:
    picture = ImageBlock(url="http://127.0.0.1:9/never.png")
    asyncio.run(it.llm().achat([ChatMessage(role="user", blocks=[picture])]))
    assert "127.0.0.1:9/never.png" in str(it.body()), "it is not in the request"


@feature("Tools and messages", "`CachePoint` blocks are accepted")
def cache_point(it: Bench) -> None:
    point = CachePoint(cache_control=CacheControl(type="ephemeral"))
    it.llm().chat([ChatMessage(role="user", blocks=[TextBlock(text="Hi"), point])])


@feature("Tools and messages", "`CitableBlock`s are sent")
def citable(it: Bench) -> None:
    passage = CitableBlock(title="Atlas", source="p. 3", content=[TextBlock(text="It is round.")])
    it.llm().chat([ChatMessage(role="user", blocks=[TextBlock(text="What is round?"), passage])])
    assert "It is round." in str(it.body()), "it is not in the request"


@feature("Tools and messages", "`CitationBlock`s in the history are accepted")
def citation(it: Bench) -> None:
    cited = CitationBlock(
        cited_content=TextBlock(text="x"), source="s", title="t", additional_location_info={"start": 1}
    )
    answer = ChatMessage(role="assistant", blocks=[TextBlock(text="Hello."), cited])
    it.llm().chat([*HI, answer, ChatMessage("And?")])


@feature("Tools and messages", "an empty assistant message is not sent as an empty list")
def empty_turn(it: Bench) -> None:
    it.llm().chat([*HI, ChatMessage(role="assistant"), ChatMessage("Still there?")])
    empty = [message for message in it.body()["messages"] if message.get("content") in ([], None)]
    assert empty == [], f"it sent {empty}"


@feature("Tools and messages", "the `developer` role is translated")
def developer_role(it: Bench) -> None:
    it.llm().chat([ChatMessage("Be brief.", role="developer"), *HI])
    roles = {message["role"] for message in it.body()["messages"]}
    assert roles <= {"system", "user", "assistant", "tool"}, f"it sent {sorted(roles)}"


@feature("Tools and messages", "another provider's thinking is not sent")
def foreign_thinking(it: Bench) -> None:
    answer = ChatMessage(role="assistant", blocks=[ThinkingBlock(content="Theirs."), TextBlock(text="Hello.")])
    it.llm().chat([*HI, answer, ChatMessage("And?")])
    assert "Theirs." not in str(it.body()), "it is in the request"
