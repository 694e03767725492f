"""A tool's description is the same on every Python, however the compiler treats docstrings."""

from typing import Any

import pytest
from langchain_core.tools import StructuredTool, tool
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from stepplan import ProtocolName
from stepplan.sandbox import Sandbox
from tests.support.adapters import langchain, llama_index


def plain(text: str) -> str:
    """Look it up.

    Use it for:
        - weather
        - news
    """
    return text


def opened(text: str) -> str:
    """
    Look it up.

    Use it for:
        - weather
        - news
    """
    return text


class Lookup(BaseModel):
    """Look it up.

    Use it for:
        - weather
        - news
    """

    text: str


DESCRIPTION = "Look it up.\n\nUse it for:\n    - weather\n    - news"


@pytest.mark.parametrize(
    ("ask", "given", "signature"),
    [
        (langchain, tool(plain), ""),
        (langchain, tool(opened), ""),
        (langchain, StructuredTool(name="l", description=plain.__doc__ or "", func=plain, args_schema=Lookup), ""),
        (langchain, Lookup, ""),
        (langchain, {"name": "l", "description": plain.__doc__, "parameters": {}}, ""),
        (llama_index, FunctionTool.from_defaults(plain), "plain(text: str) -> str\n"),
        (llama_index, FunctionTool.from_defaults(opened), "opened(text: str) -> str\n"),
        (llama_index, plain, "plain(text: str) -> str\n"),
        (llama_index, FunctionTool.from_defaults(plain, description=opened.__doc__), ""),
        (llama_index, Lookup, ""),
        (llama_index, {"name": "l", "description": plain.__doc__, "parameters": {}}, ""),
    ],
)
@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_a_docstring_is_the_same_description_on_every_python(
    stepplan_sandbox: Sandbox, protocol: ProtocolName, ask: Any, given: Any, signature: str
) -> None:
    """Python 3.13 leaves the indentation out when it compiles; older ones keep it."""
    ask(stepplan_sandbox, protocol, {}, {"tools": [given]})
    [sent] = stepplan_sandbox.requests[-1].body["tools"]
    assert sent.get("function", sent)["description"] == signature + DESCRIPTION
