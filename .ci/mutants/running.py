"""Runs tests in forks of a process that has imported the frameworks, but nothing of ours."""

import importlib
import importlib.util
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import Any

import coverage
import pytest
from changes import PACKAGES, ROOT, Mutant

OURS = (*PACKAGES, "pytest_stepplan", "tests", "conftest")
LONGEST = 30
"""Seconds of processor time that the tests of one change should take at most."""
CASES = 8
"""Of a parametrized test, this many cases are run to see what it reaches."""


@dataclass(eq=False)
class Tests:
    """pytest's plugin: runs the chosen tests in their order, or some cases of every test, and notes what happens.

    Attributes:
        chosen: Ids of cases or of whole tests; `None` runs some cases of every test.
        started: Is told the id of each case that begins.
    """

    chosen: Sequence[str] | None = None
    started: Callable[[str], Any] = field(default=lambda _: None)
    failed: str = ""
    cases: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    seconds: dict[str, float] = field(default_factory=dict[str, float])

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leaves the tests that are to run."""
        for item in items:
            self.cases.setdefault(function(item.nodeid), []).append(item.nodeid)
        if self.chosen is None:
            some = {id for ids in self.cases.values() for id in ids[:: max(1, len(ids) // CASES)][:CASES]}
            items[:] = [item for item in items if item.nodeid in some]
            return
        order = {id: index for index, id in enumerate(self.chosen)}
        last = len(order)
        rank = {item: min(order.get(item.nodeid, last), order.get(function(item.nodeid), last)) for item in items}
        items[:] = sorted((item for item in items if rank[item] < last), key=rank.__getitem__)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A case begins."""
        self.started(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A case, its setup or its teardown is over."""
        if report.when == "call" and report.passed:
            self.seconds[report.nodeid] = report.duration
        if report.failed:
            self.seconds.pop(report.nodeid, None)
            self.failed = self.failed or report.nodeid


def function(id: str) -> str:
    """The id of a whole test."""
    return id.partition("[")[0]


def run_tests(files: Sequence[str], plugin: Tests, *options: str) -> int:
    """Runs pytest here."""
    fixed = ["-q", "-n0", "-pno:cacheprovider", "-mnot live and not interpreter", "--timeout=60", "--tb=no"]
    return pytest.main([*fixed, "-Wignore::pytest.PytestAssertRewriteWarning", *options, *files], plugins=[plugin])


def forked(work: Callable[[], object], seconds: float) -> Any:
    """What `work` returns in a fork of this process, as JSON; `None` if it took too long or died."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nothing, descriptor)
        # Processor time, not time: the machine may be busy. The memory is for changes that make a loop endless.
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
        resource.setrlimit(resource.RLIMIT_DATA, (3 << 30, 3 << 30))
        try:
            os.write(writer, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writer)

    def end(*_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)

    signal.signal(signal.SIGALRM, end)
    signal.alarm(int(seconds * 10))
    try:
        with os.fdopen(reader, "rb") as answer:
            text = answer.read()
    finally:
        signal.alarm(0)
        end()
        os.waitpid(child, 0)
    return json.loads(text) if text else None


def import_frameworks() -> None:
    """Imports here what the tests import, apart from what is ours."""

    def names() -> list[str]:
        run_tests(["tests/core", "tests/langchain", "tests/llama_index"], Tests(), "--collect-only")
        return [name for name in sys.modules if name.partition(".")[0] not in OURS and name[0] != "_"]

    for name in forked(names, 300):
        if importlib.util.find_spec(name.partition(".")[0]):
            importlib.import_module(name)


def reach_of(file: str) -> list[dict[str, Any]]:
    """The tests of a file that pass: each with cases, their number, their mean time and the lines they reach."""
    measured = coverage.Coverage(data_file=None, config_file=False, include=[f"{ROOT}/{name}/*" for name in PACKAGES])
    tests = Tests(started=measured.switch_context)
    measured.start()
    run_tests([file], tests)
    measured.stop()
    lines: dict[str, dict[str, set[int]]] = {}
    for path in measured.get_data().measured_files():
        for line, cases in measured.get_data().contexts_by_lineno(path).items():
            for case in filter(None, cases):
                name = Path(path).relative_to(ROOT).as_posix()
                lines.setdefault(function(case), {}).setdefault(name, set()).add(line)
    rows: list[dict[str, Any]] = []
    for name, all_cases in tests.cases.items():
        if cases := [case for case in all_cases if case in tests.seconds]:
            mean = sum(tests.seconds[case] for case in cases) / len(cases)
            reached = {path: sorted(found) for path, found in lines.get(name, {}).items()}
            rows.append({"id": name, "cases": cases, "count": len(all_cases), "seconds": mean, "lines": reached})
    return rows


class _Changed(SourceFileLoader):
    def __init__(self, module: str, mutant: Mutant) -> None:
        super().__init__(module, str(ROOT / mutant.path))
        self._source = mutant.source

    def get_code(self, fullname: str) -> Any:  # noqa: ARG002 - the import system's signature
        return compile(self._source, self.path, "exec", dont_inherit=True)


class _Finder:
    """Finds the changed module."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        self._module = mutant.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        if name != self._module:
            return None
        loader = _Changed(name, self._mutant)
        return importlib.util.spec_from_file_location(name, loader.path, loader=loader)


_WITHOUT_A_TEST = {1: "the import", 2: "the import", 3: "a crash of pytest", 4: "the import"}
"""What has noticed a change if no test failed, by pytest's exit status."""


def killer_of(mutant: Mutant | None, ids: Sequence[str]) -> str:
    """The first of these tests that fails with this change; empty if all pass."""
    if not ids:
        return ""

    def run() -> str:
        if mutant is not None:
            sys.meta_path.insert(0, _Finder(mutant))
        tests = Tests(ids)
        status = run_tests(sorted({id.partition("::")[0] for id in ids}), tests, "-x")
        return tests.failed or _WITHOUT_A_TEST.get(status, "")

    found: str | None = forked(run, LONGEST * 2)
    return "the time" if found is None else found
