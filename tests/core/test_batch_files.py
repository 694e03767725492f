"""The files of a batch, as editors, other programs and killed runs leave them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from stepplan import InvalidRequestError, Settings, batch
from stepplan.sandbox import Fault, Sandbox, Turn
from tests.support.servers import within_a_while


def run(plan: Sandbox, folder: Path) -> batch.Summary:
    return batch.run(folder / "in.jsonl", folder / "out.jsonl", settings=settings(plan))


def settings(plan: Sandbox) -> Settings:
    return Settings(api_key=plan.api_key, base_url=plan.base_url)


def read(folder: Path) -> list[dict[str, Any]]:
    return sorted(map(json.loads, (folder / "out.jsonl").read_bytes().splitlines()), key=lambda line: line["line"])


@pytest.mark.guarantees("batch-lines")
@pytest.mark.parametrize(
    "content",
    [
        b'\xef\xbb\xbf{"prompt": "One."}\n{"prompt": "Two."}\n',
        b'{"prompt": "One."}\r\n{"prompt": "Two."}\r\n',
        b'{"prompt": "One."}\n{"prompt": "Two."}',
        b'\xef\xbb\xbf\r\n \t\n{"prompt": "One."}\n\n  {"prompt": "Two."}  \n\n',
    ],
    ids=["byte order mark", "Windows", "no last line break", "blank lines"],
)
def test_each_line_is_answered_whatever_editor_wrote_the_file(
    stepplan_sandbox: Sandbox, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "in.jsonl").write_bytes(content)
    summary = run(stepplan_sandbox, tmp_path)
    assert (summary.total, summary.answered) == (2, 2)
    texts = [line["response"]["body"]["choices"][0]["message"]["content"] for line in read(tmp_path)]
    assert ["One." in texts[0], "Two." in texts[1]] == [True, True]


def test_line_separators_of_unicode_do_not_end_a_line(stepplan_sandbox: Sandbox, tmp_path: Path) -> None:
    prompt = "a\u2028b\u2029c\x85d\x0be"
    (tmp_path / "in.jsonl").write_text(json.dumps({"prompt": prompt}, ensure_ascii=False) + "\n", "utf-8")
    assert run(stepplan_sandbox, tmp_path).answered == 1
    assert stepplan_sandbox.requests[0].body["messages"][0]["content"] == prompt


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_an_input_in_utf_16_is_refused(stepplan_sandbox: Sandbox, tmp_path: Path, encoding: str) -> None:
    (tmp_path / "in.jsonl").write_bytes('\ufeff{"prompt": "Hi."}'.encode(encoding))
    with pytest.raises(InvalidRequestError, match=r"in\.jsonl is in UTF-16: save it in UTF-8"):
        run(stepplan_sandbox, tmp_path)


@pytest.mark.guarantees("batch-lines")
@pytest.mark.parametrize(
    ("given", "answered"),
    [(5, 5), (0, 0), (1.5, 1.5), (False, False), (["a", 1], ["a", 1]), ("q", "q"), ("", "line-1"), (None, "line-1")],
)
def test_a_custom_id_comes_back_as_it_was(
    stepplan_sandbox: Sandbox, tmp_path: Path, given: object, answered: object
) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps({"custom_id": given, "prompt": "Hi."}))
    run(stepplan_sandbox, tmp_path)
    assert [line["custom_id"] for line in read(tmp_path)] == [answered]


@pytest.mark.guarantees("batch-resumed")
@pytest.mark.parametrize(
    "content",
    [
        "my notes",
        "my notes\nand more",
        '{"prompt": "Hi."}',
        '{"custom_id": "a", "body": {}}',
        '{"custom_id": "a", "response": {}}',
        '{"custom_id": "a"\n{"custom_id": "b"',
        '{"line": 0, "digest": "aa"}\n',
        '{"line": 1e400, "digest": "aa"}\n',
        '{"line": 1, "digest": "11223344556677889900"}\n',
    ],
)
def test_a_file_that_is_no_output_is_left_as_it_is(stepplan_sandbox: Sandbox, tmp_path: Path, content: str) -> None:
    (tmp_path / "in.jsonl").write_text('{"prompt": "Hi."}')
    (tmp_path / "out.jsonl").write_text(content)
    with pytest.raises(InvalidRequestError, match="not the output of a batch"):
        run(stepplan_sandbox, tmp_path)
    assert (tmp_path / "out.jsonl").read_text() == content
    assert not stepplan_sandbox.requests


@pytest.mark.guarantees("batch-resumed")
@pytest.mark.parametrize("left", [1, 5, 14, 20, 100, -2, -1])
def test_a_run_killed_anywhere_within_a_line_is_resumed(stepplan_sandbox: Sandbox, tmp_path: Path, left: int) -> None:
    (tmp_path / "in.jsonl").write_text('{"prompt": "One."}\n{"prompt": "Two."}\n')
    run(stepplan_sandbox, tmp_path)
    first, last = (tmp_path / "out.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "out.jsonl").write_bytes(first + last[:left])
    stepplan_sandbox.reset()
    run(stepplan_sandbox, tmp_path)
    assert [line["line"] for line in read(tmp_path)] == [1, 2]
    assert len(stepplan_sandbox.requests) == (left != -1)  # of the last line, the line break alone was missing


@pytest.mark.guarantees("batch-resumed")
async def test_a_file_that_another_run_is_writing_is_refused(stepplan_sandbox: Sandbox, tmp_path: Path) -> None:
    stepplan_sandbox.script(Turn(text="Late.", fault=Fault(delay=30)))
    (tmp_path / "in.jsonl").write_text('{"prompt": "Hi."}')
    files = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    first = asyncio.create_task(batch.arun(*files, settings=settings(stepplan_sandbox)))
    assert await asyncio.to_thread(within_a_while, lambda: bool(stepplan_sandbox.requests))
    with pytest.raises(InvalidRequestError, match="Another run is writing"):
        await batch.arun(*files, settings=settings(stepplan_sandbox))
    first.cancel()
    await asyncio.wait([first])
    stepplan_sandbox.reset()
    assert (await batch.arun(*files, settings=settings(stepplan_sandbox))).answered == 1
