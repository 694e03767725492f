"""Recording what a server answers, and replaying it."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import yaml

from stepplan import Client, Message, Request, Settings, fold
from stepplan.sandbox import Fault, Recorder, Replay, Sandbox, Turn
from stepplan.sandbox.__main__ import main
from stepplan.sandbox.local_server import LocalServer
from tests.sandbox.commands import served
from tests.support.cli import run
from tests.support.servers import STREAM_HEAD, RawServer, chunked, raw_server, response
from tests.support.wire import CHAT, JSON, MESSAGES, auth, body_for, chat, messages

BOTH = pytest.mark.parametrize("path", [CHAT, MESSAGES])
KEY = "sk-canary-0123456789"


@pytest.fixture
def upstream() -> Iterator[Sandbox]:
    with Sandbox(api_key=KEY) as plan:
        yield plan


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "answers.yaml"


def send(server: LocalServer, path: str, body: JSON, key: str = KEY, **headers: str) -> httpx.Response:
    with httpx.Client(timeout=5, trust_env=False) as client:
        return client.post(f"{server.base_url}{path}", json=body, headers=auth(key) | headers)


@BOTH
@pytest.mark.parametrize("stream", [True, False])
def test_a_replay_answers_what_was_recorded(upstream: Sandbox, file: Path, path: str, stream: bool) -> None:
    body = body_for(path, "Grüße 你好", stream=stream)
    with Recorder(file, upstream.base_url) as recorder:
        recorded = send(recorder, path, body)
    assert recorded.status_code == 200
    assert "你好" in recorded.text
    assert upstream.requests[0].body == body
    with Replay(file) as replay:
        replayed = send(replay, path, body, key="sk-another")
    assert replayed.content == recorded.content
    assert replayed.headers["content-type"] == recorded.headers["content-type"]


@BOTH
def test_a_recording_is_passed_on_as_it_arrives(upstream: Sandbox, file: Path, path: str) -> None:
    upstream.script(Turn(text="One two three four.", fault=Fault(stall_after=3)))
    with (
        Recorder(file, upstream.base_url) as recorder,
        httpx.Client(timeout=5, trust_env=False, headers=auth(KEY)) as client,
        client.stream("POST", recorder.base_url + path, json=body_for(path, stream=True)) as response,
    ):
        received = b""
        for piece in response.iter_raw():
            received += piece
            if received.count(b"\n\n") == 3:
                break
    assert not file.exists(), "an answer without its end is not recorded"


def test_errors_and_other_methods_are_recorded_too(upstream: Sandbox, file: Path) -> None:
    upstream.script(Turn(fault=Fault(status=429, headers={"Retry-After": "7"})))

    def calls(server: LocalServer) -> list[httpx.Response]:
        with httpx.Client(trust_env=False, headers=auth(KEY)) as client:
            listed = client.get(f"{server.base_url}/v1/models")
        return [listed, send(server, CHAT, chat()), send(server, CHAT, chat(model="step-9"))]

    with Recorder(file, f"{upstream.base_url}/v1/") as recorder:
        recorded = calls(recorder)
    assert [response.status_code for response in recorded] == [200, 429, 404]
    with Replay(file) as replay:
        replayed = calls(replay)
    assert [(r.status_code, r.text, r.headers.get("retry-after")) for r in replayed] == [
        (r.status_code, r.text, r.headers.get("retry-after")) for r in recorded
    ]


def test_repeated_requests_get_their_answers_in_order(upstream: Sandbox, file: Path) -> None:
    upstream.script(Turn(text="One."), Turn(text="Two."))
    with Recorder(file, upstream.base_url) as recorder:
        for _ in range(2):
            send(recorder, CHAT, chat())
    with Replay(file) as replay:
        texts = [send(replay, CHAT, chat()).json()["choices"][0]["message"]["content"] for _ in range(3)]
    assert texts == ["One.", "Two.", "Two."]


def test_the_spelling_of_the_json_does_not_matter(upstream: Sandbox, file: Path) -> None:
    body = chat("Grüße")
    with Recorder(file, upstream.base_url) as recorder:
        send(recorder, CHAT, body)
    with Replay(file) as replay, httpx.Client(trust_env=False) as client:
        spelled = json.dumps(dict(reversed(body.items())), indent=2)
        assert client.post(replay.base_url + CHAT, content=spelled).status_code == 200


def test_requests_without_json_match_by_their_bytes(file: Path) -> None:
    sent = [b"", b"One.", b"Two.", b"\xff", b'{"a": 1']

    def echo(server: RawServer, connection: socket.socket, _: int) -> None:
        body = server.read_request(connection).partition(b"\r\n\r\n")[2]
        connection.sendall(response(b"<" + body + b">", "application/octet-stream"))

    def answers(server: LocalServer, contents: list[bytes]) -> list[bytes]:
        with httpx.Client(timeout=5, trust_env=False, headers=auth(KEY)) as client:
            return [client.post(server.base_url + CHAT, content=content).content for content in contents]

    with raw_server(echo) as upstream, Recorder(file, f"http://127.0.0.1:{upstream.port}") as recorder:
        assert answers(recorder, sent) == [b"<" + body + b">" for body in sent]
    with Replay(file) as replay:
        assert answers(replay, sent[::-1]) == [b"<" + body + b">" for body in sent[::-1]]
        [refused] = answers(replay, [b"Three."])
    assert b"not_recorded" in refused


def test_the_file_has_no_secrets(upstream: Sandbox, file: Path) -> None:
    address = upstream.base_url.replace("http://", "http://user:secret-password@")
    upstream.script(Turn(text=f"Your key is {KEY}."))
    with Recorder(file, address) as recorder:
        cookies = {"Cookie": "session=secret-cookie", "X-Secret": "secret-header"}
        assert send(recorder, CHAT, chat(f"My key is {KEY}."), **cookies).status_code in (200, 401)
        send(recorder, MESSAGES, messages(), key="sk-other", **{"x-api-key": KEY})
    text = file.read_text()
    assert KEY not in text
    assert "secret" not in text
    assert "sandbox" not in text.partition("body")[0]
    [first, second] = yaml.safe_load(text)["interactions"]
    assert first["request"]["uri"] == f"{upstream.base_url}{CHAT}"
    assert [item["request"]["headers"].keys() - {"content-type", "anthropic-version"} for item in (first, second)] == [
        set(),
        set(),
    ]


@BOTH
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"temperature": 0.5, "max_tokens": 9}, "other values of temperature"),
        ({"messages": [{"role": "user", "content": "Something else."}], "max_tokens": 9}, "other values of messages"),
    ],
)
def test_what_was_not_recorded_is_refused(upstream: Sandbox, file: Path, path: str, fields: JSON, reason: str) -> None:
    with Recorder(file, upstream.base_url) as recorder:
        send(recorder, path, body_for(path, max_tokens=9))
    with Replay(file) as replay:
        refused = send(replay, path, body_for(path, **fields))
        elsewhere = send(replay, MESSAGES if path == CHAT else CHAT, body_for(path, max_tokens=9))
    assert refused.status_code == elsewhere.status_code == 400
    assert refused.json()["error"]["type"] == "not_recorded"
    message = refused.json()["error"]["message"]
    assert message.startswith(f"POST {path} is not in answers.yaml with this body")
    assert message.endswith(reason)
    assert "nothing is recorded for this path" in elsewhere.json()["error"]["message"]


def test_our_clients_record_and_replay(upstream: Sandbox, file: Path) -> None:
    request = Request(messages=(Message.user("What is the weather in Paris?"),))

    def answers(server: LocalServer) -> list[str]:
        settings = Settings(base_url=server.base_url, api_key=KEY)
        clients = [Client(settings, protocol=protocol) for protocol in ("openai", "anthropic")]
        return [client.send(request).text for client in clients] + [
            str(replace(fold(client.stream(request)), trace_id=None))
            for client in clients  # traces are not kept
        ]

    with Recorder(file, upstream.base_url) as recorder:
        recorded = answers(recorder)
    with Replay(file) as replay:
        assert answers(replay) == recorded


def test_an_answer_that_breaks_off_breaks_off_for_the_client_and_is_not_recorded(upstream: Sandbox, file: Path) -> None:
    upstream.script(Turn(text="One two three.", fault=Fault(cut_at=400, abrupt=True)))
    with Recorder(file, upstream.base_url) as recorder, pytest.raises(httpx.RemoteProtocolError):
        send(recorder, CHAT, chat(stream=True))
    assert not file.exists()


def test_a_server_that_cannot_be_reached_is_a_502(file: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with Recorder(file, f"http://user:secret@127.0.0.1:{taken.getsockname()[1]}") as recorder:
            refused = send(recorder, CHAT, chat())
    assert refused.status_code == 502
    assert "cannot be reached" in refused.json()["error"]["message"]
    assert "secret" not in refused.text


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\n"])
def test_a_server_that_does_not_answer_in_time_is_a_502(
    file: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr("stepplan.sandbox.recording._TIMEOUT", httpx.Timeout(0.2))
    with _stalling(sent) as url, Recorder(file, url) as recorder:
        refused = send(recorder, CHAT, chat())
    assert refused.status_code == 502
    assert "cannot be reached: ReadTimeout" in refused.json()["error"]["message"]
    assert not file.exists()


def test_an_answer_that_goes_on_too_late_breaks_off_for_the_client(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stepplan.sandbox.recording._TIMEOUT", httpx.Timeout(0.2))
    with (
        _stalling(STREAM_HEAD + chunked(b"data: {}")) as url,
        Recorder(file, url) as recorder,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        send(recorder, CHAT, chat(stream=True))
    assert not file.exists()


@contextlib.contextmanager
def _stalling(sent: bytes) -> Iterator[str]:
    """The address of a server that answers with these bytes, and then sends no more."""

    def serve(server: RawServer, connection: socket.socket, _: int) -> None:
        server.read_request(connection)
        connection.sendall(sent)
        connection.recv(1)

    with raw_server(serve) as server:
        yield f"http://127.0.0.1:{server.port}"


@pytest.mark.parametrize("fault", [Fault(stall_after=2), Fault(stall_after=0, pings=False)])
def test_a_recorder_stops_within_a_second_while_the_server_stalls(upstream: Sandbox, file: Path, fault: Fault) -> None:
    upstream.script(Turn(text="4", fault=fault))
    with httpx.Client(trust_env=False, headers=auth(KEY)) as client:
        with Recorder(file, upstream.base_url) as recorder:
            sent = client.build_request("POST", recorder.base_url + CHAT, json=chat(stream=True))
            response = client.send(sent, stream=True)
            started = time.perf_counter()
        assert time.perf_counter() - started < 1
        response.close()


@pytest.mark.parametrize(
    ("upstream_url", "reason"),
    [
        ("https://api.stepfun.ai", "bills the balance, not the plan: use https://api.stepfun.ai/step_plan"),
        ("https://api.stepfun.com/v1", "bills the balance, not the plan: use https://api.stepfun.com/step_plan"),
        ("api.stepfun.ai/step_plan", "is not an HTTP URL"),
        ("ftp://example.org", "is not an HTTP URL"),
    ],
)
def test_addresses_that_are_refused(file: Path, upstream_url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Recorder(file, upstream_url)


def test_files_that_are_refused(file: Path) -> None:
    with pytest.raises(FileNotFoundError, match="There is no recording at"):
        Replay(file)
    for content in ("", "[]", "interactions: 3", "{", "a: b"):
        file.write_text(content)
        with pytest.raises(ValueError, match="is not a recording"):
            Replay(file)
    with pytest.raises(FileExistsError, match="exists already"):
        Recorder(file, "https://api.stepfun.ai/step_plan")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--record", "new.yaml"], "--record and --upstream go together"),
        (["--upstream", "http://127.0.0.1"], "--record and --upstream go together"),
        (["--replay", "missing.yaml"], "There is no recording at missing.yaml"),
        (["--record", "new.yaml", "--upstream", "x"], "is not an HTTP URL"),
        (["--port", "65536"], "port=65536 is out of range"),
        (["--port", "-1"], "port=-1 is out of range"),
        (["--record", "a", "--replay", "b", "--upstream", "http://127.0.0.1"], "cannot be used together"),
    ],
)
def test_the_command_refuses(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert message in capsys.readouterr().err
    result = run("sandbox", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert message in result.stderr


def test_the_command_names_a_port_that_is_in_use(upstream: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    port = str(httpx.URL(upstream.base_url).port)
    with pytest.raises(SystemExit, match="2"):
        main(["--port", port])
    sentence = f"Port {port} cannot be used: Address already in use"
    assert capsys.readouterr().err == f"python -m stepplan.sandbox: error: {sentence}\n"
    assert run("sandbox", "--port", port).stderr == f"Error: {sentence}\n"


@pytest.mark.interpreter
def test_the_command_records_and_replays(upstream: Sandbox, file: Path) -> None:
    with served("--record", str(file), "--upstream", upstream.base_url) as printed:
        assert "STEP_API_KEY=$STEP_API_KEY" in printed
        recorded = _ask(printed, KEY)
    with served("--replay", str(file)) as printed:
        assert _ask(printed, "sk-sandbox") == recorded


def _ask(printed: str, key: str) -> str:
    """Ask at the address that a command printed."""
    url = printed.partition("\n")[0].split()[-1]
    with httpx.Client(trust_env=False, headers=auth(key)) as client:
        return client.post(url + CHAT, json=chat()).text
