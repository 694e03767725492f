"""What `with_structured_output` and `response_format` accept, and what they refuse."""

from typing import Any

import pytest
from langchain_core.exceptions import OutputParserException
from langchain_core.outputs import Generation
from pydantic import BaseModel, RootModel

import stepplan
from langchain_stepplan import ChatStepPlan, InvalidRequestError
from langchain_stepplan._structured import StructuredOutputParser
from tests.support.ways.langchain import Models, body_of

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}


class Trip(BaseModel):
    """A journey."""

    city: str
    days: int | None = None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"schema": None}, "needs a schema"),
        ({"schema": Trip, "method": "json_mode", "strict": True}, "strict"),
        ({"schema": Trip, "method": "json"}, "method='json' is not known"),
        ({"schema": Trip, "method": "function_calling", "tool_choice": "any"}, "tool_choice is decided"),
        ({"schema": Trip, "response_format": "json_object"}, "response_format is decided"),
        ({"schema": 5}, "not a tool or a schema: 5"),
        ({"schema": list[Trip]}, "not a tool or a schema: list"),
        ({"schema": RootModel[list[Trip]]}, "of type 'array' can be neither.*an answer"),
        ({"schema": {"title": "Trips", "type": "array", "items": {}}}, "of type 'array' can be neither.*an answer"),
    ],
)
def test_arguments_that_do_not_fit_together_are_refused(
    model: ChatStepPlan, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        model.with_structured_output(**options)


def test_the_parser_reads_plain_text_and_knows_its_type() -> None:
    parser = StructuredOutputParser(object_type=Trip)
    assert parser.parse('{"city": "北京"}') == Trip(city="北京")
    assert parser.OutputType is Trip
    assert StructuredOutputParser().OutputType == dict[str, Any]
    with pytest.raises(OutputParserException, match="holds no object"):
        parser.parse("[1]")
    with pytest.raises(OutputParserException, match="chat models"):
        parser.parse_result([Generation(text="{}")])


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (None, None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"type": "json_object"}),
        ("json_object", {"type": "json_object"}),
        (
            {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "strict": True}},
            {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "strict": True}},
        ),
    ],
)
def test_a_response_format_may_be_bound_in_chat_completions_form(model_for: Models, value: Any, sent: Any) -> None:
    assert body_of(model_for("openai"), "go", response_format=value).get("response_format") == sent


@pytest.mark.parametrize("value", ["json", 5, {"type": "odd"}, {"type": "json_schema"}])
def test_another_response_format_is_refused_with_the_forms_there_are(model: ChatStepPlan, value: Any) -> None:
    with pytest.raises(stepplan.InvalidRequestError, match=r"response_format=.*it is 'json_object', a JSON Schema"):
        body_of(model, "go", response_format=value)
