"""Objects instead of text, in all four ways and on both protocols."""

import json
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import pytest
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel, ConfigDict, RootModel

from llama_index_stepplan import StepPlan, StructuredOutputError
from stepplan import InvalidRequestError, ProtocolName
from stepplan.integration.schemas import class_schema
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.support.marks import forced_choice_is_asked_for
from tests.support.predictions import BOB, PREDICT_WAYS, PROMPT, Person, PredictWay, answer, predict
from tests.support.ways.llama_index import make_llm

pytestmark = forced_choice_is_asked_for

T = TypeVar("T")


@pytest.mark.guarantees("schemas-and-methods", "llama-index-structured")
@pytest.mark.parametrize("way", PREDICT_WAYS)
async def test_nested_and_optional_objects_are_predicted(llm: StepPlan, plan: Sandbox, way: PredictWay) -> None:
    plan.script(answer(llm, BOB))

    assert (await predict(llm, way))[-1] == Person.model_validate(BOB)


@pytest.mark.guarantees("schemas-and-methods")
@pytest.mark.parametrize("way", PREDICT_WAYS)
async def test_the_object_is_forced_as_far_as_the_protocol_can(llm: StepPlan, plan: Sandbox, way: PredictWay) -> None:
    await predict(llm, way)
    body = plan.requests[0].body

    if llm.protocol == "openai":
        schema = body["response_format"]["json_schema"]
        assert schema == {"name": "Person", "schema": class_schema(Person)}
        assert not {"tools", "tool_choice"} & set(body)
    else:
        [tool] = body["tools"]
        assert (tool["name"], tool["description"]) == ("Person", "Somebody.")
        assert tool["input_schema"] == class_schema(Person)
        assert "You must call the tool `Person`" in body["system"]


@pytest.mark.guarantees("schemas-and-methods")
@pytest.mark.parametrize("way", PREDICT_WAYS)
@pytest.mark.parametrize("place", ["model", "standing", "call"])
async def test_a_model_that_does_not_document_json_schema_is_asked_by_a_tool(
    plan: Sandbox, protocol: ProtocolName, way: PredictWay, place: str
) -> None:
    router: dict[str, Any] = {"model": "step-router-v1"}
    places: dict[str, dict[str, Any]] = {"model": router, "standing": {"additional_kwargs": router}, "call": {}}
    plan.script(Turn(tool_calls=[ToolCall("Person", json.dumps(BOB))]))
    parts = await predict(make_llm(plan, protocol, **places[place]), way, **(router if place == "call" else {}))
    assert parts[-1] == Person.model_validate(BOB)
    sent = plan.requests[0].body
    assert sent["model"] == "step-router-v1"
    assert "response_format" not in sent
    assert [(tool.get("function") or tool)["name"] for tool in sent["tools"]] == ["Person"]


async def test_the_system_prompt_is_the_same_in_all_four_ways(plan: Sandbox, protocol: ProtocolName) -> None:
    llm = make_llm(plan, protocol, system_prompt="You know everybody.")
    for way in PREDICT_WAYS:
        await predict(llm, way)
    asked = [
        {name: value for name, value in request.body.items() if name not in {"stream", "stream_options"}}
        for request in plan.requests
    ]

    assert asked == [asked[0]] * 4
    assert "You know everybody." in str(asked[0])


@pytest.mark.parametrize("way", PREDICT_WAYS)
async def test_a_tool_can_be_chosen_on_either_protocol(plan: Sandbox, protocol: ProtocolName, way: PredictWay) -> None:
    llm = make_llm(plan, protocol, pydantic_program_mode=PydanticProgramMode.FUNCTION)
    plan.script(answer(llm, BOB))

    assert (await predict(llm, way))[-1] == Person.model_validate(BOB)
    assert "response_format" not in plan.requests[0].body
    if protocol == "openai":
        assert plan.requests[0].body["tool_choice"] == {"type": "function", "function": {"name": "Person"}}


@pytest.mark.guarantees("partial-objects")
@pytest.mark.parametrize("way", ["streamed", "streamed async"])
async def test_parts_fill_in_as_the_text_arrives(llm: StepPlan, plan: Sandbox, way: PredictWay) -> None:
    plan.script(answer(llm, BOB))
    parts = await predict(llm, way)
    names = [part.name for part in parts if part.name]

    assert len(parts) > 5
    assert names == sorted(names, key=len)
    assert len(set(names)) > 3
    assert all("Robert Norman Ross, the painter of happy little trees".startswith(name) for name in names)
    assert [part.age for part in parts][-1] == 52
    assert any(part.home is not None and part.home.city not in {None, "Orlando"} for part in parts)
    assert any(part.friends and part.friends[0].name == "Steve" for part in parts[:-1])
    assert parts[-1] == Person.model_validate(BOB)


@pytest.mark.guarantees("object-found")
@pytest.mark.parametrize("way", PREDICT_WAYS)
async def test_text_beside_the_call_is_no_obstacle(plan: Sandbox, way: PredictWay) -> None:
    plan.script(Turn(text="Here he is:", tool_calls=[ToolCall("Person", BOB)]))

    assert (await predict(make_llm(plan, "anthropic"), way))[-1] == Person.model_validate(BOB)


