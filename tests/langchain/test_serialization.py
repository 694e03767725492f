"""What a dump of the model holds, and that the model comes back from it."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.load import dumpd, dumps, load
from pydantic import SecretStr

from langchain_stepplan import ChatStepPlan
from stepplan import ProtocolName

CANARY = "sk-canary-0123456789"


def dumped_model(protocol: ProtocolName) -> ChatStepPlan:
    return ChatStepPlan(
        protocol=protocol,
        api_key=SecretStr(CANARY),
        temperature=0,
        max_tokens=7,
        stop=["x"],
        reasoning_effort="low",
        default_headers={"X-Secret": CANARY},
        extra_body={"user": "u"},
    )


@pytest.mark.filterwarnings("ignore:The function `load` is in beta")
def test_a_dump_comes_back_as_an_equal_model(protocol: ProtocolName, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEP_API_KEY", CANARY)
    model = dumped_model(protocol)
    options: dict[str, Any] = {"allowed_objects": [ChatStepPlan], "valid_namespaces": ["langchain_stepplan"]}
    loaded = load(dumpd(model), secrets_from_env=True, **options)
    assert isinstance(loaded, ChatStepPlan)
    assert loaded.asdict() == model.asdict()
    assert loaded.temperature == 0
    assert loaded.api_key == model.api_key


def test_the_key_and_the_headers_are_in_no_dump_and_no_repr() -> None:
    model = dumped_model("openai")
    shown = [
        repr(model),
        str(model),
        dumps(model),
        model.model_dump_json(),
        str(model.asdict()),
        str(model.model_dump()),
    ]
    assert [text for text in shown if CANARY in text] == []


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


COPIES: list[Callable[[Any], Any]] = [copy.copy, copy.deepcopy, pickled]


@pytest.mark.parametrize("copied", COPIES)
def test_a_copy_works_even_after_use(model: ChatStepPlan, copied: Callable[[Any], Any]) -> None:
    model.invoke("hi")
    assert copied(model) == model
    assert copied(model).invoke("hi").content
    bound = copied(model.bind_tools([]))
    assert bound.invoke("hi").content
