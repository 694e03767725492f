"""What running it does to a process: imports, the event loop, forks, and what the environment says of others."""

import asyncio
import subprocess
import sys

import pytest
from llama_index.core.base.llms.types import ChatMessage

from llama_index_stepplan import StepPlan
from stepplan import APITimeoutError, ContextOverflowError, ProtocolName
from stepplan.sandbox import Fault, Sandbox, Turn
from tests.support.ways.llama_index import STREAMS, WAYS, Way, ask, make_llm

HI = [ChatMessage("Hi")]


def run_script(script: str, *arguments: str) -> str:
    """What it prints, in a process of its own. Warnings come from LlamaIndex's own imports, so they are let pass."""
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


IMPORTED = """
import sys
import httpx
import llama_index.core.llms.function_calling
before = set(sys.modules)
import llama_index_stepplan
added = {name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names
foreign = {"openai", "anthropic", "langchain", "langchain_core", "langchain_stepplan", "transformers", "torch"}
print(sorted(added), sorted(foreign & {name.partition(".")[0] for name in sys.modules}))
"""


@pytest.mark.guarantees("quick-import")
@pytest.mark.interpreter
def test_importing_it_adds_nothing_to_llama_index_and_httpx_but_itself() -> None:
    assert run_script(IMPORTED) == "['llama_index_stepplan', 'stepplan'] []\n"


UNBLOCKED = """
import asyncio, sys
from blockbuster import blockbuster_ctx
from llama_index.core.base.llms.types import ChatMessage
from llama_index_stepplan import StepPlan

async def main():
    with blockbuster_ctx():
        llm = StepPlan(protocol=sys.argv[1], base_url=sys.argv[2], api_key=sys.argv[3])
        assert (await llm.achat([ChatMessage("Hi")])).message.content
        assert [chunk async for chunk in await llm.astream_chat([ChatMessage("Hi")])]
        assert (await llm.acomplete("Hi")).text
        print("done", end="")

asyncio.run(main())
"""


@pytest.mark.guarantees("nothing-blocks")
@pytest.mark.interpreter
def test_nothing_blocks_the_event_loop_from_the_first_call_on(plan: Sandbox, protocol: ProtocolName) -> None:
    assert run_script(UNBLOCKED, protocol, plan.base_url, plan.api_key) == "done"


FORKED = """
import asyncio, os, sys
from llama_index_stepplan import StepPlan

llm = StepPlan(protocol=sys.argv[1], base_url=sys.argv[2], api_key=sys.argv[3])

async def awaited():
    return (await llm.acomplete("Hi")).text

def asked():
    return llm.complete("Hi").text, asyncio.run(awaited())

before = asked()
child = os.fork()
if not child:
    os._exit(asked() != before)
assert os.waitpid(child, 0)[1] == 0
assert asked() == before
print("parent and child", end="")
"""


@pytest.mark.guarantees("forks")
@pytest.mark.interpreter
def test_a_child_that_is_forked_after_use_can_use_it_too(plan: Sandbox, protocol: ProtocolName) -> None:
    assert run_script(FORKED, protocol, plan.base_url, plan.api_key) == "parent and child"


@pytest.mark.guarantees("other-vendors-variables")
def test_other_vendors_variables_change_nothing(llm: StepPlan, plan: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    llm.chat(HI)
    for vendor in ("OPENAI", "ANTHROPIC"):
        for name in ("API_KEY", "API_BASE", "BASE_URL", "AUTH_TOKEN", "ORG_ID", "CUSTOM_HEADERS"):
            monkeypatch.setenv(f"{vendor}_{name}", "http://127.0.0.1:9/junk")
    make_llm(plan, llm.protocol).chat(HI)
    before, after = plan.requests

    assert (after.path, after.body, after.headers) == (before.path, before.body, before.headers)


@pytest.mark.guarantees("stalled-stream")
@pytest.mark.parametrize("way", STREAMS)
async def test_a_stream_of_nothing_but_pings_is_given_up(plan: Sandbox, protocol: ProtocolName, way: Way) -> None:
    plan.script(Turn(text="Never comes.", fault=Fault(stall_after=1, pings=True, ping_interval=0.02)))
    with pytest.raises(APITimeoutError, match=r"stream_timeout|0\.3"):
        await ask(make_llm(plan, protocol, stream_timeout=0.3), way, HI)


@pytest.mark.guarantees("stalled-stream", "separate-timeouts")
def test_a_stream_is_given_up_as_it_comes_after_two_minutes() -> None:
    assert (StepPlan().stream_timeout, StepPlan().timeout, StepPlan().connect_timeout) == (120.0, 600.0, 10.0)


@pytest.mark.guarantees("context-overflow")
@pytest.mark.parametrize("way", WAYS)
async def test_too_long_a_prompt_is_an_overflow_after_one_request(
    plan: Sandbox, protocol: ProtocolName, way: Way
) -> None:
    body = {"error": {"message": "The prompt is too long: 300000 tokens", "type": "invalid_request_error"}}
    plan.script(Turn(fault=Fault(status=400, body=body, times=9)))
    with pytest.raises(ContextOverflowError, match="300000"):
        await ask(make_llm(plan, protocol, max_retries=3), way, HI)

    assert len(plan.requests) == 1


@pytest.mark.guarantees("hundreds-at-once")
async def test_many_calls_at_once_all_succeed(llm: StepPlan) -> None:
    answers = await asyncio.gather(*(llm.acomplete(f"Question {number}") for number in range(150)))

    assert all(f"Question {number}" in answer.text for number, answer in enumerate(answers))
