"""The fixture `stepplan_sandbox` serves other projects' tests, and costs those that do not use it next to nothing."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

SUITE = """
import httpx
from stepplan.sandbox import Turn

def ask(plan):
    body = {"model": "step-3.7-flash", "messages": [{"role": "user", "content": "Hi"}]}
    headers = {"Authorization": f"Bearer {plan.api_key}"}
    return httpx.post(f"{plan.base_url}/v1/chat/completions", json=body, headers=headers, trust_env=False)

def test_one(stepplan_sandbox):
    stepplan_sandbox.script(Turn(text="One."), Turn(text="left"))
    assert "One." in ask(stepplan_sandbox).text

def test_two(stepplan_sandbox):
    assert stepplan_sandbox.requests == []
    assert stepplan_sandbox.pending == ()
    assert "Hi" in ask(stepplan_sandbox).text
"""

NO_SERVER = """
import sys
sys.modules["starlette"] = sys.modules["uvicorn"] = None

def test_that_uses_nothing_of_ours():
    from stepplan.sandbox import Turn

def test_that_needs_the_sandbox(stepplan_sandbox):
    pass
"""

IMPORTS = """
import sys

def test_nothing_of_ours_is_imported():
    assert "pytest_stepplan" in sys.modules
    assert not [name for name in sys.modules if name.partition(".")[0] in {"stepplan", "httpx", "pydantic"}]
"""

COST = """
import time
import pytest

began = time.process_time()
import pytest_stepplan
print(time.process_time() - began)
"""


def run(folder: Path, suite: str) -> subprocess.CompletedProcess[str]:
    """Run a project's tests with our plugin alone: others would be loaded too, and have warnings of their own."""
    (folder / "test_suite.py").write_text(suite)
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "pytest_stepplan"],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_pytest_finds_the_plugin() -> None:
    [found] = entry_points(group="pytest11", name="stepplan")
    assert found.value == "pytest_stepplan"


@pytest.mark.interpreter
def test_the_fixture_is_a_fresh_sandbox_for_each_test(tmp_path: Path) -> None:
    done = run(tmp_path, SUITE)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.interpreter
def test_without_a_web_server_only_a_test_that_uses_the_fixture_fails_and_names_the_extra(tmp_path: Path) -> None:
    done = run(tmp_path, NO_SERVER)
    assert "1 passed, 1 error" in done.stdout, done.stdout + done.stderr
    assert "pip install 'stepplan[sandbox]'" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.interpreter
def test_a_project_that_does_not_use_the_fixture_imports_nothing_of_ours(tmp_path: Path) -> None:
    done = run(tmp_path, IMPORTS)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.interpreter
def test_the_plugin_adds_less_than_20_ms_to_the_start_of_pytest() -> None:
    done = subprocess.run([sys.executable, "-c", COST], capture_output=True, text=True, timeout=60, check=True)
    assert float(done.stdout) < 0.02
