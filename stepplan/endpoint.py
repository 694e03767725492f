"""Where requests go: the region, the base URL in any spelling, and `STEP_BASE_URL`, resolved to one URL."""

import contextlib
import functools
import ipaddress
import os
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Literal

import idna
from pydantic_core import Url, ValidationError

from stepplan.arguments import pasted, text
from stepplan.errors import InvalidRequestError

Region = Literal["global", "china"]
"""Which of StepFun's two sites: `global` is api.stepfun.ai, `china` is api.stepfun.com."""

VARIABLE = "STEP_BASE_URL"
DEFAULT_REGION: Region = "global"

_HOSTS: dict[str, str] = {"global": "api.stepfun.ai", "china": "api.stepfun.com"}
_DOMAINS = (".stepfun.ai", ".stepfun.com")
_PLAN = "/step_plan"
_PAY_AS_YOU_GO = "/v1"
_EXAMPLE = f"https://{_HOSTS[DEFAULT_REGION]}{_PLAN}"
_PATHS = ("/chat/completions", "/messages/count_tokens", "/messages", "/models")

# pydantic's parser follows browsers, which also take `https:/host`, `https:\\host` and line breaks anywhere.
_START = re.compile(r"https?://[^/?#]", re.IGNORECASE)
_NEVER_IN_A_URL = re.compile(r"[\s\\]")
_HOST_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A resolved base URL.

    Attributes:
        root: The URL under which `/v1` lies, such as `https://api.stepfun.ai/step_plan`.
        source: The argument or variable that it came from: `base_url`, `region` or `STEP_BASE_URL`; empty for the
            default region.
        warning: What is risky about it, in a sentence.
    """

    root: str
    source: str
    warning: str | None = None

    @property
    def host(self) -> str:
        """The host, with the port if it is not the scheme's own."""
        return self.root.split("/")[2]

    @property
    def region(self) -> Region | None:
        """The region whose host this is; `None` for a host that is not StepFun's."""
        return next((region for region in ("global", "china") if _HOSTS[region] == self.host), None)

    @property
    def is_plan(self) -> bool:
        """Whether requests count against a Step Plan. True of a local server under `/step_plan`, too."""
        return self.root.endswith(_PLAN)

    @property
    def is_pay_as_you_go(self) -> bool:
        """Whether this is StepFun's open platform, which bills the balance."""
        return self.region is not None and not self.is_plan

    @property
    def other_region(self) -> str | None:
        """The setting that reaches the same service in the other region; `None` for a host that is not StepFun's."""
        if self.region is None:
            return None
        other = "global" if self.region == "china" else "china"
        if self.source in {"region", VARIABLE, ""}:
            return f"region='{other}'"  # it wins over the variable
        return f"base_url='https://{_HOSTS[other]}{_PLAN if self.is_plan else _PAY_AS_YOU_GO}'"


def resolve(base_url: str | None, region: str | None) -> Endpoint:
    """The endpoint that `base_url` names, else an explicit `region`, else `STEP_BASE_URL`, else the default region.

    Raises:
        InvalidRequestError: The region is unknown, or the URL cannot be right. The message names the argument or
            variable that the URL came from. It shows nothing that may be a password, and neither does a frame below.
    """
    try:
        if base_url is not None:
            return parse(base_url, "base_url")
        if region is not None:
            return of_region(region)
        if pasted(os.environ.get(VARIABLE, "")):
            return parse(os.environ[VARIABLE], VARIABLE)  # in no variable of this frame
    except InvalidRequestError as error:
        del base_url
        raise error.with_traceback(None) from None
    return Endpoint(_EXAMPLE, source="")


def of_region(region: Any) -> Endpoint:
    """The plan's endpoint in a region.

    Raises:
        InvalidRequestError: There is no such region.
    """
    if text("region", region) not in _HOSTS:
        raise InvalidRequestError(f"region={region!r} is not known: it is 'global' or 'china'.")
    return Endpoint(f"https://{_HOSTS[region]}{_PLAN}", source="region")


