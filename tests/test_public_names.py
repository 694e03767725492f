"""What the packages say they export is there."""

from importlib import import_module

import pytest

PACKAGES = [
    "stepplan",
    "stepplan.batch",
    "stepplan.protocols",
    "stepplan.protocols.anthropic",
    "stepplan.protocols.openai",
    "stepplan.sandbox",
    "langchain_stepplan",
    "llama_index_stepplan",
]


@pytest.mark.parametrize("name", PACKAGES)
def test_every_name_that_is_exported_can_be_imported(name: str) -> None:
    module = import_module(name)
    exported = getattr(module, "__all__", ())
    assert [each for each in exported if not hasattr(module, each)] == []
    assert len(set(exported)) == len(exported)
