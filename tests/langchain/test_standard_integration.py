"""LangChain's own integration suite for chat models, live against the sandbox, once per protocol.

The sandbox answers as the service is documented to, with no model behind it: what these tests prove is the requests
and the reading of answers. For every capability that is claimed, `WIRE_TESTS` names the test of what goes over the
wire. With a model behind it, and replayed from recordings, the suite runs in `tests/recorded`.
"""

import base64
from importlib import import_module
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
from tests.support.ways.langchain import total

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


@pytest.mark.guarantees("standard-suite")
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


@pytest.mark.guarantees("standard-suite")
@pytest.mark.filterwarnings("ignore:Messages does not document tool_choice")
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


WIRE_TESTS = {
    "has_tool_calling": "test_tools.test_every_form_of_a_tool_is_offered",
    "has_tool_choice": "test_tools.test_every_way_of_choosing_is_understood_on_chat_completions",
    "has_structured_output": "test_structured.test_every_schema_by_every_method",
    "supports_json_mode": "test_structured.test_json_mode_asks_for_any_object",
    "supports_image_inputs": "test_content_in.test_every_spelling_of_an_image_arrives",
    "supports_image_urls": "test_content_in.test_every_spelling_of_an_image_arrives",
    "supports_image_tool_message": "test_content_in.test_every_spelling_of_an_image_arrives_in_a_tool_result",
    "supports_video_inputs": "test_content_in.test_every_spelling_of_a_video_arrives_where_it_can",
    "supports_anthropic_inputs": "test_content_in.test_a_tool_result_in_the_shape_of_messages_is_one_on_both",
    "supports_model_override": "test_tools.test_settings_of_a_request_can_be_bound_with_tools",
    "returns_usage_metadata": "test_answers.test_reasoning_text_calls_and_usage_arrive",
    "cache_read_input": "test_answers.test_reasoning_text_calls_and_usage_arrive",
    "reasoning_output": "test_blocks_out.test_details_of_usage_are_in_langchains_words",
}


@pytest.mark.guarantees("standard-suite")
@pytest.mark.parametrize("suite", [TestChatCompletions, TestMessages])
def test_every_capability_that_is_claimed_has_a_test_of_what_goes_over_the_wire(suite: type[StandardSuite]) -> None:
    claims = suite()
    claimed = {name for name in dir(claims) if name.startswith(("has_", "supports_", "returns_", "enable_"))}
    names = {name for name in claimed if getattr(claims, name) is True}
    names |= {detail for details in claims.supported_usage_metadata_details.values() for detail in details}
    assert names <= WIRE_TESTS.keys()
    for name in names:
        module, _, test = WIRE_TESTS[name].partition(".")
        assert callable(getattr(import_module(f"tests.langchain.{module}"), test))
