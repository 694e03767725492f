"""LangChain's own integration suite for chat models, once per protocol."""

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from typing_extensions import override

from langchain_stepplan import ChatStepPlan
from tests.live.target import target

pytestmark = [
    pytest.mark.vcr,
    # test_stream_time times the replay, so while recording it does not use its fixture.
    pytest.mark.filterwarnings("ignore:Benchmark fixture was not used"),
]


class TestChatCompletions(ChatModelIntegrationTests):
    """Skipped are other models' names, and pictures, sound and documents: the model behind the server takes none.

    `tests/langchain/test_standard_integration.py` runs those on the sandbox, as far as the plan has them.
    """

    @property
    @override
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatStepPlan

    @property
    @override
    def chat_model_params(self) -> dict[str, Any]:
        settings = target().settings
        return {
            "protocol": "openai",
            "base_url": settings.base_url,
            "api_key": settings.key(),
            "temperature": 0,
            "max_tokens": 400,
        }

    @property
    @override
    def enable_vcr_tests(self) -> bool:
        return True

    @property
    @override
    def supports_json_mode(self) -> bool:
        return True

    @property
    @override
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    @override
    def model_override_value(self) -> str | None:
        pytest.skip("the server goes by one name, whatever it is asked for")


# The suite forces calls; the protocol has no field for it, so the system prompt asks, and a warning says so.
@pytest.mark.filterwarnings("ignore:Messages does not document tool_choice")
class TestMessages(TestChatCompletions):
    @property
    @override
    def chat_model_params(self) -> dict[str, Any]:
        return {**super().chat_model_params, "protocol": "anthropic"}

    @property
    @override
    def supports_json_mode(self) -> bool:
        return False  # the protocol has no such field
