"""The checks behind `stepplan doctor`: each is one finding, and stops those that need what it found missing."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import httpx

from stepplan import transport
from stepplan.client import Client
from stepplan.errors import APIConnectionError, APITimeoutError, AuthenticationError, StepPlanError
from stepplan.events import MessageEnd, MessageStart
from stepplan.messages import Message
from stepplan.pools import PROXY_VARIABLES
from stepplan.protocols import PROTOCOLS, ProtocolName
from stepplan.requests import Request
from stepplan.settings import Settings

Status = Literal["ok", "warning", "failed", "skipped"]

_PLAN = "/step_plan"
_CLOCK_TOLERANCE = 300.0
"""Seconds. Certificates and signatures begin to fail when a clock is wrong by more than minutes."""

_BUDGET = 256
"""Tokens for the small calls: enough for short reasoning and a word."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        name: What was checked.
        status: Whether it works.
        detail: What was found.
        fix: What to do about it; empty if nothing is to be done.
    """

    name: str
    status: Status
    detail: str
    fix: str = ""


def diagnose(make_settings: Callable[[], Settings], model: str) -> Iterator[Finding]:
    """The findings, as they are made. A check that the ones before it make pointless is left out."""
    try:
        settings = make_settings()
        settings.endpoint  # noqa: B018 - decided when it is first asked for
    except StepPlanError as error:
        yield Finding("address", "failed", "no usable address", str(error))
        return
    settings = replace(settings, max_retries=0, connect_timeout=10.0, timeout=60.0, stream_timeout=60.0)
    key, proxy = _check_key(settings), _check_proxy(settings)
    yield key
    yield _check_address(settings)
    if proxy is not None:
        yield proxy
    if key.status == "failed" or (proxy is not None and proxy.status == "failed"):
        return
    with _Watched(settings) as watched:
        listed = _check_models(watched, model)
        yield listed
        yield from watched.clock()
        if listed.status == "failed":
            return
        for protocol in PROTOCOLS:
            yield _check_call(watched, protocol, model)
    yield Finding("credits", "skipped", "how many are left is not in the API: see StepFun's console")


class _Watched:
    """Calls with the settings, noting how far the server's clock is from this machine's."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._drift: float | None = None
        verify: Any = settings.verify
        self._http = httpx.Client(proxy=settings.proxy, verify=verify, event_hooks={"response": [self._note]})

    def __enter__(self) -> "_Watched":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def client(self, protocol: ProtocolName = "openai", **changed: Any) -> Client:
        return Client(replace(self.settings, **changed), protocol=protocol, http_client=self._http)

    def _note(self, response: httpx.Response) -> None:
        try:
            self._drift = time.time() - parsedate_to_datetime(response.headers.get("date", "")).timestamp()
        except (ValueError, TypeError):
            return

    def clock(self) -> Iterator[Finding]:
        """The clock's finding, if the server sent a date."""
        if self._drift is None:
            return
        if abs(self._drift) <= _CLOCK_TOLERANCE:
            yield Finding("clock", "ok", "agrees with the server's")
        else:
            ahead = "ahead of" if self._drift > 0 else "behind"
            yield Finding(
                "clock",
                "warning",
                f"{abs(self._drift) / 60:.0f} minutes {ahead} the server's",
                "Set this machine's clock: certificates are checked against it.",
            )


def _check_key(settings: Settings) -> Finding:
    try:
        key = settings.key()
    except StepPlanError as error:
        return Finding("key", "failed", "no usable key", str(error))
    return Finding("key", "ok", f"from {settings.key_source}, {len(key)} characters long")


def _check_address(settings: Settings) -> Finding:
    url = settings.root
    if url.endswith(_PLAN):
        return Finding("address", "ok", f"{url} (Step Plan)")
    if settings.host.startswith("api.stepfun."):
        return Finding(
            "address",
            "warning",
            f"{url} (the pay-as-you-go platform: calls bill the balance)",
            f"To use the plan, unset the base URL or end it with {_PLAN}.",
        )
    return Finding("address", "ok", f"{url} (not StepFun's)")


def _check_proxy(settings: Settings) -> Finding | None:
    """The proxy's finding, if there is one."""
    names = [name for name in PROXY_VARIABLES if os.environ.get(name)]
    if not settings.proxy and not names:
        return None
    detail = f"set by {'proxy=' if settings.proxy else ', '.join(names)}"
    try:
        transport.check(settings)
    except StepPlanError as error:
        return Finding("proxy", "failed", detail, str(error))
    return Finding("proxy", "ok", detail)


def _check_models(watched: _Watched, model: str) -> Finding:
    try:
        names = [listed.id for listed in watched.client().models()]
    except AuthenticationError as error:
        return Finding("models", "failed", _what(error), _other_region(watched) or _fix(error, watched.settings))
    except StepPlanError as error:
        return Finding("models", "failed", _what(error), _fix(error, watched.settings))
    if model in names:
        return Finding("models", "ok", f"{len(names)} listed, including {model}")
    return Finding(
        "models", "warning", f"{model} is not listed", f"Use one of: {', '.join(names[:10]) or 'none are listed'}."
    )


def _other_region(watched: _Watched) -> str | None:
    """The fix if StepFun's other region accepts the key that this one refuses: their refusals do not tell."""
    endpoint = watched.settings.endpoint
    if endpoint.region is None:
        return None
    other = "china" if endpoint.region == "global" else "global"
    try:
        watched.client(region=other, base_url=None).models()
    except StepPlanError:
        return None
    return f"The other region accepts this key: set {endpoint.other_region} (on the command line: --region {other})."


def _check_call(watched: _Watched, protocol: ProtocolName, model: str) -> Finding:
    request = Request(messages=(Message.user("Answer with the word OK."),), model=model, max_tokens=_BUDGET)
    started, first = time.monotonic(), 0.0
    try:
        for event in watched.client(protocol).stream(request):
            if not first and not isinstance(event, MessageStart | MessageEnd):
                first = time.monotonic() - started
    except StepPlanError as error:
        return Finding(protocol, "failed", _what(error), _fix(error, watched.settings))
    return Finding(
        protocol, "ok", f"streams: first token after {first:.2f} s, done after {time.monotonic() - started:.2f} s"
    )


def _what(error: StepPlanError) -> str:
    if isinstance(error, APITimeoutError):
        return "no answer in time"
    if isinstance(error, APIConnectionError):
        return "no connection"
    return f"refused with status {error.status_code}" if error.status_code else "failed"


def _fix(error: StepPlanError, settings: Settings) -> str:
    """What to do about an error: its own sentence, and what is likely behind a connection that fails."""
    message = str(error)
    if not isinstance(error, APIConnectionError):
        return message
    if "certificate" in message.lower():
        return f"{message} Check this machine's clock, and whether a proxy replaces certificates (verify=)."
    names = [name for name in PROXY_VARIABLES if os.environ.get(name)]
    if settings.proxy or names:
        proxy = ", ".join(names) or "proxy="
        return f"{message} The connection goes through the proxy set by {proxy}: check it, or unset it."
    return f"{message} Check the network, a firewall, and the address ({settings.host})."
