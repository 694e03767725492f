"""What a user has to install: the core's few requirements, and the framework that was chosen."""

import re
from importlib.metadata import requires

import pytest

FRAMEWORKS = {"langchain": "langchain-core", "llama-index": "llama-index-core"}


def required(extra: str | None) -> set[str]:
    """The packages that the distribution requires for an extra, or without any."""
    lines = [line.partition(";") for line in requires("stepplan") or ()]
    wanted = "" if extra is None else f"extra == '{extra}'"
    return {re.split(r"[<>=!~\[ ]", line)[0] for line, _, marker in lines if marker.strip().replace('"', "'") == wanted}


@pytest.mark.guarantees("requirements")
def test_the_core_requires_httpx_pydantic_and_idna() -> None:
    assert required(None) == {"httpx", "pydantic", "idna"}
    assert required("aiohttp") == {"httpx-aiohttp"}


@pytest.mark.guarantees("requirements")
@pytest.mark.parametrize("extra", FRAMEWORKS)
def test_an_adapter_adds_its_framework_alone(extra: str) -> None:
    assert required(extra) == {FRAMEWORKS[extra]}
