"""The output file of a batch: which lines are done, and the next line appended whole."""

import contextlib
import os
import sys
from array import array
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from stepplan.batch.lines import BEGINNING, Job
from stepplan.errors import InvalidRequestError
from stepplan.jsontext import read_object

if sys.platform != "win32":
    import fcntl

_NONE = 0


class Output:
    """An output file, opened to go on where an earlier run ended.

    Memory is eight bytes for each line that is done, so that a million lines fit in 8 MB. A digest of zero means that
    the line is not done.

    Args:
        path: The file; it is made if it does not exist.

    Raises:
        InvalidRequestError: The file holds something else than the output of a batch, or another run is writing it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digests: array[int] = array("Q")
        self.done = 0
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        self._file = self._path.open("a+b")
        try:
            self._lock(self._file)
            self._read(self._file)
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def _lock(self, file: BinaryIO) -> None:
        """Keep other runs from writing the file until it is closed: they would ask the same prompts."""
        if sys.platform == "win32":
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InvalidRequestError(
                f"Another run is writing {self._path}: wait for its end, or choose another output file."
            ) from None
        except OSError:  # a file system without locks
            pass

    def _read(self, file: BinaryIO) -> None:
        file.seek(0)
        for number, line in enumerate(file):
            if line.endswith(b"\n"):
                if line.strip():
                    self._note(number, line)
            else:
                self._mend_last_line(file, number, line)

    def _mend_last_line(self, file: BinaryIO, number: int, line: bytes) -> None:
        """Cut off a last line without its line break: a run was killed while it wrote it."""
        if line.startswith(BEGINNING[: len(line)]) and not _is_whole(line):
            file.truncate(file.seek(0, os.SEEK_END) - len(line))
        else:  # this may be another file, of which nothing must be lost
            self._note(number, line)
            file.write(b"\n")

    def _note(self, number: int, line: bytes) -> None:
        try:
            entry = read_object(line)
            index, digest = int(entry["line"]) - 1, int(entry["digest"], 16)
            if index < 0 or not 0 <= digest < 2**64:
                raise ValueError("a number is out of range")
        except (ValueError, LookupError, TypeError, OverflowError) as cause:
            raise InvalidRequestError(
                f"{self._path}, line {number + 1}, is not the output of a batch: choose another output file."
            ) from cause
        self._mark(index, digest)

    def _mark(self, index: int, digest: int) -> None:
        if index >= len(self._digests):
            self._digests.extend([_NONE] * (index + 1 - len(self._digests)))
        self.done += self._digests[index] == _NONE
        self._digests[index] = digest or 1

    def has(self, job: Job) -> bool:
        """Whether the job has its output line.

        Raises:
            InvalidRequestError: The output line belongs to another input.
        """
        known = self._digests[job.number] if job.number < len(self._digests) else _NONE
        if known == _NONE:
            return False
        if known != (int(job.digest, 16) or 1):
            raise InvalidRequestError(
                f"Line {job.number + 1} of the input is not the one that {self._path} answers: choose another output "
                "file, or restore the input."
            )
        return True

    def append(self, job: Job, line: bytes) -> None:
        """Write the job's output line, and flush it, so that a killed process loses nothing that was written."""
        if self._file is None:
            raise ValueError("The output is not open.")
        self._file.write(line)
        self._file.flush()
        self._mark(job.number, int(job.digest, 16))


def _is_whole(line: bytes) -> bool:
    with contextlib.suppress(ValueError):
        read_object(line)
        return True
    return False
