"""LlamaIndex's structured prediction: the object, the model's answer that holds it, and the four ways to ask."""

import json
from collections.abc import AsyncGenerator
from enum import Enum
from typing import Any, Literal

from llama_index.core import PromptTemplate
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel, Field

from llama_index_stepplan import StepPlan
from stepplan.sandbox import ToolCall, Turn

PredictWay = Literal["whole", "awaited", "streamed", "streamed async"]
PREDICT_WAYS: tuple[PredictWay, ...] = ("whole", "awaited", "streamed", "streamed async")
PROMPT = PromptTemplate("Who is {who}?")


class Mood(Enum):
    CALM = "calm"
    WILD = "wild"


class Address(BaseModel):
    city: str
    zip: str | None = None


class Person(BaseModel):
    """Somebody."""

    name: str = Field(description="The full name")
    age: int
    mood: Mood = Mood.CALM
    home: Address | None = None
    friends: list["Person"] = []


BOB = {
    "name": "Robert Norman Ross, the painter of happy little trees",
    "age": 52,
    "mood": "wild",
    "home": {"city": "Orlando", "zip": None},
    "friends": [{"name": "Steve", "age": 40, "mood": "calm", "home": None, "friends": []}],
}


def answer(llm: StepPlan, value: dict[str, Any] | str, finish_reason: str | None = None) -> Turn:
    """The turn in which the model gives this object, in the form that the protocol asks for."""
    text = value if isinstance(value, str) else json.dumps(value)
    if llm.protocol == "openai" and llm.pydantic_program_mode == PydanticProgramMode.DEFAULT:
        return Turn(reasoning="I know him.", text=text, finish_reason=finish_reason)
    return Turn(reasoning="I know him.", tool_calls=[ToolCall("Person", text)], finish_reason=finish_reason)


async def predict(llm: StepPlan, way: PredictWay, cls: type[BaseModel] = Person, **kwargs: Any) -> list[Any]:
    """The objects, the last one whole."""
    match way:
        case "whole":
            return [llm.structured_predict(cls, PROMPT, kwargs or None, who="'Bob'")]
        case "awaited":
            return [await llm.astructured_predict(cls, PROMPT, kwargs or None, who="'Bob'")]
        case "streamed":
            return list(llm.stream_structured_predict(cls, PROMPT, kwargs or None, who="'Bob'"))
        case "streamed async":
            parts = await llm.astream_structured_predict(cls, PROMPT, kwargs or None, who="'Bob'")
            assert isinstance(parts, AsyncGenerator)
            return [part async for part in parts]
