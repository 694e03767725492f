"""The examples of docs/how-to/tracing.md run as they stand, and what they send arrives at a collector."""

import os
import re
import subprocess
import sys

import pytest

from stepplan.sandbox import Sandbox
from tests.support.tracing import FOLDERS, ROOT, receiving

PAGE = (ROOT / "docs" / "how-to" / "tracing.md").read_text("utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.guarantees("documented-examples")
@pytest.mark.interpreter
@pytest.mark.parametrize("example", [pytest.param(code, id=str(number)) for number, code in enumerate(EXAMPLES, 1)])
def test_an_example_sends_spans(plan: Sandbox, example: str) -> None:
    for module in re.findall(r"^from ((?:openinference|opentelemetry|langfuse)\S*) import", example, re.MULTILINE):
        pytest.importorskip(module.rpartition(".")[0] or module)
    received: list[bytes] = []
    with receiving(received.append) as url:
        done = subprocess.run(
            [sys.executable, "-c", example],
            env={
                **os.environ,
                "PYTHONPATH": FOLDERS,
                "STEP_BASE_URL": plan.base_url,
                "STEP_API_KEY": plan.api_key,
                "OTEL_EXPORTER_OTLP_ENDPOINT": url,
                "LANGFUSE_BASE_URL": url,
                "LANGFUSE_PUBLIC_KEY": "pk-lf-1",
                "LANGFUSE_SECRET_KEY": "sk-lf-1",
                "LANGSMITH_TRACING": str("run_name" in example).lower(),
                "LANGSMITH_ENDPOINT": url,
                "LANGSMITH_API_KEY": "lsv2-1",
            },
            capture_output=True,
            check=False,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    assert "Hello" in done.stdout
    assert b"step-3.7-flash" in b"".join(received)
    assert plan.api_key.encode() not in b"".join(received)


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) > 6