@functools.lru_cache(maxsize=256)
def parse(url: str, source: str) -> Endpoint:
    """The endpoint that a URL names, in any spelling, without quotes and white space around it.

    `/v1`, trailing slashes and the path of an endpoint are left out. On StepFun's hosts a bare host means the plan, and
    `/v1` alone the pay-as-you-go platform; but `STEP_BASE_URL` always means the plan there, because StepFun's samples
    for the platform set it.

    Args:
        url: The URL.
        source: The argument or variable that it came from.

    Raises:
        InvalidRequestError: No request could go to this URL. The message names `source`, and shows the URL only as
            rebuilt from its parts: the original may hold a password, or be a key in the wrong argument.
    """
    parts = _split(url, source)
    host = str(parts.host).removesuffix(".")
    default_port = {"http": 80, "https": 443}[parts.scheme]
    origin = f"{parts.scheme}://{host}{'' if parts.port == default_port else f':{parts.port}'}"
    given_path = (parts.path or "").rstrip("/")
    shown = f"{source}={f'{origin}{given_path}'!r}"
    path = given_path
    for suffix in _PATHS:
        path = path.removesuffix(suffix)
    has_version, path = path.endswith("/v1"), path.removesuffix("/v1").rstrip("/")
    if path.endswith("/v1"):
        raise InvalidRequestError(f"{shown} names /v1 twice: leave one out.")
    warning = None
    if parts.scheme == "http" and not _is_loopback(host):
        if f".{host}".endswith(_DOMAINS):
            raise InvalidRequestError(f"{shown} would send the key unencrypted: use https://.")
        warning = f"{shown} is not encrypted: anyone on the way to {host} can read the key. Use https:// if you can."
    if host in _HOSTS.values():
        if path not in {"", _PLAN}:
            raise InvalidRequestError(f"{shown}: StepFun has no such path. The plan's is {_PLAN}.")
        if has_version and not path and source != VARIABLE:
            warning = f"{shown} is the pay-as-you-go platform, which bills the balance; the plan's URL ends in {_PLAN}."
        else:
            path = _PLAN
    return Endpoint(origin + path, source, warning)


def _split(url: str, source: str) -> Url:
    url = pasted(url)
    if "@" in unicodedata.normalize("NFKC", url):
        raise InvalidRequestError(
            f"{source} holds a user name or a password, which the server would see: leave it out and pass the key as "
            "api_key=. In a path, write %40 for @."
        )
    parts = None
    if _START.match(url) is None:
        fault = "it does not begin with https:// and a host"
    elif _NEVER_IN_A_URL.search(url):
        fault = "it holds white space or a backslash"
    elif (parts := _parsed(url)) is None or not _can_exist(str(parts.host).removesuffix(".")) or parts.port == 0:
        fault = "no request can go to such a host and port"
    elif parts.query is not None or parts.fragment is not None:
        fault = "it has a query or a fragment"
    else:
        return parts
    raise InvalidRequestError(f"{source} is not a base URL: {fault}. A base URL looks like {_EXAMPLE}.")


def _parsed(url: str) -> Url | None:
    """The URL's parts, if it has them: an exception would hold the URL as its input."""
    with contextlib.suppress(ValidationError):
        return Url(url)
    return None


def _can_exist(host: str) -> bool:
    if host.startswith("["):
        return True  # an IP address, which the parser has checked
    if not _HOST_NAME.fullmatch(host):
        return False
    if "xn--" in host:
        with contextlib.suppress(idna.IDNAError):
            return bool(idna.decode(host))
        return False
    return True


def _is_loopback(host: str) -> bool:
    """Whether nothing that is sent to `host` leaves this machine."""
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host.strip("[]"))
        return address.is_loopback or address.is_unspecified
    return host == "localhost" or host.endswith(".localhost")
