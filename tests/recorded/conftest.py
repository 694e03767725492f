"""The same tests in three ways: on recordings (the default), on a running server, and while recording from it.

`make test` replays, with sockets blocked; `make live` runs on a server (`--disable-recording`); `make record` records.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stepplan import Settings
from tests.live.target import Target
from tests.recorded.cassettes import Serializer, match_body, scrub_request, scrub_response

# Any error of ours is still a failure, and so is every failure of a replay.
_MAY_MISSPELL = pytest.mark.xfail(
    reason="a small model spells Japanese names otherwise than it is told, or writes the call down as text",
    raises=AssertionError,
    strict=False,
)

FOLDER = Path(__file__).parents[1] / "cassettes"


def _replays(config: pytest.Config) -> bool:
    return config.getoption("--record-mode") == "none" and not config.getoption("--disable-recording")


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark of tests that the Step Plan itself cannot be held to."""
    config.addinivalue_line("markers", "not_on_the_plan(reason): holds on a server of our own only")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A replay has no use for the network; and what is skipped has to be so before its recording is opened anew."""
    for item in items:
        if Path(__file__).parent not in item.path.parents:
            continue
        mark = item.get_closest_marker("not_on_the_plan")
        if _replays(config):
            item.add_marker(pytest.mark.disable_socket)
        elif mark and _target(config).server == "Step Plan":
            item.add_marker(pytest.mark.skip(mark.args[0]))
        elif config.getoption("--disable-recording") and item.name == "test_stream_time":
            item.add_marker(pytest.mark.skip("it times a replay"))
        elif config.getoption("--disable-recording") and item.name == "test_unicode_tool_call_integration":
            item.add_marker(_MAY_MISSPELL)


def pytest_recording_configure(config: pytest.Config, vcr: Any) -> None:
    """Recordings in our own format."""
    vcr.register_serializer("yaml", Serializer(_target(config)))
    vcr.register_matcher("question", match_body)


def _target(config: pytest.Config) -> Target:
    if _replays(config):
        return Target.of_recordings()
    target = Target.from_environment()
    if target is None:
        pytest.fail("There is no server to record from or to run on: say `make record` or `make live`.")
    return target


@pytest.fixture(scope="session")
def target(pytestconfig: pytest.Config) -> Target:
    """The server that answers, or the recordings."""
    return _target(pytestconfig)


@pytest.fixture(scope="session")
def settings(target: Target) -> Settings:
    """How to reach the server that answers."""
    return target.settings


@pytest.fixture(autouse=True)
def _every_recorded_answer_is_asked_for(request: pytest.FixtureRequest) -> Iterator[None]:
    """A replay that leaves answers over asks less than what was recorded."""
    cassette = request.getfixturevalue("vcr") if request.node.get_closest_marker("vcr") else None
    yield
    if cassette is not None and _replays(request.config):
        assert cassette.all_played, "not all recorded requests were sent"


@pytest.fixture(scope="module")
def vcr_config() -> dict[str, Any]:
    """What is kept, and what has to be the same for an answer to be replayed. Every answer is replayed once."""
    return {
        "serializer": "yaml",
        "match_on": ["method", "path", "question"],
        "before_record_request": scrub_request,
        "before_record_response": scrub_response,
        "decode_compressed_response": True,
        "allow_playback_repeats": False,
    }


@pytest.fixture(scope="module")
def vcr_cassette_dir(request: pytest.FixtureRequest) -> str:
    """One folder for each module of tests."""
    return str(FOLDER / request.path.stem.removeprefix("test_"))
