"""Features of the object itself: making, copying, loops, clients, dumps, belonging."""

import asyncio
import copy
import pickle
import time
from collections.abc import Callable
from typing import Any

import httpx
from langchain_core.load import dumpd, load

from stepplan.sandbox import Fault, Sandbox, Turn
from tests.langchain.features import Contender, feature


@feature("Object", "is made in less than a quarter of a millisecond")
def made_quickly(contender: Contender, plan: Sandbox) -> None:
    contender.make(plan)
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for _ in range(5):
            contender.make(plan)
        best = min(best, (time.process_time() - began) / 5)
    assert best < 250e-6, f"takes {best * 1e6:,.0f} us"


@feature("Object", "pickles and deep-copies after use")
def copies(contender: Contender, plan: Sandbox) -> None:
    model = contender.make(plan)
    model.invoke("hi")
    assert copy.deepcopy(model).invoke("hi").text
    assert pickle.loads(pickle.dumps(model)).invoke("hi").text


@feature("Object", "works in one event loop after another, without retries that hide it")
def loops(contender: Contender, plan: Sandbox) -> None:
    model = contender.make(plan)
    for _ in range(3):
        assert asyncio.run(model.ainvoke("hi")).text


@feature("Object", "takes an httpx client of one's own")
def own_client(contender: Contender, plan: Sandbox) -> None:
    seen: list[str] = []

    def note(request: httpx.Request) -> None:
        seen.append(request.url.path)

    with httpx.Client(event_hooks={"request": [note]}) as client:
        contender.make(plan, http_client=client).invoke("hi")
    assert seen, "it is not used"


@feature("Object", "a misspelt argument raises, with what was perhaps meant")
def misspelt(contender: Contender, plan: Sandbox) -> None:
    error = raised(lambda: contender.make(plan, temprature=0))
    assert error is not None, "it is taken, with a warning or in silence"
    assert "temperature" in str(error), "no word of what was meant"


def raised(run: Callable[[], object]) -> Exception | None:
    """What goes wrong, if anything does."""
    try:
        run()
    except Exception as error:  # noqa: BLE001 - whichever it is
        return error
    return None


@feature("Object", "a dump holds no key, and comes back")
def dumps(contender: Contender, plan: Sandbox) -> None:
    model = contender.make(plan)
    dumped = dumpd(model)
    assert plan.api_key not in str(dumped)
    assert dumped["type"] == "constructor", "it is not dumped"
    options: dict[str, Any] = {
        "allowed_objects": [type(model)],
        "valid_namespaces": [contender.module],
        "secrets_map": dict.fromkeys(("STEP_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"), plan.api_key),
    }
    assert load(dumped, **options).invoke("hi").text


@feature("Object", "retries what may pass, and heeds Retry-After")
def retries(contender: Contender, plan: Sandbox) -> None:
    plan.script(Turn(text="At last.", fault=Fault(status=429, headers={"Retry-After": "1"})))
    began = time.monotonic()
    assert contender.make(plan, max_retries=2).invoke("hi").text == "At last."
    assert time.monotonic() - began >= 0.9, "it does not wait"


@feature("Object", "has a profile of the plan's models")
def profile(contender: Contender, plan: Sandbox) -> None:
    known = contender.make(plan).profile or {}
    assert known.get("max_input_tokens"), "there is none"
