"""A stream that the garbage collector ends, at a moment nobody chooses, ends without harm."""

import gc
import threading
from collections.abc import Generator
from typing import Any

import pytest

from stepplan import Client, Message, Request, transport
from stepplan.sandbox import Fault, Sandbox, Turn
from tests.support.clients import PROTOCOLS, settings_for
from tests.support.servers import hung_up

REQUEST = Request(messages=(Message.user("Hello"),))


class Cycle:
    """Keeps a stream where only the collector finds it."""

    def __init__(self, stream: Generator[Any]) -> None:
        self.stream = stream
        self.itself = self


@pytest.mark.guarantees("abandoned-streams")
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_collecting_a_stream_in_the_middle_of_the_pools_work_does_not_hang(plan: Sandbox, protocol: Any) -> None:
    plan.script(Turn(text="a " * 50, fault=Fault(delay=0.05)))
    client = Client(settings_for(plan), protocol=protocol)

    def collect() -> None:
        kept = Cycle(client.stream(REQUEST))
        next(kept.stream)
        del kept
        pool: Any = transport._sync[client._pool_key]
        with pool._transport._pool._optional_thread_lock:  # where httpcore is while it chooses a connection
            gc.collect()

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive(), "it hangs"
    assert hung_up(plan)
