"""The command line, against the sandbox: what it prints where, and with which exit code."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from rich.console import Console
from typer.testing import CliRunner

from stepplan.cli.app import app
from stepplan.prices import PRICES_AS_OF
from stepplan.sandbox import Fault, Sandbox, ToolCall, Turn, Usage
from tests.support.cli import run

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452")
PROTOCOLS = pytest.mark.parametrize("protocol", ["openai", "anthropic"])


@pytest.mark.guarantees("cli-errors")
@PROTOCOLS
def test_ask_prints_the_answer_to_stdout_and_the_rest_to_stderr(plan: Sandbox, protocol: str) -> None:
    plan.script(Turn(reasoning="Two and two.", text="4"))
    result = run("ask", "What is 2 + 2?", "--protocol", protocol, "--effort", "low", "--system", "Be short.")
    assert (result.exit_code, result.stdout) == (0, "4\n")
    assert "Two and two." in result.stderr
    assert "tokens in" in result.stderr
    assert plan.requests[-1].body["stream"] is True


@pytest.mark.parametrize(
    ("reason", "sentence"), [("length", "cut off at the token limit"), ("content_filter", "filter")]
)
def test_ask_says_how_an_answer_ended_if_not_well(plan: Sandbox, reason: Any, sentence: str) -> None:
    plan.script(Turn(text="4 and", finish_reason=reason))
    result = run("ask", "What is 2 + 2?")
    assert (result.exit_code, result.stdout) == (0, "4 and\n")
    assert sentence in result.stderr


@pytest.mark.guarantees("cli-errors")
@PROTOCOLS
def test_an_error_within_an_answer_begins_a_line(plan: Sandbox, protocol: str) -> None:
    plan.script(
        Turn(reasoning="Two and two make", text="4", fault=Fault(error_after=3)),
        Turn(text="It is " * 20, fault=Fault(error_after=6)),
    )
    thinking = run("ask", "What is 2 + 2?", "--protocol", protocol)
    assert thinking.stdout == ""
    assert re.match(r"Two [a-z ]+\nError: ", thinking.stderr)
    answering = run("ask", "What is 2 + 2?", "--protocol", protocol)
    assert re.fullmatch(r"It [It is]+\n", answering.stdout)
    assert answering.stderr.startswith("Error: ")
    assert (thinking.exit_code, answering.exit_code) == (1, 1)


def test_ask_hides_the_reasoning_where_asked_to(plan: Sandbox) -> None:
    plan.script(Turn(reasoning="Two and two.", text="4"))
    assert "Two and two." not in run("ask", "What is 2 + 2?", "--no-reasoning").stderr


def test_ask_adds_what_is_piped_in(plan: Sandbox) -> None:
    run("ask", "Review this.", input="a diff\n")
    assert plan.requests[-1].body["messages"][-1]["content"] == "Review this.\n\na diff"
    run("ask", input="only piped")
    assert plan.requests[-1].body["messages"][-1]["content"] == "only piped"


def test_ask_sends_images_and_videos(plan: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    result = run("ask", "What is it?", "-i", str(tmp_path / "a.png"), "--video", "https://x.test/v.mp4")
    assert result.exit_code == 0
    content = plan.requests[-1].body["messages"][-1]["content"]
    assert [part["type"] for part in content] == ["image_url", "video_url", "text"]
    assert content[0]["image_url"]["url"].startswith("data:image/png;base64,")


@pytest.mark.parametrize("url", ["HTTPS://x.test/A.png", "Data:image/png;base64,AAAA", "stepfile://abc"])
def test_ask_sends_a_url_as_it_is(plan: Sandbox, url: str) -> None:
    assert run("ask", "What is it?", "-i", url).exit_code == 0
    scheme, rest = url.split(":", 1)
    assert plan.requests[-1].body["messages"][-1]["content"][0]["image_url"]["url"] == f"{scheme.lower()}:{rest}"


def test_ask_prints_json_for_scripts(plan: Sandbox) -> None:
    plan.script(Turn(reasoning="Hm.", text="4", usage=Usage(1000, 100)))
    answer = json.loads(run("ask", "What is 2 + 2?", "--json").stdout)
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "4", "reasoning_content": "Hm."}
    cost = answer["estimated_cost"]
    assert (round(cost["usd"], 6), cost["credits"], cost["prices_as_of"]) == (0.000315, 2205, PRICES_AS_OF)


def test_ask_says_what_the_answer_cost_where_the_price_is_known(plan: Sandbox) -> None:
    plan.script(*[Turn(text="4", usage=Usage(1000, 100))] * 3)
    assert "about $0.000315 (2,205 Credits)" in run("ask", "2 + 2?").stderr
    assert "price not known" in run("ask", "2 + 2?", "--model", "step-router-v1").stderr
    assert json.loads(run("ask", "2 + 2?", "--model", "step-router-v1", "--json").stdout)["estimated_cost"] is None


@pytest.mark.guarantees("cli-errors")
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["ask"], "There is no prompt"),
        (["ask", "x", "--model", "none-such"], "none-such"),
        (["ask", "x", "--image", "notes.txt"], "notes.txt is not a file of type image"),
        (["ask", "x", "--image", "missing.png"], "missing.png"),
        (["ask", "x", "--image", "empty.png"], "empty.png is empty"),
        (["ask", "x", "--image", "FTP://x.test/a.png"], "or data:image/, but it is 'FTP://x.test/a.png'"),
        (
            ["ask", "x", "--video", "data:image/png;base64,AAAA"],
            "or data:video/, but it is 'data:image/png;base64,AAAA'",
        ),
        (["ask", "x", "--image", "data:image/png;base64,!"], "not base64"),
        (["ask", "x", "--region", "moon"], "moon"),
        (["ask", "x", "--protocol", "soap"], "soap"),
        (["ask", "x", "--effort", "huge"], "huge"),
        (["batch", "missing.jsonl", "out.jsonl"], "missing.jsonl"),
        (["batch", "missing.jsonl", "out.jsonl", "--protocol", "soap"], "soap"),
        (["chat", "--tools", "missing.py"], "missing.py"),
    ],
)
def test_what_a_user_got_wrong_is_one_sentence(
    plan: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.png").touch()
    result = run(*arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert reason in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.guarantees("cli-errors")
def test_ask_refuses_what_is_piped_in_if_it_is_not_text(plan: Sandbox) -> None:
    result = CliRunner().invoke(app, ["ask", "What is this?"], input=PNG)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: What is piped in is not text")
    assert plan.requests == []


MAIN = "from stepplan.cli import main; main()"


@pytest.mark.interpreter
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
@pytest.mark.parametrize("arguments", [["ask", "x"], ["ask", "x", "--json"], ["doctor"], ["models"]])
def test_every_command_prints_in_any_encoding(plan: Sandbox, encoding: str, arguments: list[str]) -> None:
    plan.script(Turn(text="你好 ✓"), Turn(text="OK"))
    done = subprocess.run(
        [sys.executable, "-c", MAIN, *arguments],
        env=os.environ | {"PYTHONIOENCODING": encoding},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    printed = done.stdout.decode(encoding)
    if "--json" in arguments:
        assert json.loads(printed)["choices"][0]["message"]["content"] == "你好 ✓"
    elif arguments[0] == "doctor":
        assert printed.count("✓" if encoding == "utf-8" else "+") == 6


@pytest.mark.interpreter
def test_a_warning_is_one_sentence_and_a_reader_that_stops_is_no_error(plan: Sandbox) -> None:
    environment = os.environ | {"STEP_BASE_URL": "", "STEP_API_KEY": "sk-x"}
    command = [
        sys.executable,
        "-c",
        "from stepplan.cli import main; main()",
        "doctor",
        "--base-url",
        "http://x.invalid",
    ]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        printed = process.stderr.read()
    assert printed.count("Warning: base_url='http://x.invalid' is not encrypted") == 1
    assert printed.count("\n") == 1


def test_without_a_key_every_command_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for command in (["ask", "x"], ["models"], ["batch", __file__, os.devnull]):
        result = run(*command)
        assert result.exit_code == 1
        assert "STEP_API_KEY" in result.stderr


@PROTOCOLS
def test_chat_runs_the_tools_of_a_file(plan: Sandbox, tmp_path: Path, protocol: str) -> None:
    tools = tmp_path / "tools.py"
    tools.write_text('def weather(city: str) -> str:\n    """The weather in a city."""\n    return f"18 in {city}"\n')
    plan.script(
        Turn(tool_calls=[ToolCall("weather", {"city": "Paris"})]),
        Turn(text="It is 18 degrees."),
        Turn(text="Goodbye."),
    )
    result = run("chat", "--tools", str(tools), "--protocol", protocol, input="Weather in Paris?\nThanks.\n\n")
    assert result.exit_code == 0
    assert "It is 18 degrees." in result.stdout
    assert "Goodbye." in result.stdout
    assert "18 in Paris" in json.dumps(plan.requests[1].body)
    assert "It is 18 degrees." in json.dumps(plan.requests[2].body)


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ('async def look(x: int) -> str:\n    """Looks."""\n    return f"seen {x}"\n', "seen 1"),
        ('def look(x: int) -> str:\n    """Looks."""\n    raise SystemExit(3)\n', "Error: SystemExit: 3"),
    ],
)
def test_chat_awaits_a_tool_and_survives_one_that_exits(
    plan: Sandbox, tmp_path: Path, source: str, result: str
) -> None:
    (tmp_path / "tools.py").write_text(source)
    plan.script(Turn(tool_calls=[ToolCall("look", {"x": 1})]), Turn(text="Done."))
    chat = run("chat", "--tools", str(tmp_path / "tools.py"), input="Look.\n")
    assert (chat.exit_code, chat.stdout) == (0, "\nDone.\n")
    assert plan.requests[1].body["messages"][-1]["content"] == result


def test_chat_tells_the_model_that_a_call_is_broken(plan: Sandbox, tmp_path: Path) -> None:
    tools = tmp_path / "tools.py"
    tools.write_text('def look(x: int) -> str:\n    """Looks."""\n    return "seen"\n')
    plan.script(Turn(tool_calls=[ToolCall("look", '{"x": 1', "a")]), Turn(text="Sorry."))
    assert run("chat", "--tools", str(tools), "--protocol", "anthropic", input="Look.\n\n").exit_code == 0
    [result] = plan.requests[1].body["messages"][-1]["content"]
    assert (result["type"], result["is_error"]) == ("tool_result", True)
    assert "not a JSON object" in json.dumps(result["content"])


def test_only_the_word_error_is_bold(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr("stepplan.cli.console.err", Console(file=screen, force_terminal=True, color_system="standard"))
    assert run("ask").exit_code == 1
    word, rest = screen.getvalue().split("There is no prompt")
    assert word == "\x1b[1;31mError: \x1b[0m"
    assert "\x1b" not in rest


def test_chat_ends_at_an_empty_line(plan: Sandbox) -> None:
    assert run("chat", input="\n").exit_code == 0
    assert plan.requests == []


def test_chat_tells_the_model_when_a_tool_fails_and_goes_on_after_an_error(plan: Sandbox, tmp_path: Path) -> None:
    tools = tmp_path / "tools.py"
    tools.write_text('def fail(x: int) -> str:\n    """Fails."""\n    raise RuntimeError("broken")\n')
    plan.script(
        Turn(tool_calls=[ToolCall("fail", {"x": 1})]),
        Turn(text="It failed."),
        Turn(fault=Fault(status=451)),
        Turn(text="Still here."),
    )
    result = run("chat", "--tools", str(tools), input="Try.\nBad.\nAgain.\n\n")
    assert "RuntimeError: broken" in json.dumps(plan.requests[1].body)
    assert "451" in result.stderr
    assert "Still here." in result.stdout
    assert "Bad." not in json.dumps(plan.requests[3].body)


def test_chat_prints_an_error_as_it_is(plan: Sandbox) -> None:
    """Square brackets are not rich's markup."""
    refusal = Fault(status=400, body={"error": {"message": "No [/such] thing [bold]here"}})
    plan.script(Turn(text="Fine.", fault=refusal))
    result = run("chat", input="Hi\nHi again\n\n")
    assert "Error: " in result.stderr
    assert "No [/such] thing [bold]here" in result.stderr
    assert "Fine." in result.stdout


