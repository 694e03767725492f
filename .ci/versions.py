"""Run the unit tests on other Pythons and on other dependencies: `make versions`.

Each run has an environment of its own, `.venv-NAME`, with the versions of a constraints file. Pythons come from pyenv
if it is there, else from the PATH; a Python that is not found is skipped.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pythons import find

ROOT = Path(__file__).resolve().parent.parent
UV = Path(sys.executable).with_name("uv")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


@dataclass(frozen=True)
class Run:
    """Tests in one environment.

    Attributes:
        name: What the command line and the environment call it.
        pythons: The Pythons that will do; the first that is found is used.
        constraints: The file in `constraints/` that chooses the dependencies' versions.
        groups: The dependency groups that are installed; tests of what is not installed are skipped.
    """

    name: str
    pythons: Sequence[str]
    constraints: str
    groups: Sequence[str]


RUNS = (
    *(Run(python, (python,), "dev", ("test", "clients", "tracing")) for python in PYTHONS),
    # What is promised at the least is most at home on the oldest Python, and what is new on the newest.
    Run("oldest", PYTHONS, "oldest", ("test",)),
    Run("newest", PYTHONS[::-1], "peers", ("test",)),
)


def environment(run: Run, interpreter: Path) -> Path:
    """Make the environment, or bring it up to date; the value is its Python."""
    folder = ROOT / f".venv-{run.name}"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([UV, "venv", "--quiet", "--python", interpreter, folder], check=True)
    install: list[str | Path] = [UV, "pip", "install", "--quiet", "--python", python]
    constraints = ROOT / "constraints" / f"{run.constraints}.txt"
    install += ["--constraints", constraints]
    if (overrides := constraints.with_suffix(".overrides")).exists():
        install += ["--overrides", overrides]
    for group in run.groups:
        install += ["--group", group]
    install += ["--all-extras", "--requirements", "pyproject.toml", "--editable", "."]
    subprocess.run(install, cwd=ROOT, check=True)
    return python


def main(*names: str) -> None:
    """Do the runs of these names, by default all, and say how each ended.

    Raises:
        SystemExit: A name is unknown, or tests failed.
    """
    if unknown := set(names) - {run.name for run in RUNS}:
        sys.exit(f"There is no run {', '.join(sorted(unknown))}: choose of {', '.join(run.name for run in RUNS)}.")
    told: list[str] = []
    failed = False
    for run in RUNS:
        if names and run.name not in names:
            continue
        interpreter = next(filter(None, map(find, run.pythons)), None)
        if interpreter is None:
            told.append(f"{run.name}: skipped, there is no Python {' or '.join(run.pythons)}")
            continue
        python = environment(run, interpreter)
        tests: list[str | Path] = [python, "-m", "pytest", "-n", os.environ.get("WORKERS", "2"), "-m", "not live"]
        began = time.monotonic()
        done = subprocess.run(tests, cwd=ROOT, check=False)
        failed = failed or done.returncode != 0
        version = subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        how = f"failed with exit status {done.returncode}" if done.returncode else "passed"
        told.append(
            f"{run.name}: {how} on {version}, constraints/{run.constraints}.txt, {time.monotonic() - began:.0f} s"
        )
    sys.stdout.write("\n".join(["", *told, ""]))
    sys.exit(failed)


if __name__ == "__main__":
    main(*sys.argv[1:])
