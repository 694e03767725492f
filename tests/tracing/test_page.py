"""The examples of docs/how-to/tracing.md run as they stand, and what they send arrives at a collector."""

import gzip
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from stepplan.sandbox import Sandbox
from tests.support.tracing import FOLDERS, ROOT

PAGE = (ROOT / "docs" / "how-to" / "tracing.md").read_text("utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


class Collector:
    """Where it listens, and what it was sent."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.received = b""


@pytest.fixture
def collector() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            there.received += gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        there = Collector(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield there
        server.shutdown()
        thread.join()


@pytest.mark.guarantees("documented-examples")
@pytest.mark.interpreter
@pytest.mark.parametrize("example", [pytest.param(code, id=str(number)) for number, code in enumerate(EXAMPLES, 1)])
def test_an_example_sends_spans(plan: Sandbox, collector: Collector, example: str) -> None:
    for module in re.findall(r"^from ((?:openinference|opentelemetry|langfuse)\S*) import", example, re.MULTILINE):
        pytest.importorskip(module.rpartition(".")[0] or module)
    done = subprocess.run(
        [sys.executable, "-c", example],
        env={
            **os.environ,
            "PYTHONPATH": FOLDERS,
            "STEP_BASE_URL": plan.base_url,
            "STEP_API_KEY": plan.api_key,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "LANGFUSE_BASE_URL": collector.url,
            "LANGFUSE_PUBLIC_KEY": "pk-lf-1",
            "LANGFUSE_SECRET_KEY": "sk-lf-1",
            "LANGSMITH_TRACING": str("run_name" in example).lower(),
            "LANGSMITH_ENDPOINT": collector.url,
            "LANGSMITH_API_KEY": "lsv2-1",
        },
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Hello" in done.stdout
    assert b"step-3.7-flash" in collector.received
    assert plan.api_key.encode() not in collector.received


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) > 6
