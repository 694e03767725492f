"""A sandbox for many calls at once: it answers each prompt by what the prompt says, and counts instead of recording.

A script does not serve here, because calls that run at once arrive in any order.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from typing_extensions import override

from stepplan.sandbox import Fault, RecordedRequest, Turn, anthropic, openai
from stepplan.sandbox.account import Account, Terms
from stepplan.sandbox.app import create_app
from stepplan.sandbox.delivery import Connections
from stepplan.sandbox.dialect import Dialect
from stepplan.sandbox.local_server import LocalServer
from stepplan.sandbox.models import MODELS
from tests.load.faults import KINDS, kind_of

API_KEY = "sk-load"
_READ = {"openai": openai.read, "anthropic": anthropic.read}


def right_text(prompt: str) -> str:
    """The one right answer to a prompt."""
    return f"You asked: {prompt} This sentence has as many words as it takes to cut an answer in its midst."


@dataclass
class Counts:
    """What arrived: all requests, and how often each prompt was let in, which a full server does not do."""

    requests: int = 0
    by_prompt: Counter[str] = field(default_factory=Counter[str])


_DELAYS = {False: Fault(delay=0.02), True: Fault(delay=0.001)}
"""Answers, whole or streamed, take some hundredths of a second: those of no time would never be open together."""


class CountingAccount(Account):
    """Answers by the prompt. Counts requests instead of keeping them, so that its memory stays small."""

    def __init__(self, limit: int) -> None:
        super().__init__(Terms(API_KEY, tuple(MODELS), limit, subscription=True, quota=True, dialect=Dialect()))
        self.counts = Counts()
        self._latest: RecordedRequest | None = None

    @override
    def record(self, request: RecordedRequest) -> None:
        self.counts.requests += 1
        self._latest = request

    @override
    def next_turn(self) -> Turn:
        latest = self._latest  # nothing is awaited between recording a request and answering it
        assert latest is not None
        assert latest.protocol is not None
        asked = _READ[latest.protocol](dict(latest.body))
        prompt = asked.question
        self.counts.by_prompt[prompt] += 1
        turn = Turn(reasoning="One moment.", text=right_text(prompt), fault=_DELAYS[asked.stream])
        kind = KINDS.get(kind_of(prompt))
        return turn if kind is None else kind.turn(turn, self.counts.by_prompt[prompt])


@dataclass(frozen=True)
class Server:
    """Where it listens, and what it counted."""

    base_url: str
    counts: Callable[[], Counts]


@contextmanager
def local_server(limit: int) -> Generator[Server]:
    """The server in a thread of this process, for short runs.

    Args:
        limit: How many requests may be open at a time.
    """
    account, connections = CountingAccount(limit), Connections()
    with LocalServer(create_app(account, connections), connections, 0) as server:
        yield Server(server.base_url, lambda: account.counts)


@contextmanager
def server_process(limit: int) -> Generator[Server]:
    """The server in a process of its own, so that neither its time nor its memory is the client's."""
    command = [sys.executable, "-m", "tests.load.server", str(limit)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        questions, answers = process.stdin, process.stdout

        def counts() -> Counts:
            questions.write("\n")
            questions.flush()
            found = json.loads(answers.readline())
            return Counts(found["requests"], Counter(found["by_prompt"]))

        try:
            yield Server(answers.readline().strip(), counts)
        finally:
            process.kill()


def main() -> None:
    """Serve until the input ends; for each line of it, print the counts."""
    with local_server(int(sys.argv[1])) as server:
        print(server.base_url, flush=True)  # noqa: T201
        for _ in sys.stdin:
            print(json.dumps(vars(server.counts())), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
