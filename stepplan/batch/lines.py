"""The lines of a batch: an input line becomes a request, an answer or an error becomes an output line."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from stepplan.errors import InvalidRequestError, StepPlanError
from stepplan.integration.raw import to_chat_completion
from stepplan.jsontext import read_object, utf8
from stepplan.messages import Message
from stepplan.protocols import PROTOCOLS, ProtocolName
from stepplan.requests import Request
from stepplan.responses import Response

_OPTIONS = ("max_tokens", "temperature", "top_p", "top_k", "frequency_penalty", "reasoning_effort", "model")
_UNSENT = Message.user("The messages are in the body.")
"""Stands for the messages of a body that is sent as it is; the body's own messages replace it on the wire."""

BEGINNING = b'{"custom_id": '
"""How each output line begins."""


@dataclass(frozen=True, slots=True)
class Job:
    """One line of the input.

    Attributes:
        number: The line's number, from 0; blank lines count.
        digest: A fingerprint of the line, which shows whether an output belongs to an input.
        custom_id: The line's own id, whatever its type, or `line-N` with N from 1.
        text: The line.
    """

    number: int
    digest: str
    custom_id: object
    text: bytes


def read_job(number: int, text: bytes) -> Job:
    """The job in a line. A line that is not a JSON object is a job too: its error becomes its output."""
    try:
        given = read_object(text).get("custom_id")
    except ValueError:
        given = None
    custom_id = f"line-{number + 1}" if given in (None, "") else given
    return Job(number, digest(text), custom_id, text)


def digest(text: bytes) -> str:
    """A fingerprint of a line, 16 hexadecimal digits long."""
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def to_request(job: Job, defaults: Request, protocol: ProtocolName) -> tuple[ProtocolName, Request]:
    """The request that a line asks for, and the protocol to send it over.

    Args:
        job: The line.
        defaults: The model and the options of lines that do not set their own.
        protocol: The protocol of lines that do not name one by their `url`.

    Raises:
        InvalidRequestError: The line is not a JSON object, or has neither a prompt nor a body with messages.
    """
    try:
        line = read_object(job.text)
    except ValueError as cause:
        raise InvalidRequestError(f"The line is not a JSON object: {cause}") from cause
    if isinstance(prompt := line.get("prompt"), str):
        options = {name: line[name] for name in _OPTIONS if line.get(name) is not None}
        unknown = sorted(line.keys() - {"prompt", "custom_id", "system", *_OPTIONS})
        if unknown:
            raise InvalidRequestError(
                f"A line with a prompt has no {', '.join(unknown)}: besides prompt it may have custom_id, system, "
                f"{', '.join(_OPTIONS)}; anything else goes in a body, as in OpenAI's batch files."
            )
        system = [Message.system(str(line["system"]))] if line.get("system") else []
        return protocol, replace(defaults, messages=(*system, Message.user(prompt)), **options)
    body = line.get("body")
    if not isinstance(body, dict) or not cast("dict[str, Any]", body).get("messages"):
        raise InvalidRequestError('The line has neither a "prompt" (text) nor a "body" with "messages".')
    fields = {name: value for name, value in cast("dict[str, Any]", body).items() if name != "stream"}
    model = fields.get("model") or defaults.model
    return _protocol(line, protocol), replace(
        defaults, messages=(_UNSENT,), model=str(model), extra_body={**defaults.extra_body, **fields, "model": model}
    )


def _protocol(line: Mapping[str, Any], default: ProtocolName) -> ProtocolName:
    if (url := line.get("url")) is None:
        return default
    for name, wire in PROTOCOLS.items():
        if str(url).rstrip("/").endswith(wire.PATH):
            return name
    paths = " or ".join(f"/v1{wire.PATH}" for wire in PROTOCOLS.values())
    raise InvalidRequestError(f"url={url!r} is not an endpoint for batches: it is {paths}.")


def answer_line(job: Job, response: Response) -> bytes:
    """The output line of an answer, shaped like a line of OpenAI's batch output."""
    answer = {"status_code": 200, "request_id": response.trace_id, "body": to_chat_completion(response)}
    return _line(job, {"response": answer, "error": None})


def error_line(job: Job, error: StepPlanError) -> bytes:
    """The output line of an error: its class, its message, and what the server sent, if it answered."""
    answer: dict[str, Any] | None = None
    if error.status_code is not None:
        answer = {"status_code": error.status_code, "request_id": error.trace_id, "body": error.body}
    failure = {"code": type(error).__name__, "message": str(error), "is_retryable": error.is_retryable}
    return _line(job, {"response": answer, "error": failure})


def _line(job: Job, fields: Mapping[str, Any]) -> bytes:
    head = {"custom_id": job.custom_id, "line": job.number + 1, "digest": job.digest}
    return utf8(json.dumps({**head, **fields}, ensure_ascii=False, default=str)) + b"\n"
