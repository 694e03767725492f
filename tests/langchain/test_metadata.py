"""What tracers, cost callbacks and middleware of LangChain read stands where they look for it, once."""

from typing import Any, cast

import langchain.agents.middleware
import pytest
from langchain_core import exceptions as lc
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, LLMResult
from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream
from pydantic import BaseModel

from langchain_stepplan import ChatStepPlan
from langchain_stepplan._answers import to_result
from langchain_stepplan._messages import to_messages
from stepplan import Response, Text
from stepplan import Usage as CoreUsage
from stepplan.sandbox import Sandbox, ToolCall, Turn, Usage
from tests.support.agents.langchain import ask, create_agent
from tests.support.ways.langchain import WAYS, Models, Way, chunks_of, total

TURN = Turn(reasoning="Hm.", text="Yes.", usage=Usage(20, 30))
COUNTS = {"prompt_tokens": 20, "completion_tokens": 30, "total_tokens": 50}


class Callbacks(BaseCallbackHandler):
    """Keeps what callbacks are given."""

    def __init__(self) -> None:
        self.ends: list[LLMResult] = []
        self.chunks: list[ChatGenerationChunk] = []

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        self.ends.append(response)

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, **kwargs: Any) -> None:
        self.chunks.append(chunk)


@pytest.mark.guarantees("finish-and-model-once", "langchain-output")
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_whole_answer_has_its_finish_reason_model_id_and_counts(
    model: ChatStepPlan, plan: Sandbox, asynchronous: bool
) -> None:
    plan.script(TURN)
    seen = Callbacks()
    messages: Any = [[HumanMessage("hi")]]
    config: Any = {"callbacks": [seen]}
    result = await model.agenerate(messages, **config) if asynchronous else model.generate(messages, **config)
    [[generation]] = result.generations
    assert generation.generation_info == {"finish_reason": "stop"}
    message = cast("ChatGeneration", generation).message
    expected = {"id": message.response_metadata["id"], "model_name": "step-3.7-flash", "token_usage": COUNTS}
    assert expected["id"]
    assert result.llm_output == expected
    [end] = seen.ends
    assert end.llm_output == expected
    assert message.response_metadata["token_usage"] == COUNTS


@pytest.mark.guarantees("finish-and-model-once", "langchain-output")
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_the_last_chunk_has_the_finish_reason(model: ChatStepPlan, plan: Sandbox, asynchronous: bool) -> None:
    plan.script(TURN)
    seen = Callbacks()
    config: Any = {"callbacks": [seen]}
    if asynchronous:
        _ = [chunk async for chunk in model.astream("hi", config)]
    else:
        list(model.stream("hi", config))
    assert [chunk.generation_info for chunk in seen.chunks if chunk.generation_info] == [{"finish_reason": "stop"}]
    [end] = seen.ends
    [[generation]] = end.generations
    assert generation.generation_info == {"finish_reason": "stop"}


@pytest.mark.guarantees("usage-always", "finish-and-model-once")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("version", ["v0", "v1"])
async def test_metadata_is_the_same_in_every_way_and_nothing_is_doubled(
    way: Way, version: str, model_for: Models, plan: Sandbox
) -> None:
    for protocol in ("openai", "anthropic"):
        plan.script(TURN)
        message = await way(model_for(protocol, output_version=version), "hi")
        metadata = dict(message.response_metadata)
        assert metadata.pop("id")
        assert metadata.pop("trace_id")
        assert metadata.pop("output_version", "v0") == version
        assert metadata == {
            "model_provider": "stepplan",
            "model_name": "step-3.7-flash",
            "finish_reason": "stop",
            "token_usage": COUNTS,
        }
        assert message.usage_metadata == {"input_tokens": 20, "output_tokens": 30, "total_tokens": 50}


COUNTED = CoreUsage(20, 30, cache_read_tokens=5, reasoning_tokens=7)


@pytest.mark.guarantees("usage-details")
def test_details_are_counted_as_chat_openais_are() -> None:
    details = {"prompt_tokens_details": {"cached_tokens": 5}, "completion_tokens_details": {"reasoning_tokens": 7}}
    for usage, more in ((COUNTED, details), (CoreUsage(20, 30), {})):
        result = to_result(Response((Text("Yes."),), "stop", usage), v1=False)
        assert result.llm_output == {"token_usage": {**COUNTS, **more}}


@pytest.mark.guarantees("usage-missing")
def test_a_server_that_counts_nothing_leaves_the_counts_out() -> None:
    answer = Response((Text("Yes."),), "stop", id="a", model="m")
    assert to_result(answer, v1=False).llm_output == {"id": "a", "model_name": "m"}
    for message in (to_result(answer, v1=False).generations[0].message, total(chunks_of(answer, v1=False))):
        assert "token_usage" not in message.response_metadata
        assert cast("AIMessage", message).usage_metadata is None


