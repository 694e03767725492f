"""Record anew what the replayed tests replay: `make record`, or

    python -m tests.live.run [--plan] python -m tests.recorded.record [pytest's arguments]

From llama.cpp's server, or with `--plan` from the Step Plan. The arguments choose what to record (`-k name`);
without any, everything is recorded.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.live.target import Target
from tests.recorded import compare
from tests.recorded.cassettes import load

TESTS = Path(__file__).parents[1]
CASSETTES = TESTS / "cassettes"
STREAMS = TESTS / "fixtures" / "recorded"

RAW = {
    "text": "test_a_question_is_thought_about_and_answered[stream-{}]",
    "tool_call": "test_a_tool_loop_ends_in_an_answer[stream-{}]",
    "parallel_tool_calls": "test_two_tools_are_called_in_one_turn[stream-{}]",
    "cut_off": "test_an_answer_that_reaches_max_tokens_says_so[stream-{}]",
    "stop_sequence": "test_a_stop_sequence_ends_the_answer[{}]",
}
"""The streams that are also kept as they came over the wire: a fixture's name, and the test of the core it is from."""

_RECORDING = ("--record-mode=rewrite", "--force-enable-socket", "--timeout=900", "-p", "no:cacheprovider", "-m", "vcr")


def main(arguments: Sequence[str]) -> int:
    """Record, and say what has changed; pytest's exit status."""
    target = Target.from_environment()
    if target is None:
        raise SystemExit("There is no server to record from: say `make record`.")
    if not arguments and target.server != "Step Plan":  # some tests cannot be recorded from the plan
        shutil.rmtree(CASSETTES, ignore_errors=True)  # also those of tests that are no more
    pytest = [sys.executable, "-m", "pytest", *_RECORDING, str(TESTS / "recorded"), *arguments]
    status = subprocess.run(pytest, check=False).returncode
    write_streams()
    changed = list(compare.changed(CASSETTES))
    sys.stdout.write("\nChanged apart from ids and times: " + (", ".join(changed) or "nothing") + "\n")
    return status


def write_streams() -> None:
    """Keep the streams of `RAW` as files of their own, in the folder of the server that sent them."""
    for stale in STREAMS.rglob("*.sse"):
        stale.unlink()
    for path, content in raw_streams():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def raw_streams() -> list[tuple[Path, bytes]]:
    """Where each stream of `RAW` belongs, and what the cassette has of it."""
    streams: list[tuple[Path, bytes]] = []
    for name, test in RAW.items():
        for protocol in ("openai", "anthropic"):
            cassette = load((CASSETTES / "core" / f"{test.format(protocol)}.yaml").read_text())
            body = cassette["interactions"][0]["response"]["body"]["string"]
            folder = STREAMS / cassette["recorded_from"]["server"].replace(" ", "_")
            streams.append((folder / f"{name}.{protocol}.sse", body.encode()))
    return streams


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
