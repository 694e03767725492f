"""Finds the Pythons of this machine."""

import shutil
import subprocess
from pathlib import Path


def find(version: str) -> Path | None:
    """The interpreter of a version, such as 3.13; None if it is not installed."""
    if pyenv := shutil.which("pyenv"):
        done = subprocess.run([pyenv, "prefix", version], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return Path(done.stdout.strip()) / "bin" / "python"
    found = shutil.which(f"python{version}")
    works = found and subprocess.run([found, "--version"], capture_output=True, check=False).returncode == 0
    return Path(found) if found and works else None
