"""LangChain's own unit suite for chat models, once per protocol."""

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.unit_tests import ChatModelUnitTests
from typing_extensions import override

from langchain_stepplan import ChatStepPlan


class TestChatCompletions(ChatModelUnitTests):
    @property
    @override
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatStepPlan

    @property
    @override
    def chat_model_params(self) -> dict[str, Any]:
        return {"protocol": "openai"}

    @pytest.mark.filterwarnings("ignore:The function `load` is in beta")
    @pytest.mark.xfail(
        raises=ValueError,
        reason="the suite calls load() with allowed_objects='all', which means the classes in core's own table: no "
        "class from outside can pass; test_serialization.py shows the round trip that works",
    )
    @override
    def test_serdes(self, model: BaseChatModel, snapshot: Any) -> None:
        super().test_serdes(model, snapshot)


class TestMessages(TestChatCompletions):
    @property
    @override
    def chat_model_params(self) -> dict[str, Any]:
        return {"protocol": "anthropic"}
