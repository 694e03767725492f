"""What tracers see of the models: the spans of `tests.support.programs.traced`, run against a sandbox."""

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import pytest

from stepplan.sandbox import Fault, Sandbox, ToolCall, Turn, Usage

ROOT = Path(__file__).parents[2]
# The namespace that is installed with us; one of the tracers imports it.
FOLDERS = os.pathsep.join(map(str, (ROOT, ROOT / "distributions" / "llama-index-llms-stepplan")))

USAGE = Usage(input_tokens=20, output_tokens=10, cached_tokens=8, reasoning_tokens=4)
TURN = Turn(reasoning="Hm.", text="Hello.", tool_calls=[ToolCall("look", {"x": 1})], usage=USAGE)
REFUSED = Fault(status=401)
SECRET = "canary-0123456789"
OPTIONS: dict[str, Any] = {
    "temperature": 0.5,
    "max_tokens": 99,
    "max_retries": 0,
    "default_headers": {"X-Secret": SECRET},
}

NOTHING: Mapping[str, str] = MappingProxyType({})

Span = dict[str, Any]


def prompt_tokens(protocol: str) -> int:
    """On Messages the server counts what the cache gave apart, and it is part of the prompt all the same."""
    return 28 if protocol == "anthropic" else 20


def reasoning_tokens(protocol: str) -> int:
    """Messages does not count them."""
    return 0 if protocol == "anthropic" else 4


def traced(
    plan: Sandbox,
    framework: Literal["langchain", "llama_index"],
    *tracers: str,
    agent: bool = False,
    environment: Mapping[str, str] = NOTHING,
) -> list[Span]:
    """The spans, in the order of their start, on Chat Completions first. No secret is in any of them."""
    pytest.importorskip("opentelemetry.sdk")
    for tracer in tracers:
        module, _, _ = tracer.partition(":")
        pytest.importorskip(module.rpartition(".")[0] or module)
    if not agent:
        # A turn follows the request that its fault refuses.
        plan.script(*[TURN] * 4, replace(TURN, fault=REFUSED), *[TURN] * 3, Turn(fault=REFUSED))
    account = {"base_url": plan.base_url, "api_key": plan.api_key}
    models = [{**account, **OPTIONS, "protocol": protocol} for protocol in ("openai", "anthropic")]
    arguments = {"framework": framework, "tracers": tracers, "models": models, "agent": agent}
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.programs.traced", json.dumps(arguments)],
        env={**os.environ, "STEP_API_KEY": plan.api_key, "PYTHONPATH": FOLDERS, **environment},
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert plan.api_key not in done.stdout
    assert SECRET not in done.stdout
    spans: list[Span] = json.loads(done.stdout)
    return spans


def answers(spans: list[Span], *, refusals: bool = True) -> list[tuple[str, Span]]:
    """The spans of the answers, four on each protocol, with its name.

    After each four there is one of a request that was refused, unless the tracer never ends those.
    """
    each = [*[False] * 4, *[True] * refusals]
    assert [span["status"] == "ERROR" for span in spans] == each * 2
    protocols = [*["openai"] * len(each), *["anthropic"] * len(each)]
    return [(name, span) for name, span in zip(protocols, spans, strict=True) if span["status"] != "ERROR"]


def of(span: Span, expected: Span) -> Span:
    """The attributes that are expected, as they are."""
    return {name: span.get(name) for name in expected}


@contextmanager
def receiving(take: Callable[[bytes], None]) -> Generator[str]:
    """The URL of a server in place of a tracing service: `take` gets each body that is posted to it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            take(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
            self.send_response(202)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that it has there
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
