"""LlamaIndex's own structured LLMs, programs and events over the model's prediction of objects."""

import json
from typing import Any

import pytest
from llama_index.core import ChatPromptTemplate
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.instrumentation.events.llm import (
    LLMStructuredPredictEndEvent,
    LLMStructuredPredictInProgressEvent,
    LLMStructuredPredictStartEvent,
)
from llama_index.core.program import FunctionCallingProgram
from llama_index.core.types import PydanticProgramMode

from llama_index_stepplan import StepPlan
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.support.instrumentation import Recorder
from tests.support.marks import agents_use_old_pydantic, forced_choice_is_asked_for
from tests.support.predictions import BOB, PREDICT_WAYS, PROMPT, Address, Person, PredictWay, answer, predict

pytestmark = forced_choice_is_asked_for


@pytest.mark.parametrize("way", PREDICT_WAYS)
async def test_prediction_fires_its_events_once(llm: StepPlan, recorder: Recorder, way: PredictWay) -> None:
    parts = await predict(llm, way)

    assert len(recorder.of(LLMStructuredPredictStartEvent)) == 1
    [end] = recorder.of(LLMStructuredPredictEndEvent)
    assert end.output == parts[-1]
    assert [event.output for event in recorder.of(LLMStructuredPredictInProgressEvent)] == parts[:-1]


@pytest.mark.parametrize("way", PREDICT_WAYS)
async def test_other_modes_are_left_to_llama_index(llm: StepPlan, plan: Sandbox, way: PredictWay) -> None:
    llm.pydantic_program_mode = PydanticProgramMode.LLM
    plan.script(Turn(text=json.dumps(BOB)))

    assert (await predict(llm, way, temperature=0.5))[-1] == Person.model_validate(BOB)
    assert not {"tools", "response_format"} & set(plan.requests[0].body)
    assert '"$defs"' in str(plan.requests[0].body["messages"])
    assert plan.requests[0].body["temperature"] == 0.5


@pytest.mark.guarantees("llama-index-structured")
@agents_use_old_pydantic
async def test_a_structured_llm_answers_with_the_object(llm: StepPlan, plan: Sandbox) -> None:
    plan.script(*[answer(llm, BOB)] * 5)
    structured = llm.as_structured_llm(Person)
    question = [ChatMessage("You know everybody.", role="system"), ChatMessage("Who is {Bob}?")]
    answers = [
        structured.chat(question),
        await structured.achat(question),
        list(structured.stream_chat(question))[-1],
        [chunk async for chunk in await structured.astream_chat(question)][-1],
    ]

    for response in answers:
        assert response.raw == Person.model_validate(BOB)
        assert (
            json.loads(response.message.content or "")["name"]
            == "Robert Norman Ross, the painter of happy little trees"
        )
    assert structured.complete("Who?").raw == Person.model_validate(BOB)
    assert "Who is {Bob}?" in str(plan.requests[0].body["messages"])


def test_a_conversation_may_be_the_prompt(llm: StepPlan, plan: Sandbox) -> None:
    prompt = ChatPromptTemplate.from_messages([("system", "You know {whom}."), ("user", "Who is {who}?")])
    llm.structured_predict(Person, prompt, whom="everybody", who="Bob")

    sent = str(plan.requests[0].body)
    assert "You know everybody." in sent
    assert "Who is Bob?" in sent


@pytest.mark.guarantees("llama-index-structured")
@pytest.mark.parametrize("multiple", [False, True])
async def test_llama_indexs_own_program_works_too_and_shows_parts(llm: StepPlan, plan: Sandbox, multiple: bool) -> None:
    calls = [ToolCall("Address", {"city": "Orlando"}), ToolCall("Address", {"city": "Rome", "zip": "00118"})]
    plan.script(*[Turn(tool_calls=calls)] * 4)
    program = FunctionCallingProgram.from_defaults(
        output_cls=Address, prompt=PROMPT, llm=llm, allow_parallel_tool_calls=multiple
    )
    expected = Address(city="Orlando")
    results: list[Any] = [
        program(who="Bob"),
        await program.acall(who="Bob"),
        list(program.stream_call(who="Bob"))[-1],
        [part async for part in await program.astream_call(who="Bob")][-1],
    ]

    assert results == [[expected, Address(city="Rome", zip="00118")] if multiple else expected] * 4