@pytest.mark.guarantees("object-found")
@pytest.mark.parametrize("way", PREDICT_WAYS)
async def test_a_model_that_writes_the_object_down_instead_of_calling_has_answered(
    plan: Sandbox, way: PredictWay
) -> None:
    plan.script(Turn(text=json.dumps(BOB)))

    assert (await predict(make_llm(plan, "anthropic"), way))[-1] == Person.model_validate(BOB)


@pytest.mark.guarantees("why-no-object")
@pytest.mark.parametrize("way", PREDICT_WAYS)
async def test_an_answer_that_was_cut_off_says_max_tokens(llm: StepPlan, plan: Sandbox, way: PredictWay) -> None:
    cut = (
        ""
        if llm.protocol == "anthropic" and way in {"whole", "awaited"}
        else '{"name": "Robert Norman Ross, the painter of happy little trees", "age": 5'
    )
    plan.script(answer(llm, cut, finish_reason="length"))
    with pytest.raises(
        StructuredOutputError, match="cut off before the Person was complete: raise max_tokens"
    ) as caught:
        await predict(llm, way)

    assert isinstance(caught.value, ValueError)


@pytest.mark.guarantees("why-no-object")
@pytest.mark.parametrize("way", PREDICT_WAYS)
async def test_an_object_that_does_not_fit_says_where(llm: StepPlan, plan: Sandbox, way: PredictWay) -> None:
    plan.script(answer(llm, {"name": "Bob"}))
    with pytest.raises(StructuredOutputError, match=r"not a valid Person(.|\n)*age") as caught:
        await predict(llm, way)

    assert "Bob" in caught.value.body


@pytest.mark.guarantees("why-no-object")
@pytest.mark.parametrize("way", PREDICT_WAYS)
async def test_text_instead_of_an_object_is_shown(llm: StepPlan, plan: Sandbox, way: PredictWay) -> None:
    plan.script(Turn(text="I do not know him."))
    with pytest.raises(StructuredOutputError, match=r"(?s)Person.*I do not know him\."):
        await predict(llm, way)


async def test_broken_arguments_are_named_as_such(plan: Sandbox) -> None:
    plan.script(Turn(tool_calls=[ToolCall("Person", "{'name': 1}")]))
    with pytest.raises(StructuredOutputError, match="are not a JSON object"):
        await predict(make_llm(plan, "anthropic"), "streamed")


@pytest.mark.guarantees("llama-index-structured")
@pytest.mark.parametrize("way", PREDICT_WAYS)
async def test_options_are_passed_on_and_choices_of_tools_left_aside(
    llm: StepPlan, plan: Sandbox, way: PredictWay
) -> None:
    given: dict[str, Any] = {
        "max_tokens": 555,
        "tool_choice": "auto",
        "tool_required": True,
        "allow_parallel_tool_calls": True,
    }
    before = dict(given)
    await predict(llm, way, **given)

    assert plan.requests[0].body["max_tokens"] == 555
    assert given == before


class Nothing(BaseModel):
    """Says that there is nothing to say."""


@pytest.mark.parametrize("way", PREDICT_WAYS)
async def test_a_class_without_fields_is_predicted(llm: StepPlan, way: PredictWay) -> None:
    assert (await predict(llm, way, Nothing))[-1] == Nothing()


class Hook(BaseModel):
    call: Callable[[], None]


@pytest.mark.parametrize("way", PREDICT_WAYS)
@pytest.mark.parametrize(
    ("cls", "said"),
    [
        (dict, "output_cls must be a Pydantic class, not <class 'dict'>"),
        (Person(name="Bob", age=42), "output_cls must be a Pydantic class, not Person"),
        (RootModel[list[int]], "of type 'array' can be neither arguments nor an answer"),
        (Hook, "Hook has no JSON Schema"),
    ],
)
async def test_what_no_object_can_be_made_of_is_refused(llm: StepPlan, way: PredictWay, cls: Any, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        await predict(llm, way, cls)


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str


async def test_parts_show_the_fields_that_a_class_allows_beside_its_own(plan: Sandbox) -> None:
    plan.script(Turn(text='{"hair": "curly", "age": 52, "name": "Bob"}'))
    parts = await predict(make_llm(plan, "openai"), "streamed", Open)

    assert any(part.hair == "curly" and part.name is None for part in parts)
    assert parts[-1] == Open.model_validate({"hair": "curly", "age": 52, "name": "Bob"})


class Box(BaseModel, Generic[T]):
    content: T


@pytest.mark.parametrize("way", PREDICT_WAYS)
async def test_a_generic_class_has_a_name_the_api_takes(llm: StepPlan, plan: Sandbox, way: PredictWay) -> None:
    [*_, box] = await predict(llm, way, Box[int])
    body = plan.requests[0].body
    name = body["response_format"]["json_schema"]["name"] if llm.protocol == "openai" else body["tools"][0]["name"]

    assert isinstance(box, Box)
    assert name.isidentifier()


@pytest.mark.guarantees("strict-only-if-asked")
def test_strict_schemas_are_asked_for_if_so_chosen(plan: Sandbox) -> None:
    llm = make_llm(plan, "openai", strict=True)
    llm.structured_predict(Person, PROMPT, who="Bob")
    llm.pydantic_program_mode = PydanticProgramMode.FUNCTION
    llm.structured_predict(Person, PROMPT, who="Bob")

    assert plan.requests[0].body["response_format"]["json_schema"]["strict"] is True
    assert plan.requests[1].body["tools"][0]["function"]["strict"] is True
