"""Runs a batch: several lines at once, answers written as they come, stopped by what no further line can survive."""

import asyncio
import codecs
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from stepplan import transport
from stepplan.arguments import whole_number
from stepplan.batch.lines import Job, answer_line, error_line, read_job, to_request
from stepplan.batch.output import Output
from stepplan.client import AsyncClient
from stepplan.errors import (
    AuthenticationError,
    InvalidRequestError,
    PermissionDeniedError,
    QuotaExceededError,
    StepPlanError,
)
from stepplan.integration.options import REQUEST_OPTIONS
from stepplan.integration.spelling import own_names
from stepplan.models import DEFAULT_MODEL
from stepplan.protocols import PROTOCOLS, ProtocolName, wire_protocol
from stepplan.requests import Request
from stepplan.settings import Settings

StrPath = str | os.PathLike[str]

_CONCURRENCY = whole_number("at least 1", lambda value: value >= 1)

_FATAL = (AuthenticationError, PermissionDeniedError, QuotaExceededError)
"""Errors of the account, which every further line would meet too: the run stops and leaves the rest to a later run."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        total: Lines in the input, blank ones left out.
        skipped: Lines that an earlier run answered.
        answered: Lines answered by this run.
        failed: Lines that ended in an error in this run.
        input_tokens: Tokens of this run's prompts.
        output_tokens: Tokens of this run's answers, reasoning included.
    """

    total: int = 0
    skipped: int = 0
    answered: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def done(self) -> int:
        """Lines that have their output line."""
        return self.skipped + self.answered + self.failed


@dataclass(frozen=True, slots=True)
class Summary(Progress):
    """How a run ended.

    Attributes:
        stopped: The error that stopped it before its end; `None` if every line has its output line.
    """

    stopped: StepPlanError | None = None


async def arun(
    source: StrPath,
    target: StrPath,
    *,
    settings: Settings | None = None,
    protocol: ProtocolName = "openai",
    model: str = DEFAULT_MODEL,
    concurrency: int = 8,
    options: Mapping[str, Any] | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> Summary:
    """Answer every line of the file `source` in the file `target`. If you cancel it, the answers so far are kept.

    Args:
        source: The input: JSON lines, each `{"prompt": ...}` with options beside it, or a line of OpenAI's batch
            format, whose `body` is sent unchanged. Blank lines are skipped.
        target: The output: JSON lines. They are appended, and lines that are there already are not sent again.
        settings: Host, key, timeouts and retries.
        protocol: The protocol of lines that do not name one by their `url`.
        model: The model of lines that do not name one.
        concurrency: How many lines to answer at once.
        options: Options for lines that do not set their own, by their names in `Request`, such as `max_tokens`.
        on_progress: Called after each line.

    Raises:
        InvalidRequestError: There is no key, a setting or an option is wrong, or `target` is the output of another
            input.
        OSError: A file cannot be read or written.
    """
    workers = _CONCURRENCY("concurrency", concurrency)
    given: dict[str, Any] = {"model": model, **own_names(options or {}, REQUEST_OPTIONS, {})}
    defaults = Request(messages=(), **given)
    settings = settings or Settings()
    _check(settings, protocol)
    clients: dict[ProtocolName, AsyncClient] = {name: AsyncClient(settings, protocol=name) for name in PROTOCOLS}
    with _open(source) as lines, Output(Path(target)) as output:
        return await _Run(output, clients, defaults, protocol, on_progress).over(lines, workers)


def _check(settings: Settings, protocol: ProtocolName) -> None:
    """Raise here what each line would meet: an error line counts as done, and a later run would leave it out."""
    wire_protocol(protocol)
    settings.secret_key()
    transport.check(settings)


def _open(source: StrPath) -> BinaryIO:
    return Path(source).open("rb")


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers. Editors may begin a file with a byte order mark."""
    file.seek(0)
    for number, line in enumerate(file):
        if number == 0 and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise InvalidRequestError(f"{file.name} is in UTF-16: save it in UTF-8.")
        if text := line.removeprefix(codecs.BOM_UTF8).strip():
            yield number, text


def run(
    source: StrPath,
    target: StrPath,
    *,
    settings: Settings | None = None,
    protocol: ProtocolName = "openai",
    model: str = DEFAULT_MODEL,
    concurrency: int = 8,
    options: Mapping[str, Any] | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> Summary:
    """`arun`, for programs without an event loop."""
    return asyncio.run(
        arun(
            source,
            target,
            settings=settings,
            protocol=protocol,
            model=model,
            concurrency=concurrency,
            options=options,
            on_progress=on_progress,
        )
    )


class _Run:
    def __init__(
        self,
        output: Output,
        clients: Mapping[ProtocolName, AsyncClient],
        defaults: Request,
        protocol: ProtocolName,
        on_progress: Callable[[Progress], object] | None,
    ) -> None:
        self._output = output
        self._clients = clients
        self._defaults = defaults
        self._protocol: ProtocolName = protocol
        self._on_progress = on_progress
        self._progress = Progress()
        self._stopped: StepPlanError | None = None

    async def over(self, lines: BinaryIO, concurrency: int) -> Summary:
        self._progress = Progress(total=sum(1 for _ in _lines(lines)))
        jobs = self._jobs(_lines(lines))
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(concurrency):
                    workers.create_task(self._work(jobs))
        except* Exception as group:  # noqa: BLE001 - the caller is to see the error itself
            raise group.exceptions[0] from None
        return Summary(**{name: getattr(self._progress, name) for name in Progress.__slots__}, stopped=self._stopped)

    def _jobs(self, lines: Iterator[tuple[int, bytes]]) -> Iterator[Job]:
        """The jobs that are left. One generator feeds all workers, so that no more than theirs are in memory."""
        for number, line in lines:
            job = read_job(number, line)
            if self._output.has(job):
                self._report(skipped=1)
            else:
                yield job

    async def _work(self, jobs: Iterator[Job]) -> None:
        for job in jobs:
            if self._stopped is not None:
                return
            try:
                protocol, request = to_request(job, self._defaults, self._protocol)
                response = await self._clients[protocol].send(request)
            except _FATAL as error:
                self._stopped = error
                return
            except StepPlanError as error:
                self._output.append(job, error_line(job, error))
                self._report(failed=1)
            else:
                self._output.append(job, answer_line(job, response))
                usage = response.usage
                self._report(
                    answered=1,
                    input_tokens=usage.input_tokens if usage else 0,
                    output_tokens=usage.output_tokens if usage else 0,
                )

    def _report(self, **more: int) -> None:
        added = {name: getattr(self._progress, name) + count for name, count in more.items()}
        self._progress = replace(self._progress, **added)
        if self._on_progress is not None and "skipped" not in more:
            self._on_progress(self._progress)
