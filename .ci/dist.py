"""Build the three distributions, then install and use each in a clean environment, on every Python they are for.

What is tested here is what people install: the files, their metadata and what they pull in. A Python that is not
installed is skipped. Run by `make dist`.
"""

import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path

from pythons import find

ROOT = Path(__file__).resolve().parent.parent
METADATA_VERSION = "2.4"
PYTHONS = ("3.11", "3.12", "3.13")
"""The versions that `make versions` ran the tests on: no other may be claimed."""
RELATIVE_LINK = re.compile(r"\]\((?!https?://)[^)]*\)")
CONSTRAINTS = ROOT / "constraints" / "dev.txt"
UV = Path(sys.executable).with_name("uv")
LANGCHAIN = ("langchain_core", "langchain_stepplan")
LLAMA_INDEX = ("llama_index.core", "llama_index_stepplan")


@dataclass(frozen=True, slots=True)
class Distribution:
    """A name people install, and the first thing they do with it."""

    name: str
    folder: Path
    example: str
    uninstalled: tuple[str, ...]  # top-level modules that must not come along
    unimported: tuple[str, ...]  # modules that the example must not load

    @property
    def file_stem(self) -> str:
        """The name as it stands in file names."""
        return self.name.replace("-", "_")


CORE = Distribution(
    name="stepplan",
    folder=ROOT,
    example="""
from stepplan import Client, Message, Request, Settings
from stepplan.sandbox import Sandbox

with Sandbox() as plan:
    client = Client(Settings(base_url=plan.base_url, api_key=plan.api_key))
    answer = client.send(Request(messages=(Message.user("hi"),)))
assert answer.text, answer
""",
    uninstalled=("langchain_core", "llama_index"),
    unimported=LANGCHAIN + LLAMA_INDEX,
)
LANGCHAIN_ADAPTER = Distribution(
    name="langchain-stepplan",
    folder=ROOT / "distributions" / "langchain-stepplan",
    example="""
from langchain_stepplan import ChatStepPlan
from stepplan.sandbox import Sandbox

with Sandbox() as plan:
    answer = ChatStepPlan(base_url=plan.base_url, api_key=plan.api_key).invoke("hi")
assert answer.text, answer
""",
    uninstalled=("llama_index",),
    unimported=LLAMA_INDEX,
)
LLAMA_INDEX_ADAPTER = Distribution(
    name="llama-index-llms-stepplan",
    folder=ROOT / "distributions" / "llama-index-llms-stepplan",
    example="""
from llama_index.llms.stepplan import StepPlan
from stepplan.sandbox import Sandbox
import llama_index_stepplan

assert StepPlan is llama_index_stepplan.StepPlan
with Sandbox() as plan:
    answer = StepPlan(base_url=plan.base_url, api_key=plan.api_key).complete("hi")
assert answer.text, answer
""",
    uninstalled=("langchain_core",),
    unimported=LANGCHAIN,
)

DISTRIBUTIONS = (CORE, LANGCHAIN_ADAPTER, LLAMA_INDEX_ADAPTER)

AFTERWARDS = """
import importlib.util, sys
for name in {uninstalled!r}:
    assert importlib.util.find_spec(name) is None, f"{{name}} was installed too"
for name in {unimported!r}:
    assert name not in sys.modules, f"{{name}} was imported too"
assert "site-packages" in sys.modules["stepplan"].__file__, "not the wheel that was used"
"""


def main() -> None:
    """Check the three, and report what was done."""
    with tempfile.TemporaryDirectory(prefix="stepplan-dist-") as folder:
        built = Path(folder) / "built"
        build(built)
        run(sys.executable, "-m", "twine", "check", "--strict", *built.glob("*.whl"), *built.glob("*.tar.gz"))
        versions = {distribution.name: check_files(distribution, built) for distribution in DISTRIBUTIONS}
        if len(set(versions.values())) != 1:
            raise SystemExit(f"the versions differ: {versions}")
        for version in PYTHONS:
            interpreter = find(version)
            if interpreter is None:
                print(f"Python {version}: skipped, it is not installed", flush=True)
                continue
            for distribution in DISTRIBUTIONS:
                use(distribution, built, interpreter, Path(folder) / f"{distribution.name}-{version}")
                print(f"Python {version}: {distribution.name} installed alone, and used", flush=True)


def build(folder: Path) -> None:
    """Build the wheels and sdists of the three into a folder."""
    for distribution in DISTRIBUTIONS:
        run(UV, "build", "--quiet", "--sdist", "--wheel", "--out-dir", folder, distribution.folder)


