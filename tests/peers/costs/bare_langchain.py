"""A chat model of LangChain that does nothing but hand on text: what the framework costs over httpx."""

from collections.abc import Iterator
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from stepplan.integration.unvalidated import maker
from tests.peers.costs.drivers import Floor, Plain

_chunk = maker(AIMessageChunk(content="x"))
_generation = maker(ChatGenerationChunk(message=AIMessageChunk(content="x")))


class Bare(BaseChatModel):
    """Streams the text of Chat Completions, in objects that are not validated."""

    url: str

    @property
    def _llm_type(self) -> str:
        return "bare"

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError

    def _stream(self, *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        for text in Floor().texts(Plain("httpx", self.url)):
            yield _generation({"message": _chunk({"content": text}), "text": text})


def new(url: str) -> Bare:
    """A model that posts to this address."""
    return Bare(url=url)