@pytest.mark.guarantees("cli-errors")
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def f(:\n", "SyntaxError: invalid syntax"),
        ("import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit('not now')\n", "SystemExit: not now"),
        ("x = 1\n", "defines no public function"),
        ("import io\ndef f(file: io.BytesIO): ...\n", "The parameters of f() in"),
        ("def f(x: 'Unknown'): ...\n", "The parameters of f() in"),
    ],
)
def test_chat_names_what_is_wrong_with_the_file_of_tools(
    plan: Sandbox, tmp_path: Path, source: str, reason: str
) -> None:
    (tmp_path / "tools.py").write_text(source)
    result = run("chat", "--tools", str(tmp_path / "tools.py"), input="Hi\n")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "tools.py" in result.stderr
    assert reason in result.stderr
    assert "Traceback" not in result.stderr
    assert plan.requests == []


def test_a_models_name_is_never_cut(plan: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr("stepplan.cli.models.out", Console(file=screen, width=40))
    run("models")
    assert "step-3.5-flash-2603" in screen.getvalue()


def test_models_lists_what_the_server_lists(plan: Sandbox) -> None:
    result = run("models")
    assert result.exit_code == 0
    assert "step-3.7-flash" in result.stdout
    assert {model["id"] for model in json.loads(run("models", "--json").stdout)} >= {"step-3.7-flash"}


def test_batch_answers_a_file_and_resumes(plan: Sandbox, tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"prompt": "One."}\n{"prompt": "Two."}\nbroken\n')
    first = run("batch", str(source), str(target))
    assert first.exit_code == 1
    assert "2 answered, 1 errors, 0 from earlier runs" in first.stderr
    assert f"The errors are in {target}." in first.stderr
    second = run("batch", str(source), str(target))
    assert second.exit_code == 0
    assert "0 answered, 0 errors, 3 from earlier runs" in second.stderr
    assert len(target.read_text().splitlines()) == 3


def test_batch_shows_its_progress_on_a_terminal(plan: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=200)
    monkeypatch.setattr("stepplan.cli.batch.err", terminal)
    (tmp_path / "in.jsonl").write_text('{"prompt": "One."}\n{"prompt": "Two."}\nbroken\n')
    plan.script(*[Turn(text="Yes.", usage=Usage(1000, 100))] * 2)
    run("batch", str(tmp_path / "in.jsonl"), str(tmp_path / "out.jsonl"))
    shown = click.unstyle(terminal.file.getvalue())  # type: ignore[attr-defined]
    assert "3/3" in shown
    assert "2,200 tokens" in shown
    assert "1 errors" in shown


def test_batch_sends_the_options_that_were_given_and_no_others(plan: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"prompt": "One."}\n')
    run("batch", str(tmp_path / "in.jsonl"), str(tmp_path / "a.jsonl"), "--effort", "low", "--max-tokens", "99")
    run("batch", str(tmp_path / "in.jsonl"), str(tmp_path / "b.jsonl"))
    one, two = (request.body for request in plan.requests)
    assert (one["reasoning_effort"], one["max_tokens"]) == ("low", 99)
    assert set(two) == {"model", "messages"}


def test_batch_names_what_is_left_when_the_quota_is_used_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.jsonl").write_text('{"prompt": "One."}\n' * 3)
    with Sandbox(quota=False) as plan:
        monkeypatch.setenv("STEP_API_KEY", plan.api_key)
        monkeypatch.setenv("STEP_BASE_URL", plan.base_url)
        result = run("batch", str(tmp_path / "in.jsonl"), str(tmp_path / "out.jsonl"))
    assert result.exit_code == 1
    assert "Stopped with 3 lines left" in result.stderr
