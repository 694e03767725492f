"""One client in many loops, threads and processes, and nothing left over at the end of any."""

import asyncio
import copy
import gc
import pickle
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from typing import Any

import httpx
import pytest
from blockbuster import blockbuster_ctx

from stepplan import AsyncClient, Client, Message, Request, fold, transport
from stepplan.sandbox import Fault, Sandbox, Turn
from tests.support.clients import PROTOCOLS, settings_for
from tests.support.fixtures import COMPOSED
from tests.support.servers import RawServer, raw_server, response

REQUEST = Request(messages=(Message.user("Hello"),))
WHOLE = next(answer.data for answer in COMPOSED if answer.path.name == "text.openai.json")


async def ask(client: AsyncClient, complaints: list[dict[str, Any]]) -> str:
    """A whole answer, a streamed one and one that is left halfway, with the loop's complaints noted."""
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    whole = await client.send(REQUEST)
    streamed = fold([event async for event in client.stream(REQUEST)])
    async for _ in client.stream(REQUEST):
        break
    assert whole.text == streamed.text
    return whole.text


@pytest.mark.guarantees("many-loops", "both-transports")
@pytest.mark.usefixtures("async_transport")
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_one_client_works_in_one_loop_after_the_other_and_leaves_nothing(plan: Sandbox, protocol: Any) -> None:
    client, complaints = AsyncClient(settings_for(plan), protocol=protocol), list[dict[str, Any]]()
    assert len({asyncio.run(ask(client, complaints)) for _ in range(3)}) == 1
    gc.collect()  # an unclosed socket would warn here, and a warning is an error
    assert complaints == []


@pytest.mark.guarantees("many-loops")
@pytest.mark.usefixtures("async_transport")
def test_one_client_works_in_the_loops_of_two_threads_at_once(plan: Sandbox) -> None:
    client, complaints, answers = AsyncClient(settings_for(plan)), list[dict[str, Any]](), list[str]()

    def run() -> None:
        for _ in range(5):
            answers.append(asyncio.run(ask(client, complaints)))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert len(answers) == 10
    assert complaints == []


@pytest.mark.usefixtures("async_transport")
def test_pools_of_closed_loops_are_forgotten(plan: Sandbox) -> None:
    client = AsyncClient(settings_for(plan))
    for _ in range(5):
        asyncio.run(client.send(REQUEST))
    assert sum(loop.is_closed() for loop in transport._async) <= 1


@pytest.mark.guarantees("many-loops")
@pytest.mark.usefixtures("async_transport")
def test_a_loop_that_ends_amid_a_stream_leaves_nothing(plan: Sandbox) -> None:
    client, complaints = AsyncClient(settings_for(plan)), list[dict[str, Any]]()
    kept: list[Any] = []

    async def leave() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        plan.script(Turn(text="word " * 40, fault=Fault(delay=0.01)))
        kept.append(client.stream(REQUEST))
        await anext(kept[0])

    asyncio.run(leave())
    kept.clear()
    gc.collect()
    assert complaints == []


@pytest.mark.usefixtures("async_transport")
def test_a_loop_that_is_not_asyncio_runs_own(plan: Sandbox) -> None:
    loop = asyncio.new_event_loop()
    client = AsyncClient(settings_for(plan))
    assert loop.run_until_complete(client.send(REQUEST)).text
    loop.run_until_complete(client.aclose())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    gc.collect()


@pytest.mark.guarantees("copies-and-pickles")
@pytest.mark.parametrize("cls", [Client, AsyncClient])
def test_a_client_can_be_copied_and_sent_to_another_process(cls: Any, plan: Sandbox) -> None:
    client = cls(settings_for(plan), protocol="anthropic")
    for twin in (copy.deepcopy(client), copy.copy(client), pickle.loads(pickle.dumps(client))):
        assert twin.settings == client.settings
        assert twin.protocol == "anthropic"
        answer = twin.send(REQUEST)
        assert (answer if cls is Client else asyncio.run(answer)).text


