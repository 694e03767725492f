"""Run a command with a real server to talk to: `python -m tests.live.run [--plan] COMMAND`.

The server is llama.cpp's, installed and started for it and ended after it; with `--plan` it is the Step Plan, with the
key in STEP_API_KEY. The command finds it as `tests.live.target.Target.from_environment()`.
"""

import os
import subprocess
import sys
from collections.abc import Sequence

from tests.live import llama_server
from tests.live.target import plan_environment


def main(arguments: Sequence[str]) -> int:
    """The command's exit status."""
    command = [argument for argument in arguments if argument != "--plan"]
    if "--plan" in arguments:
        return subprocess.run(command, env=os.environ | plan_environment(), check=False).returncode
    cache = llama_server.cache()
    llama_server.install(cache)
    with llama_server.serving(cache) as target:
        return subprocess.run(command, env=os.environ | target, check=False).returncode


if __name__ == "__main__":
    llama_server.leave_on_sigterm()
    sys.exit(main(sys.argv[1:]))
