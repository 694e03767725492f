"""Every option is described once, and the same wherever it is documented."""

import ast
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

import langchain_stepplan._fields
import llama_index_stepplan._fields
from stepplan import Client, Request, Settings
from stepplan.integration import fields
from stepplan.integration.fields import SharedFields

# The names that differ: a client's headers are the default ones of a model.
RENAMED = {"headers": "default_headers"}


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def sections(documented: type) -> dict[str, str]:
    """The arguments that a class's docstring describes."""
    text = inspect.cleandoc(documented.__doc__ or "")
    body = re.search(r"^(?:Args|Attributes):\n(.*?)(?=^\S|\Z)", text, re.DOTALL | re.MULTILINE)
    assert body is not None
    entries = re.findall(r"^    (\w+): (.*?)(?=^    \w|\Z)", body[1], re.DOTALL | re.MULTILINE)
    return {RENAMED.get(str(name), str(name)): plain(description) for name, description in entries}


def attribute_docstrings(module: ModuleType) -> dict[str, str]:
    """The docstrings below the fields of a module's classes."""
    tree = ast.parse(Path(inspect.getfile(module)).read_text(encoding="utf-8"))
    found: dict[str, str] = {}
    for cls in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        for field, below in zip(cls.body, cls.body[1:], strict=False):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = plain(text)
                case _:
                    pass
    return found


OF_MODELS = attribute_docstrings(fields)
OF_LANGCHAIN = attribute_docstrings(langchain_stepplan._fields)
OF_LLAMA_INDEX = attribute_docstrings(llama_index_stepplan._fields)
OF_CORE = sections(Client) | sections(Settings) | sections(Request)


def test_every_field_is_described() -> None:
    assert SharedFields.model_fields.keys() <= OF_MODELS.keys()
    assert SharedFields.model_fields.keys() - OF_CORE.keys() == {"raise_invalid_tool_calls"}, "no option of a request"


@pytest.mark.parametrize("name", sorted(SharedFields.model_fields.keys() & OF_CORE.keys()))
def test_an_option_is_described_in_the_same_words_in_the_core_and_in_the_models(name: str) -> None:
    assert OF_MODELS[name] == OF_CORE[name]


@pytest.mark.parametrize("described", [OF_LANGCHAIN, OF_LLAMA_INDEX])
def test_what_a_framework_declares_again_is_described_in_the_same_words(described: dict[str, str]) -> None:
    for name in described.keys() & OF_MODELS.keys():
        assert described[name] == OF_MODELS[name]


def test_the_clients_of_both_frameworks_are_described_in_the_same_words() -> None:
    assert OF_LANGCHAIN["http_async_client"] == OF_LLAMA_INDEX["async_http_client"]
    assert OF_LANGCHAIN["http_async_client"] == OF_MODELS["http_client"].replace("An httpx", "An async httpx")
