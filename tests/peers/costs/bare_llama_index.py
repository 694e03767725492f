"""An LLM of LlamaIndex that does nothing but hand on text: what the framework costs over httpx."""

from typing import Any

from llama_index.core.llms import ChatMessage, ChatResponse, ChatResponseGen, CompletionResponse, CustomLLM, LLMMetadata
from llama_index.core.llms.callbacks import llm_chat_callback

from stepplan.integration.unvalidated import maker
from tests.peers.costs.drivers import Floor, Plain

_message = maker(ChatMessage(role="assistant", content="x"))
_response = maker(ChatResponse(message=ChatMessage(role="assistant", content="x"), delta="x"))


class Bare(CustomLLM):
    """Streams the text of Chat Completions, in objects that are not validated."""

    url: str

    @property
    def metadata(self) -> LLMMetadata:
        """Nothing of interest."""
        return LLMMetadata()

    def complete(self, *_: Any, **__: Any) -> CompletionResponse:
        """Not measured."""
        raise NotImplementedError

    def stream_complete(self, *_: Any, **__: Any) -> Any:
        """Not measured."""
        raise NotImplementedError

    @llm_chat_callback()
    def stream_chat(self, *_: Any, **__: Any) -> ChatResponseGen:
        """The text, piece by piece."""
        return self._chunks()

    def _chunks(self) -> ChatResponseGen:
        role, blocks = ChatMessage(role="assistant", content="x").role, ChatMessage(content="x").blocks
        for text in Floor().texts(Plain("httpx", self.url)):
            message = _message({"role": role, "blocks": blocks})
            yield _response({"message": message, "delta": text})


def new(url: str) -> Bare:
    """An LLM that posts to this address."""
    return Bare(url=url)
