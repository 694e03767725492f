"""LangChain's own integration suite for chat models, live against the sandbox, once per protocol.

The sandbox answers as the service is documented to, with no model behind it: what these tests prove is the requests
and the reading of answers. Every capability that is claimed here is asserted on the wire, in
`test_content_in.py`, `test_tools.py`, `test_structured.py`, `test_arguments.py` and `test_answers.py`.
"""

import base64
from typing import Any, cast

import httpx
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests
from typing_extensions import override

from langchain_stepplan import ChatStepPlan
from stepplan import ProtocolName
from stepplan.sandbox import Sandbox, Turn, Usage
from tests.langchain.ways import total

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


class StandardSuite(ChatModelIntegrationTests):
    """What holds over both protocols."""

    protocol: ProtocolName

    @pytest.fixture(autouse=True)
    def _offline(self, plan: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        """The suite fetches pictures from the internet; here it gets one pixel."""
        self.plan = plan

        def get(url: str, **options: Any) -> httpx.Response:
            return httpx.Response(200, content=PIXEL)

        monkeypatch.setattr(httpx, "get", get)

    @property
    @override
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatStepPlan

    @property
    @override
    def chat_model_params(self) -> dict[str, Any]:
        return {"protocol": self.protocol, "base_url": self.plan.base_url, "api_key": self.plan.api_key}

    @property
    @override
    def supports_image_inputs(self) -> bool:
        return True

    @property
    @override
    def supports_image_urls(self) -> bool:
        return True

    @property
    @override
    def supports_image_tool_message(self) -> bool:
        return True

    @property
    @override
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    @override
    def supports_model_override(self) -> bool:
        return True

    @property
    @override
    def model_override_value(self) -> str | None:
        return "step-3.5-flash"

    @override
    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        return self._answer(Usage(20, 5, cached_tokens=12), stream=stream)

    @override
    def invoke_with_reasoning_output(self, *, stream: bool = False) -> AIMessage:
        return self._answer(Usage(20, 5, reasoning_tokens=3), stream=stream)

    def _answer(self, usage: Usage, *, stream: bool) -> AIMessage:
        self.plan.script(Turn(reasoning="Hm.", text="Yes.", usage=usage))
        model = cast("ChatStepPlan", self.chat_model_class(**self.chat_model_params))
        return total(list(model.stream("hi"))) if stream else model.invoke("hi")


class TestChatCompletions(StandardSuite):
    protocol = "openai"

    @property
    @override
    def supports_json_mode(self) -> bool:
        return True

    @property
    @override
    def supports_video_inputs(self) -> bool:
        return True

    @property
    @override
    def supported_usage_metadata_details(self) -> Any:
        return {"invoke": ["cache_read_input", "reasoning_output"], "stream": ["cache_read_input", "reasoning_output"]}


@pytest.mark.filterwarnings("ignore:Messages documents no tool_choice")
class TestMessages(StandardSuite):
    protocol = "anthropic"

    @property
    @override
    def has_tool_choice(self) -> bool:
        return False

    @property
    @override
    def supported_usage_metadata_details(self) -> Any:
        return {"invoke": ["cache_read_input"], "stream": ["cache_read_input"]}
