"""Servers that speak the two protocols in ways of their own, started on free ports and ended afterwards."""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import SecretStr

from stepplan import ProtocolName, Settings
from tests.dialects.installs import npm_package, python_package
from tests.live.llama_server import MODEL, cache, free_port
from tests.live.target import Target

LITELLM = "litellm[proxy]==1.106.2"  # never 1.107.0, which was tampered with
AIMOCK = "@copilotkit/aimock@1.43.0"
LLMOCK = "llmock==0.2.2"
KEY = "sk-local-test"


@dataclass(frozen=True, slots=True)
class Dialect:
    """A server that runs, and what can be expected of it.

    Attributes:
        name: What it is.
        url: Where it listens.
        messages_at: The path under which it has the Messages protocol.
        city: The city that it makes up, or reads in the question, for a call of `get_weather`.
        thinks: Whether it sends reasoning.
    """

    name: str
    url: str
    messages_at: str = ""
    city: str = "Paris"
    thinks: bool = True

    def settings(self, protocol: ProtocolName, max_retries: int = 2) -> Settings:
        """How to reach it."""
        base_url = self.url + (self.messages_at if protocol == "anthropic" else "")
        return Settings(base_url=base_url, api_key=SecretStr(KEY), max_retries=max_retries)


@contextlib.contextmanager
def litellm() -> Generator[Dialect]:
    """litellm's proxy before the real server: it rewrites both protocols."""
    backend = Target.from_environment()
    if backend is None:
        raise RuntimeError("There is no server behind litellm: say `make extra WHAT=dialects`.")
    settings = backend.settings
    model = {"model": f"hosted_vllm/{MODEL}", "api_base": f"{settings.root}/v1", "api_key": settings.key()}
    config = {
        "model_list": [{"model_name": MODEL, "litellm_params": model}],
        "litellm_settings": {"telemetry": False, "drop_params": True},
        "general_settings": {"master_key": KEY},
    }
    port = free_port()
    path = cache().folder / f"litellm-{port}.json"  # JSON is YAML, too
    path.write_text(json.dumps(config))
    program = python_package("litellm", LITELLM) / "litellm"
    command = [str(program), "--host", "127.0.0.1", "--port", str(port), "--config", str(path), "--telemetry", "False"]
    offline = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION", "NO_DOCS": "True"}
    with _running("litellm", command, port, "/health/liveliness", offline):
        yield Dialect("litellm", f"http://127.0.0.1:{port}")


@contextlib.contextmanager
def aimock() -> Generator[Dialect]:
    """aimock with the answers of `aimock.json`."""
    port = free_port()
    program = npm_package("aimock", AIMOCK) / ".bin" / "llmock"
    answers = Path(__file__).with_name("aimock.json")
    command = [str(program), "--port", str(port), "--host", "127.0.0.1", "--fixtures", str(answers), "--strict"]
    with _running("aimock", command, port, "/health", {}):
        yield Dialect("aimock", f"http://127.0.0.1:{port}")


@contextlib.contextmanager
def llmock() -> Generator[Dialect]:
    """llmock, which breaks on demand and judges its client."""
    port = free_port()
    program = python_package("llmock", LLMOCK) / "llmock"
    command = [str(program), "serve", "--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
    command += ["--stream-chunk-delay-ms", "30"]  # so that it sees when a client leaves
    with _running("llmock", command, port, "/_llmock/scenario", {}):
        yield Dialect("llmock", f"http://127.0.0.1:{port}", messages_at="/anthropic", city="mock-city", thinks=False)


@contextlib.contextmanager
def _running(
    name: str, command: Sequence[str], port: int, ready: str, environment: Mapping[str, str]
) -> Generator[None]:
    """The program, from when it answers until the end."""
    log = cache().folder / f"{name}.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, env=os.environ | dict(environment), cwd=cache().folder, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + 120
        while not _answers(f"http://127.0.0.1:{port}{ready}"):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start; the end of {log}:\n{log.read_text()[-2000:]}")
            time.sleep(0.2)
        yield
    finally:
        server.terminate()
        server.wait(timeout=30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False
