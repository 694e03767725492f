"""Other people's servers and clients, each installed apart from everything: in an environment of its own in the cache.

The cache is `~/.cache/stepplan-live`, or where STEPPLAN_LIVE_CACHE says. Nothing goes into the project or the system.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.live.llama_server import cache


def python_package(name: str, *requirements: str) -> Path:
    """The folder of programs of a virtual environment that holds these packages; made if it is not there."""
    folder = cache().folder / "python" / _label(name, requirements)
    programs = folder / "bin"
    if not (folder / "done").exists():
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", folder, *requirements], check=True)
        (folder / "done").touch()
    return programs


def npm_package(name: str, *packages: str, node: Path | None = None) -> Path:
    """The folder of modules of an npm prefix that holds these packages; made if it is not there.

    `node` is the folder of a Node.js other than the machine's, for packages that install with no other.
    """
    folder = cache().folder / "npm" / _label(name, packages)
    if not (folder / "done").exists():
        if shutil.which("npm") is None:
            raise RuntimeError("npm is needed: install Node.js 20 or newer.")
        folder.mkdir(parents=True, exist_ok=True)
        quiet = ("--loglevel=error", "--no-audit", "--no-fund", "--update-notifier=false")
        environment = os.environ | ({"PATH": f"{node}{os.pathsep}{os.environ['PATH']}"} if node else {})
        subprocess.run(
            ["npm", "install", *quiet, "--prefix", folder, *packages], check=True, cwd=folder, env=environment
        )
        (folder / "done").touch()
    return folder / "node_modules"


def _label(name: str, requirements: tuple[str, ...]) -> str:
    """Other versions are another folder."""
    return "-".join([name, *(part.rpartition("=")[2].rpartition("@")[2] for part in requirements)])
