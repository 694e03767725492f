"""Batches: one line out for each line in, whatever happens in between."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from stepplan import InvalidRequestError, QuotaExceededError, Settings, batch
from stepplan.sandbox import Fault, Sandbox, Turn


@pytest.fixture
def plan(stepplan_sandbox: Sandbox) -> Sandbox:
    return stepplan_sandbox


def write(path: Path, lines: list[Any]) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def settings(plan: Sandbox) -> Settings:
    return Settings(api_key=plan.api_key, base_url=plan.base_url)


def run(plan: Sandbox, source: Path, target: Path, **options: Any) -> batch.Summary:
    return batch.run(source, target, settings=settings(plan), **options)


@pytest.mark.guarantees("batch-lines")
def test_each_line_has_one_output_line(plan: Sandbox, tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [{"prompt": f"Prompt {number}"} for number in range(30)])
    summary = run(plan, source, tmp_path / "out.jsonl")
    out = read(tmp_path / "out.jsonl")
    assert sorted(line["line"] for line in out) == list(range(1, 31))
    assert all(line["error"] is None for line in out)
    assert all(line["response"]["body"]["choices"][0]["message"]["content"] for line in out)
    assert (summary.total, summary.answered, summary.failed, summary.stopped) == (30, 30, 0, None)
    assert summary.output_tokens > 0


def test_a_body_is_sent_as_it_is(plan: Sandbox, tmp_path: Path) -> None:
    body = {"model": "step-3.5-flash", "messages": [{"role": "user", "content": "Hi."}], "temperature": 0.1}
    lines = [
        {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {**body, "stream": True}},
        {"custom_id": "b", "method": "POST", "url": "/v1/messages", "body": {**body, "max_tokens": 100}},
    ]
    run(plan, write(tmp_path / "in.jsonl", lines), tmp_path / "out.jsonl", concurrency=1)
    assert [request.protocol for request in plan.requests] == ["openai", "anthropic"]
    assert [dict(request.body) for request in plan.requests] == [body, {**body, "max_tokens": 100}]
    assert {line["custom_id"] for line in read(tmp_path / "out.jsonl")} == {"a", "b"}


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_a_body_without_a_url_goes_over_the_protocol_of_the_batch(plan: Sandbox, tmp_path: Path, protocol: Any) -> None:
    body = {"messages": [{"role": "user", "content": "Hi."}], "max_tokens": 100}
    run(plan, write(tmp_path / "in.jsonl", [{"body": body}]), tmp_path / "out.jsonl", protocol=protocol)
    assert [request.protocol for request in plan.requests] == [protocol]


def test_a_prompt_may_bring_its_options(plan: Sandbox, tmp_path: Path) -> None:
    line = {"prompt": "Hi.", "system": "Be short.", "max_tokens": 50, "model": "step-3.5-flash"}
    source = write(tmp_path / "in.jsonl", [line, {"prompt": "Ho."}])
    run(plan, source, tmp_path / "out.jsonl", concurrency=1, options={"temperature": 0.5}, model="step-3.7-flash")
    first, second = (request.body for request in plan.requests)
    assert first["messages"][0] == {"role": "system", "content": "Be short."}
    assert (first["max_tokens"], first["model"], first["temperature"]) == (50, "step-3.5-flash", 0.5)
    assert ("max_tokens" in second, second["model"]) == (False, "step-3.7-flash")


@pytest.mark.guarantees("batch-lines")
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("not JSON", "not a JSON object"),
        ("[1]", "not a JSON object"),
        ({"body": {}}, 'neither a "prompt"'),
        ({"prompt": 1}, 'neither a "prompt"'),
        ({"prompt": "x", "tools": []}, "tools"),
        ({"prompt": "x", "temperature": 9}, "temperature"),
        ({"url": "/v1/embeddings", "body": {"messages": [{}]}}, "/v1/embeddings"),
    ],
)
def test_a_line_that_cannot_be_sent_becomes_an_error_line(
    plan: Sandbox, tmp_path: Path, line: object, reason: str
) -> None:
    summary = run(plan, write(tmp_path / "in.jsonl", [line, {"prompt": "Hi."}]), tmp_path / "out.jsonl")
    failed, answered = sorted(read(tmp_path / "out.jsonl"), key=lambda out: out["line"])
    assert failed["error"]["code"] == "InvalidRequestError"
    assert reason in failed["error"]["message"]
    assert failed["response"] is None
    assert answered["error"] is None
    assert (summary.answered, summary.failed) == (1, 1)


@pytest.mark.guarantees("batch-lines")
def test_a_refused_line_holds_what_the_server_sent(plan: Sandbox, tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [{"prompt": "Hi.", "model": "no-such-model"}])
    run(plan, source, tmp_path / "out.jsonl")
    [line] = read(tmp_path / "out.jsonl")
    assert line["error"]["code"] == "NotFoundError"
    assert line["response"]["status_code"] == 404
    assert line["response"]["body"]["error"]["message"]
    assert line["response"]["request_id"]


@pytest.mark.guarantees("batch-resumed")
def test_a_second_run_sends_only_what_is_left(plan: Sandbox, tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [{"prompt": f"Prompt {number}"} for number in range(6)])
    target = tmp_path / "out.jsonl"
    run(plan, source, target)
    whole = target.read_bytes()
    lines = whole.splitlines(keepends=True)
    target.write_bytes(b"".join(lines[:3]) + lines[3][:20])  # killed while it wrote the fourth
    plan.reset()
    summary = run(plan, source, target)
    assert (len(plan.requests), summary.skipped, summary.answered) == (3, 3, 3)
    assert sorted(line["line"] for line in read(target)) == [1, 2, 3, 4, 5, 6]


def test_a_finished_batch_sends_nothing(plan: Sandbox, tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [{"prompt": "Hi."}, "", "broken"])
    run(plan, source, tmp_path / "out.jsonl")
    plan.reset()
    summary = run(plan, source, tmp_path / "out.jsonl")
    assert (plan.requests, summary.total, summary.skipped, summary.done) == ([], 2, 2, 2)


@pytest.mark.guarantees("batch-resumed")
def test_an_output_of_another_input_is_refused(plan: Sandbox, tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    run(plan, write(tmp_path / "in.jsonl", [{"prompt": "Hi."}]), target)
    with pytest.raises(InvalidRequestError, match="Line 1 of the input is not the one"):
        run(plan, write(tmp_path / "in.jsonl", [{"prompt": "Ho."}]), target)
    target.write_text('{"some": "notes"}\n')
    with pytest.raises(InvalidRequestError, match="not the output of a batch"):
        run(plan, write(tmp_path / "in.jsonl", [{"prompt": "Ho."}]), target)
    assert target.read_text() == '{"some": "notes"}\n'


@pytest.mark.guarantees("quota-ends-the-line")
def test_a_used_up_quota_stops_the_run_and_leaves_the_rest(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [{"prompt": f"Prompt {number}"} for number in range(20)])
    with Sandbox(script=[Turn(text="One."), Turn(text="Two."), Turn(fault=Fault(status=402, times=99))]) as plan:
        summary = run(plan, source, tmp_path / "out.jsonl", concurrency=1)
        assert isinstance(summary.stopped, QuotaExceededError)
        assert len(plan.requests) == 3
        plan.reset()
        later = run(plan, source, tmp_path / "out.jsonl")
    assert (summary.answered, later.skipped, later.answered, later.stopped) == (2, 2, 18, None)


def test_progress_is_reported_after_each_line(plan: Sandbox, tmp_path: Path) -> None:
    seen: list[batch.Progress] = []
    source = write(tmp_path / "in.jsonl", [{"prompt": "Hi."}, "broken"])
    run(plan, source, tmp_path / "out.jsonl", on_progress=seen.append, concurrency=1)
    assert [(now.done, now.total, now.failed) for now in seen] == [(1, 2, 0), (2, 2, 1)]


@pytest.mark.guarantees("batch-resumed")
async def test_cancelling_keeps_what_has_come(plan: Sandbox, tmp_path: Path) -> None:
    plan.script(Turn(text="Quick."), Turn(text="Late.", fault=Fault(delay=30)))
    source = write(tmp_path / "in.jsonl", [{"prompt": "One."}, {"prompt": "Two."}])
    first = asyncio.Event()
    running = batch.arun(
        source, tmp_path / "out.jsonl", settings=settings(plan), concurrency=1, on_progress=lambda _: first.set()
    )
    task = asyncio.create_task(running)
    await asyncio.wait_for(first.wait(), 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [line["line"] for line in read(tmp_path / "out.jsonl")] == [1]


@pytest.mark.guarantees("batch-resumed")
@pytest.mark.parametrize(
    ("environment", "verify", "protocol", "reason"),
    [
        ({"STEP_API_KEY": ""}, True, "openai", "The key in STEP_API_KEY is empty"),
        ({"STEP_API_KEY": "sk test"}, True, "openai", "holds white space"),
        ({"ALL_PROXY": "gopher://127.0.0.1:9"}, True, "openai", "The proxy settings cannot be used"),
        ({}, "missing.pem", "openai", "not a readable file of certificate authorities"),
        ({}, True, "soap", "protocol='soap' is unknown"),
    ],
)
def test_what_every_line_would_meet_is_raised_and_leaves_no_output(  # noqa: PLR0917 - a row of the table
    plan: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    verify: Any,
    protocol: Any,
    reason: str,
) -> None:
    for name, value in {"STEP_API_KEY": plan.api_key, **environment}.items():
        monkeypatch.setenv(name, value)
    source, given = write(tmp_path / "in.jsonl", [{"prompt": "Hi."}]), Settings(base_url=plan.base_url, verify=verify)
    with pytest.raises(InvalidRequestError, match=reason):
        batch.run(source, tmp_path / "out.jsonl", settings=given, protocol=protocol)
    assert not (tmp_path / "out.jsonl").exists()


def test_an_error_of_the_callback_is_raised_as_it_is(plan: Sandbox, tmp_path: Path) -> None:
    def fail(_: batch.Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(plan, write(tmp_path / "in.jsonl", [{"prompt": "Hi."}]), tmp_path / "out.jsonl", on_progress=fail)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"concurrency": 0}, "concurrency=0 is out of range"),
        ({"concurrency": -1}, "concurrency=-1 is out of range"),
        ({"concurrency": "8"}, "concurrency must be a whole number"),
        ({"concurrency": 2.5}, "concurrency=2.5 is not a whole number"),
        ({"options": {"max_token": 9}}, "did you mean 'max_tokens'"),
        ({"options": {"messages": ()}}, "'messages' is not known"),
        ({"options": {"temperature": 9}}, "temperature=9 is out of range"),
    ],
)
def test_wrong_arguments_are_refused_before_a_file_is_touched(
    plan: Sandbox, tmp_path: Path, arguments: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InvalidRequestError, match=reason):
        run(plan, write(tmp_path / "in.jsonl", [{"prompt": "Hi."}]), tmp_path / "out.jsonl", **arguments)
    assert not (tmp_path / "out.jsonl").exists()


def test_options_have_the_aliases_of_models(plan: Sandbox, tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [{"prompt": "Hi."}])
    run(plan, source, tmp_path / "out.jsonl", options={"max_completion_tokens": 7})
    assert plan.requests[0].body["max_tokens"] == 7
