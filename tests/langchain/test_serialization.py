"""What a dump of the model holds, and that the model comes back from it."""

import copy
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from typing import Any

import pytest
from langchain_core.load import dumpd, dumps, load
from langchain_core.runnables import Runnable
from pydantic import BaseModel, SecretStr

from langchain_stepplan import ChatStepPlan
from stepplan import ProtocolName

cloudpickle: Any = import_module("cloudpickle")  # has no types; some package or other always brings it
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
        proxy=f"http://me:{CANARY}@127.0.0.1:9",
        extra_body={"user": "u"},
    )


@pytest.mark.guarantees("langchain-dump-load")
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


@pytest.mark.guarantees("key-not-shown", "langchain-dump-load")
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


def cloudpickled(value: Any) -> Any:
    return pickle.loads(cloudpickle.dumps(value))


def model_copied(value: Any) -> Any:
    return value.model_copy()


class Place(BaseModel):
    """A place."""

    name: str


COPIES: list[Callable[[Any], Any]] = [copy.copy, copy.deepcopy, pickled, cloudpickled, model_copied]
MADE: dict[str, Callable[[ChatStepPlan], Runnable[Any, Any]]] = {
    "the model": lambda model: model,
    "with tools": lambda model: model.bind_tools([Place]),
    "with structured output": lambda model: model.with_structured_output(Place),
    "with the raw message": lambda model: model.with_structured_output(Place, include_raw=True),
    "with retries": lambda model: model.with_retry(),
}


@pytest.mark.guarantees("copies-and-pickles")
@pytest.mark.filterwarnings("ignore:Messages does not document tool_choice")
@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
@pytest.mark.parametrize("copied", COPIES)
def test_a_copy_works_even_after_use(
    model: ChatStepPlan, copied: Callable[[Any], Any], made: Callable[[ChatStepPlan], Runnable[Any, Any]]
) -> None:
    runnable = made(model)
    answer = runnable.invoke("Go to Paris.")
    again = copied(runnable).invoke("Go to Paris.")
    assert type(again) is type(answer)
    assert copied(model) == model


@pytest.mark.guarantees("copies-and-pickles")
@pytest.mark.interpreter
def test_a_model_works_in_other_processes(model: ChatStepPlan) -> None:
    answer = model.invoke("hi")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(model.invoke, "hi").result().content == answer.content
