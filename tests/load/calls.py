"""The calls of the soak: which there are, how each is made, and whether it ended as it had to."""

import itertools
import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from llama_index.core.base.llms.types import ChatMessage

from langchain_stepplan import ChatStepPlan
from llama_index_stepplan import StepPlan
from stepplan import PROTOCOLS, AsyncClient, Client, Message, ProtocolName, Request, Settings, StepPlanError, TextDelta
from tests.load.faults import KINDS, prompt_for
from tests.load.server import right_text

Lane = Literal["sync", "aiohttp", "httpx"]
"""Threads, or an event loop over one of the two transports."""
LANES: tuple[Lane, ...] = get_args(Lane)


@dataclass(frozen=True)
class Call:
    """A call of the soak.

    Attributes:
        number: Its ordinal, which makes its prompt unlike any other.
        kind: The fault that it meets, a key of `KINDS`; empty for none.
        surface: What is called, a key of `SURFACES`.
        protocol: The protocol.
        streamed: Whether the answer is streamed.
        lane: Where it runs.
    """

    number: int
    kind: str
    surface: str
    protocol: ProtocolName
    streamed: bool
    lane: Lane

    @property
    def prompt(self) -> str:
        """What is asked."""
        return prompt_for(self.number, self.kind)

    @property
    def error(self) -> type[StepPlanError] | None:
        """The error that it has to end with; `None` for the right answer."""
        return KINDS[self.kind].error(streamed=self.streamed) if self.kind else None

    @property
    def requests(self) -> int:
        """How many requests it has to make."""
        return KINDS[self.kind].requests(streamed=self.streamed) if self.kind else 1


def planned(count: int, share: float, seed: int) -> list[Call]:
    """So many calls of all sorts, of which this share meets a fault: every kind equally often, whole and streamed."""
    draw = random.Random(seed)
    faults = list(itertools.product(KINDS, (False, True)))
    faulty = {
        number: faults[at % len(faults)] for at, number in enumerate(draw.sample(range(count), int(count * share)))
    }
    calls: list[Call] = []
    for number in range(count):
        kind, streamed = faulty.get(number) or ("", draw.random() < 0.5)
        surface = draw.choice([*SURFACES])
        protocol: ProtocolName = draw.choice([*PROTOCOLS])
        calls.append(Call(number, kind, surface, protocol, streamed=streamed, lane=draw.choice(LANES)))
    return calls


# ------------------------------------------------------------------------------------------------------------ surfaces


class Core:
    """The core's clients."""

    def __init__(self, settings: Mapping[str, Any], protocol: ProtocolName) -> None:
        self._settings = Settings(**settings)
        self._protocol: ProtocolName = protocol

    def pieces(self, prompt: str, *, streamed: bool) -> Iterator[str]:
        """The answer's text; of a whole answer, in one piece."""
        client, request = Client(self._settings, protocol=self._protocol), Request(messages=(Message.user(prompt),))
        if streamed:
            yield from (event.text for event in client.stream(request) if isinstance(event, TextDelta))
        else:
            yield client.send(request).text

    async def apieces(self, prompt: str, *, streamed: bool) -> AsyncIterator[str]:
        """The same, async."""
        client = AsyncClient(self._settings, protocol=self._protocol)
        request = Request(messages=(Message.user(prompt),))
        if streamed:
            async for event in client.stream(request):
                if isinstance(event, TextDelta):
                    yield event.text
        else:
            yield (await client.send(request)).text


class LangChain:
    """LangChain's chat model."""

    def __init__(self, settings: Mapping[str, Any], protocol: ProtocolName) -> None:
        self._llm = ChatStepPlan(protocol=protocol, **settings)

    def pieces(self, prompt: str, *, streamed: bool) -> Iterator[str]:
        """As `Core.pieces`."""
        if streamed:
            yield from (chunk.text for chunk in self._llm.stream(prompt))
        else:
            yield self._llm.invoke(prompt).text

    async def apieces(self, prompt: str, *, streamed: bool) -> AsyncIterator[str]:
        """As `Core.apieces`."""
        if streamed:
            async for chunk in self._llm.astream(prompt):
                yield chunk.text
        else:
            yield (await self._llm.ainvoke(prompt)).text


class LlamaIndex:
    """LlamaIndex's LLM."""

    def __init__(self, settings: Mapping[str, Any], protocol: ProtocolName) -> None:
        self._llm = StepPlan(protocol=protocol, **settings)

    def pieces(self, prompt: str, *, streamed: bool) -> Iterator[str]:
        """As `Core.pieces`."""
        messages = [ChatMessage(prompt)]
        if streamed:
            yield from (chunk.delta or "" for chunk in self._llm.stream_chat(messages))
        else:
            yield self._llm.chat(messages).message.content or ""

    async def apieces(self, prompt: str, *, streamed: bool) -> AsyncIterator[str]:
        """As `Core.apieces`."""
        messages = [ChatMessage(prompt)]
        if streamed:
            async for chunk in await self._llm.astream_chat(messages):
                yield chunk.delta or ""
        else:
            yield (await self._llm.achat(messages)).message.content or ""


Surface = Core | LangChain | LlamaIndex
SURFACES: dict[str, type[Core] | type[LangChain] | type[LlamaIndex]] = {
    "core": Core,
    "ChatStepPlan": LangChain,
    "StepPlan": LlamaIndex,
}
Surfaces = Mapping[tuple[str, ProtocolName], Surface]


def surfaces(settings: Mapping[str, Any]) -> Surfaces:
    """One of each for each protocol; all calls share them."""
    return {(name, protocol): cls(settings, protocol) for name, cls in SURFACES.items() for protocol in PROTOCOLS}


# ------------------------------------------------------------------------------------------------------------- endings


def made(call: Call, surface: Surface) -> str | None:
    """Make a call; the value is what is wrong with its end, `None` if nothing is."""
    pieces: list[str] = []
    try:
        for piece in surface.pieces(call.prompt, streamed=call.streamed):
            pieces.append(piece)  # noqa: PERF402 - what came before the error counts
    except Exception as error:  # noqa: BLE001 - judged below
        return judged(call, pieces, error)
    return judged(call, pieces, None)


async def amade(call: Call, surface: Surface) -> str | None:
    """The same, async."""
    pieces: list[str] = []
    try:
        async for piece in surface.apieces(call.prompt, streamed=call.streamed):
            pieces.append(piece)  # noqa: PERF401 - what came before the error counts
    except Exception as error:  # noqa: BLE001 - judged below
        return judged(call, pieces, error)
    return judged(call, pieces, None)


def judged(call: Call, pieces: Sequence[str], error: Exception | None) -> str | None:
    """What is wrong with the end of a call; `None` if nothing is."""
    text, right = "".join(pieces), right_text(call.prompt)
    if call.error is None:
        return None if error is None and text == right else f"{call}: {text!r}, {error!r}"
    if not isinstance(error, call.error) or text == right or not right.startswith(text):
        return f"{call}: {text!r}, {error!r} instead of {call.error.__name__}"
    if call.streamed and (error.partial.text if error.partial else "") != text:
        return f"{call}: {text!r} was handed on, and the error holds {error.partial!r}"
    return None
