"""A further protocol is a package and a line in `PROTOCOLS`: both adapters speak it without a change."""

import json
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from llama_index.core.base.llms.types import ChatMessage, ThinkingBlock

from langchain_stepplan import ChatStepPlan
from llama_index_stepplan import StepPlan
from stepplan import PROTOCOLS, AsyncClient, Client, InvalidRequestError, Message, Request
from tests.support import toy_protocol
from tests.support.ways import langchain, llama_index

TOY: Any = "toy"
PARTS = [["think", "It is sunny."], ["say", "I look."], ["call", "call_1", "look", '{"place": "北京"}']]
ANSWER = {"parts": PARTS, "why": "tool_calls", "used": [3, 4]}
COUNT = {"input_tokens": 7}


class Server:
    """Speaks the toy protocol, and counts tokens as Messages does."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if not request.url.path.endswith("/toy"):
            return httpx.Response(200, json=COUNT)
        if not json.loads(request.content)["stream"]:
            return httpx.Response(200, json=ANSWER)
        frames = [*({"part": part} for part in PARTS), {"why": ANSWER["why"], "used": ANSWER["used"]}]
        text = "".join(f"data: {json.dumps(frame)}\n\n" for frame in frames)
        return httpx.Response(200, text=text, headers={"content-type": "text/event-stream"})

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.requests[-1].content)
        return body


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setitem(PROTOCOLS, TOY, toy_protocol)
    return Server()


@pytest.fixture
def clients(server: Server) -> tuple[httpx.Client, httpx.AsyncClient]:
    transport = httpx.MockTransport(server.answer)
    return httpx.Client(transport=transport), httpx.AsyncClient(transport=transport)


@pytest.mark.parametrize("way", [*langchain.WAYS, langchain.v3])
async def test_langchain_speaks_it(server: Server, clients: Any, way: langchain.Way) -> None:
    model = ChatStepPlan(protocol=TOY, api_key="k", http_client=clients[0], http_async_client=clients[1])
    message = await way(model, "How is it?")
    assert message.text == "I look."
    assert [call["args"] for call in message.tool_calls] == [{"place": "北京"}]
    assert message.usage_metadata is not None
    assert message.usage_metadata["output_tokens"] == 4
    kinds = [block["type"] for block in message.content_blocks]
    assert kinds == ["reasoning", "text", "tool_call"]
    assert server.requests[-1].headers["toy-version"] == "1"
    history = [HumanMessage("How is it?"), message, ToolMessage("sunny", tool_call_id="call_1")]
    await way(model, history)
    assert server.body["turns"][-2:] == [["assistant", 'call_1: look({"place": "北京"})'], ["user", "call_1 = sunny"]]


@pytest.mark.parametrize("way", llama_index.WAYS)
async def test_llama_index_speaks_it(server: Server, clients: Any, way: llama_index.Way) -> None:
    llm = StepPlan(protocol=TOY, api_key="k", http_client=clients[0], async_http_client=clients[1])
    *_, last = await llama_index.ask(llm, way, "How is it?")
    assert last.message.content == "I look."
    assert isinstance(last.message.blocks[0], ThinkingBlock)
    [call] = llm.get_tool_calls_from_response(last)
    assert call.tool_kwargs == {"place": "北京"}
    await llama_index.ask(llm, way, [ChatMessage("How is it?"), last.message, ChatMessage("sunny", role="tool")])
    assert server.body["turns"][-1] == ["user", "call_1 = sunny"]


async def test_its_facts_decide_in_both_adapters(server: Server, clients: Any) -> None:
    model = ChatStepPlan(protocol=TOY, api_key="k", http_client=clients[0])
    assert model.profile is not None
    assert model.profile.get("tool_choice") is False
    assert model.profile.get("video_inputs") is False
    assert StepPlan(protocol=TOY, api_key="k").metadata.num_output == 100
    assert isinstance(model.invoke("Hello"), AIMessage)
    assert server.body["limit"] == 100


async def test_the_clients_of_the_core_speak_it_and_count_where_counting_is_documented(
    server: Server, clients: Any
) -> None:
    request = Request(messages=(Message.user("How is it?"),))
    client = Client(protocol=TOY, http_client=clients[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEP_API_KEY", "k")
        assert client.send(request).text == "I look."
        assert (await AsyncClient(protocol=TOY, http_client=clients[1]).send(request)).text == "I look."
        assert client.count_tokens(request) == 7
    assert server.requests[-1].url.path.endswith("/messages/count_tokens")


def test_an_unknown_protocol_is_refused_with_those_that_are_known() -> None:
    unknown: Any = "gemini"
    for make in (Client, AsyncClient):
        with pytest.raises(InvalidRequestError, match="'gemini' is unknown: use 'openai' or 'anthropic'"):
            make(protocol=unknown)
    for model in (ChatStepPlan, StepPlan):
        with pytest.raises(ValueError, match="'gemini' is unknown: use 'openai' or 'anthropic'"):
            model(protocol=unknown)