@pytest.mark.guarantees("nothing-blocks")
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_nothing_blocks_the_loop(plan: Sandbox, protocol: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEP_API_KEY", plan.api_key)
    transport.reset()
    with blockbuster_ctx():
        client = AsyncClient(replace(settings_for(plan), api_key=None), protocol=protocol)
        assert (await client.send(REQUEST)).text
        assert fold([event async for event in client.stream(REQUEST)]).text


@pytest.mark.guarantees("nothing-blocks")
async def test_certificates_are_read_in_another_thread(plan: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    readers: list[int] = []
    read = httpx.create_ssl_context

    def noted(**options: Any) -> Any:
        readers.append(threading.get_ident())
        return read(**options)

    monkeypatch.setattr(httpx, "create_ssl_context", noted)
    transport.reset()
    client = AsyncClient(settings_for(plan))
    await asyncio.gather(client.send(REQUEST), client.send(REQUEST))
    assert len(readers) == 1
    assert readers[0] != threading.get_ident()


FORKED = """
import asyncio, os, sys
from pydantic import SecretStr
from stepplan import AsyncClient, Client, Message, Request, Settings

settings = Settings(api_key=SecretStr(sys.argv[2]), base_url=sys.argv[1])
request = Request(messages=(Message.user("Hello"),))
client, other = Client(settings), AsyncClient(settings)
before = client.send(request).text, asyncio.run(other.send(request)).text
child = os.fork()
after = client.send(request).text, asyncio.run(other.send(request)).text
assert before == after, after
if child:
    assert os.waitpid(child, 0)[1] == 0
    assert client.send(request).text == before[0]
    print("parent and child", end="")
"""


@pytest.mark.guarantees("forks")
@pytest.mark.interpreter
def test_a_child_that_is_forked_after_use_has_connections_of_its_own() -> None:
    def serve(server: RawServer, connection: socket.socket, number: int) -> None:
        while server.read_request(connection):
            connection.sendall(response(WHOLE))

    # The child never closes what it shares with its parent, and its end may say so to those who ask for it.
    warnings = ["-W", "error", "-W", "ignore::ResourceWarning"]
    with raw_server(serve) as server:
        command = [sys.executable, *warnings, "-c", FORKED, f"http://127.0.0.1:{server.port}", "sk-x"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert done.stdout == "parent and child"
    assert server.connections == 5, "one for each process, and one for each run of a loop"


CLOSED = """
import asyncio, os, sys, time
from stepplan import AsyncClient, Client, Message, Request, Settings
streamed, url, key = sys.argv[1] == "streamed", *sys.argv[2:]
settings, request = Settings(base_url=url, api_key=key, max_concurrency=2), Request(messages=(Message.user("Hello"),))
client, loop, left = AsyncClient(settings), asyncio.new_event_loop(), []
async def leave():
    for _ in range(4):  # two of them in line
        left.append(asyncio.ensure_future(anext(client.stream(request)) if streamed else client.send(request)))
    await asyncio.sleep(1)
loop.run_until_complete(leave())
loop.close()
before = time.monotonic()
answers = Client(settings).send(request).text, asyncio.run(client.send(request)).text
print(answers, time.monotonic() - before < 10, end="", flush=True)
os._exit(0)  # asyncio would complain about the tasks
"""


@pytest.mark.guarantees("many-loops")
@pytest.mark.interpreter
@pytest.mark.parametrize("way", ["whole", "streamed"])
def test_calls_that_a_closed_loop_left_behind_hold_nobody_up(plan: Sandbox, way: str) -> None:
    never = Turn(text="Never read.", fault=Fault(delay=30))
    plan.script(never, never, Turn(text="One."), Turn(text="Two."))
    command = [sys.executable, "-c", CLOSED, way, plan.base_url, plan.api_key]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("('One.', 'Two.') True", "")


IMPORTED = """
import sys, stepplan
heavy = {
    "langchain", "langchain_core", "langgraph", "langsmith", "langchain_stepplan", "llama_index", "openai", "anthropic",
    "llama_index_stepplan", "transformers", "torch", "tiktoken", "numpy", "starlette", "uvicorn", "httpx2", "requests",
}
print(sorted(heavy & {name.partition(".")[0] for name in sys.modules}), "stepplan.sandbox" in sys.modules)
"""


@pytest.mark.guarantees("quick-import")
@pytest.mark.interpreter
def test_importing_the_core_imports_nothing_it_does_not_need() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[] False\n"


@pytest.mark.guarantees("silent-end")
@pytest.mark.interpreter
def test_a_process_that_ends_with_open_connections_says_nothing(plan: Sandbox) -> None:
    code = FORKED.partition("child = ")[0] + "next(client.stream(request)); print('done', end='')"
    command = [sys.executable, "-W", "error", "-c", code, plan.base_url, plan.api_key]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert done.stdout == "done"