@pytest.mark.guarantees("langchain-output")
def test_several_answers_have_their_counts_added_up(model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(TURN, Turn(text="No.", usage=Usage(1, 2)), TURN)
    result = model.generate([[HumanMessage("hi")]] * 3)
    counts = {"prompt_tokens": 41, "completion_tokens": 62, "total_tokens": 103}
    assert result.llm_output == {"model_name": "step-3.7-flash", "token_usage": counts}


def test_outputs_of_other_answers_are_added_up_too(model: ChatStepPlan) -> None:
    """Answers from LangChain's cache have none."""
    outputs = [to_result(Response((), "stop", usage, model="m"), v1=False).llm_output for usage in (COUNTED, COUNTED)]
    assert model._combine_llm_outputs([*outputs, None]) == {
        "model_name": "m",
        "token_usage": {
            "prompt_tokens": 40,
            "completion_tokens": 60,
            "total_tokens": 100,
            "prompt_tokens_details": {"cached_tokens": 10},
            "completion_tokens_details": {"reasoning_tokens": 14},
        },
    }
    assert model._combine_llm_outputs([None, {"id": "a"}]) == {"id": "a"}
    assert model._combine_llm_outputs([None, None]) == {}


@pytest.mark.filterwarnings("ignore:.*is in beta")
def test_the_last_v3_event_names_the_finish_reason(model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(TURN)
    *_, last = cast("list[dict[str, Any]]", list(model.stream_events("hi", version="v3")))
    assert last["event"] == "message-finish"
    assert last["finish_reason"] == last["metadata"]["finish_reason"] == "stop"
    assert last["metadata"]["token_usage"] == COUNTS


# ---------------------------------------------------------------------------------------------------------- refusals

REFUSED = Turn(text="I cannot ", finish_reason="content_filter")


@pytest.mark.guarantees("langchain-refusal")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("version", ["v0", "v1"])
async def test_a_withheld_answer_has_a_standard_refusal_block(
    way: Way, version: str, model_for: Models, plan: Sandbox
) -> None:
    for protocol in ("openai", "anthropic"):
        plan.script(REFUSED)
        message = await way(model_for(protocol, output_version=version), "go")
        text, refusal = cast("list[dict[str, Any]]", message.content_blocks)
        assert (text["type"], text["text"]) == ("text", "I cannot ")
        assert (refusal["type"], refusal["refusal"]) == ("refusal", "")
        assert message.text == "I cannot "
        [turn] = to_messages([message])
        assert turn.content == (Text("I cannot "),)


@pytest.mark.guarantees("langchain-refusal")
@pytest.mark.filterwarnings("ignore:.*is in beta")
def test_a_withheld_answer_has_it_in_v3_events_too(model: ChatStepPlan, plan: Sandbox) -> None:
    """LangChain leaves such a block out of the message that it makes of the events."""
    plan.script(REFUSED)
    events = cast("list[dict[str, Any]]", list(model.stream_events("go", version="v3")))
    assert_valid_event_stream(cast("list[Any]", events))
    finished = [event["content"] for event in events if event["event"] == "content-block-finish"]
    assert finished == [{"type": "text", "text": "I cannot "}, {"type": "refusal", "refusal": ""}]


@pytest.mark.parametrize("way", WAYS)
async def test_an_ordinary_answer_has_none(way: Way, model: ChatStepPlan, plan: Sandbox) -> None:
    for finish_reason in ("stop", "length"):
        plan.script(Turn(text="Yes.", finish_reason=finish_reason))
        assert [block["type"] for block in (await way(model, "go")).content_blocks] == ["text"]


class Place(BaseModel):
    """A place."""

    name: str


@pytest.mark.guarantees("refusal-is-refusal")
@pytest.mark.filterwarnings("ignore:Messages does not document tool_choice")
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("text", ["I cannot.", '{"name": "Paris"}'])
async def test_structured_output_raises_a_refusal_with_the_message(
    model: ChatStepPlan, plan: Sandbox, text: str, asynchronous: bool
) -> None:
    calls = [] if model.protocol == "openai" or text[0] != "{" else [ToolCall("Place", {"name": "Paris"}, "a")]
    turn = Turn(text="" if calls else text, tool_calls=calls, finish_reason="content_filter")
    structured = model.with_structured_output(Place)
    plan.script(turn, turn)
    refusal: Any = getattr(lc, "ModelRefusalError", lc.ModelInvalidRequestError)
    with pytest.raises(refusal) as caught:
        await structured.ainvoke("go") if asynchronous else structured.invoke("go")
    assert isinstance(caught.value.raw_message, AIMessage)
    assert caught.value.raw_message.response_metadata["finish_reason"] == "content_filter"
    with pytest.raises(refusal) as caught:
        list(structured.stream("go"))
    assert caught.value.raw_message.response_metadata["finish_reason"] == "content_filter"


@pytest.mark.skipif(
    not hasattr(langchain.agents.middleware, "ModelRefusalMiddleware"), reason="langchain 1.5 has this middleware"
)
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("version", ["v0", "v1"])
def test_langchains_refusal_middleware_sees_a_refusal(
    model_for: Models, plan: Sandbox, streaming: bool, version: str
) -> None:
    middleware: Any = langchain.agents.middleware
    for protocol in ("openai", "anthropic"):
        model = model_for(protocol, streaming=streaming, output_version=version)
        agent = create_agent(model, tools=[], middleware=[middleware.ModelRefusalMiddleware()])
        plan.script(REFUSED, Turn(text="Yes."))
        with pytest.raises(cast("Any", lc).ModelRefusalError):
            agent.invoke(ask("go"))
        assert agent.invoke(ask("go"))["messages"][-1].text == "Yes."