def check_files(distribution: Distribution, built: Path) -> str:
    """Look at the wheel and the sdist; return the version."""
    (wheel,) = built.glob(f"{distribution.file_stem}-*.whl")
    (sdist,) = built.glob(f"{distribution.file_stem}-*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith(".dist-info/METADATA"))).decode()
    with tarfile.open(sdist) as archive:
        packed = [Path(member.name).name for member in archive.getmembers()]
    headers = Parser().parsestr(metadata)
    problems = [*wheel_problems(distribution, names), *metadata_problems(headers)]
    if missing := {"LICENSE", "PKG-INFO", "README.md"} - set(packed):
        problems.append(f"the sdist lacks {sorted(missing)}")
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in names):
        problems.append("the wheel lacks its licence")
    if problems:
        raise SystemExit(f"{distribution.name}: " + "; ".join(problems))
    return str(headers["Version"])


def metadata_problems(headers: Message) -> Iterator[str]:
    """Report what is wrong with what an index page shows and installers read."""
    if headers["Metadata-Version"] != METADATA_VERSION:
        yield f"metadata version {headers['Metadata-Version']}, not {METADATA_VERSION}"
    if headers.get_all("License-File") != ["LICENSE"]:
        yield f"licence files {headers.get_all('License-File')}"
    if not headers["Project-URL"]:
        yield "no project URL"
    if (pythons := claimed_pythons(headers)) != set(PYTHONS):
        yield f"the classifiers claim Python {', '.join(sorted(pythons))}"
    if links := RELATIVE_LINK.findall(str(headers.get_payload())):
        yield f"links that lead nowhere on an index page: {links}"
    yield from pin_problems(headers["Version"], headers.get_all("Requires-Dist") or [])


def claimed_pythons(headers: Message) -> set[str]:
    """The Python versions that the classifiers name."""
    classifiers = headers.get_all("Classifier") or []
    return {found[1] for name in classifiers if (found := re.fullmatch(r".* :: Python :: (3\.\d+)", name))}


def wheel_problems(distribution: Distribution, names: list[str]) -> Iterator[str]:
    """Report what is wrong with the files of a wheel."""
    modules = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    packages = {"stepplan", "langchain_stepplan", "llama_index_stepplan"}
    expected = {
        CORE: {*packages, "pytest_stepplan.py"},
        LANGCHAIN_ADAPTER: set[str](),
        LLAMA_INDEX_ADAPTER: {"llama_index"},
    }[distribution]
    if modules != expected:
        yield f"the wheel holds {sorted(modules)}, not {sorted(expected)}"
    for shared in ("llama_index/__init__.py", "llama_index/llms/__init__.py"):
        if shared in names:
            yield f"{shared} would break a namespace that others share"
    typed = {"/".join(name.split("/")[:-1]) for name in names if name.endswith("/py.typed")}
    wanted = {CORE: packages, LLAMA_INDEX_ADAPTER: {"llama_index/llms/stepplan"}}.get(distribution, set())
    if typed != wanted:
        yield f"py.typed is in {sorted(typed)}, not in {sorted(wanted)}"


def pin_problems(version: str, requirements: list[str]) -> Iterator[str]:
    """Report requirements on the core that are for another version than this."""
    for requirement in requirements:
        if re.match(r"stepplan\b", requirement) and f"=={version}" not in requirement:
            yield f"{requirement!r} does not pin {version}"


def use(distribution: Distribution, built: Path, interpreter: Path, environment: Path) -> None:
    """Install the wheel, with the sandbox, in a new environment and run the example there."""
    run(UV, "venv", "--quiet", "--python", interpreter, environment)
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = (UV, "pip", "install", "--quiet", "--python", python, "--find-links", built, "-c", CONSTRAINTS)
    run(*install, "--no-build", f"{distribution.name}[sandbox]")
    run(UV, "pip", "check", "--quiet", "--python", python)
    afterwards = AFTERWARDS.format(uninstalled=distribution.uninstalled, unimported=distribution.unimported)
    run(python, "-W", "error::DeprecationWarning:stepplan", "-c", distribution.example + afterwards, cwd=environment)


def run(*command: str | Path, cwd: Path = ROOT) -> None:
    """Run a command; stop if it fails."""
    done = subprocess.run(command, cwd=cwd, check=False, stdin=subprocess.DEVNULL, env=clean_environment())
    if done.returncode:
        shown = " ".join(map(str, command[:4])).splitlines()[0]
        raise SystemExit(f"exit status {done.returncode} from: {shown}")


def clean_environment() -> dict[str, str]:
    """The environment without what would lend the example a key, a path or another environment."""
    unwanted = ("STEP_", "STEPFUN_", "LANGCHAIN_", "LANGSMITH_", "PYTHONPATH", "VIRTUAL_ENV", "COVERAGE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}


if __name__ == "__main__":
    main()
