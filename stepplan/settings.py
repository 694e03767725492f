"""Where requests go, with which key, and how patiently: region, base URL, key, timeouts."""

import functools
import math
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from stepplan import arguments
from stepplan.arguments import SECONDS, text, whole_number
from stepplan.errors import InvalidRequestError, StepPlanWarning
from stepplan.retry import RetryPolicy

Region = Literal["global", "china"]

_HOSTS: dict[str, str] = {"global": "api.stepfun.ai", "china": "api.stepfun.com"}
_PLAN = "/step_plan"
_ENDPOINTS = ("/chat/completions", "/messages/count_tokens", "/messages", "/models")
_BASE_URL_VARIABLE = "STEP_BASE_URL"
_KEY_VARIABLES = ("STEP_API_KEY", "STEPFUN_API_KEY")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to reach the plan. A value: equal settings share connections.

    Attributes:
        api_key: The key, kept as a `SecretStr`; unset, it is read from `STEP_API_KEY`, then `STEPFUN_API_KEY`, when
            first needed.
        region: `global` (api.stepfun.ai) or `china` (api.stepfun.com). Keys work in one region only.
        base_url: Instead of the region's: with or without `/v1`, a trailing slash or the endpoint's path. Unset, it is
            read from `STEP_BASE_URL`; that is how a program is pointed at a sandbox without a change.
        max_retries: Further tries after the first one failed; 0 turns retrying off.
        connect_timeout: Seconds to connect.
        timeout: Seconds for a whole (not streamed) answer.
        stream_timeout: Seconds a stream may go on without an event; pings do not count.
        headers: Sent with every request; they win over ours. They may hold secrets, so `repr` leaves them out.
        proxy: A proxy's URL; unset, the environment's variables are followed. Left out by `repr`, too.
        verify: False leaves TLS certificates unchecked; a path names a file of accepted authorities.

    Raises:
        InvalidRequestError: The key is empty or not ASCII, the base URL cannot be right, or a value is of the wrong
            type or out of range.
    """

    api_key: SecretStr | str | None = None
    region: Region = "global"
    base_url: str | None = None
    max_retries: int = 2
    connect_timeout: float = 10.0
    timeout: float = 600.0
    stream_timeout: float = 120.0
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    proxy: str | None = field(default=None, repr=False)
    verify: bool | str = True

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            value = getattr(self, name)
            if value is not _DEFAULTS[name]:
                object.__setattr__(self, name, check(name, value))
        if isinstance(self.api_key, str):
            object.__setattr__(self, "api_key", SecretStr(self.api_key))
        if isinstance(self.api_key, SecretStr):
            _checked(self.api_key.get_secret_value(), "api_key")
        _root(self.region, self.base_url)

    @property
    def root(self) -> str:
        """The one URL under which `/v1` lies, such as `https://api.stepfun.ai/step_plan`."""
        return _root(self.region, self.base_url or os.environ.get(_BASE_URL_VARIABLE) or None)

    @property
    def host(self) -> str:
        """The host that `root` names."""
        return urlsplit(self.root).netloc

    @property
    def other_region(self) -> str | None:
        """The setting that asks for the region which this is not; `None` for a host that is not StepFun's."""
        if self.base_url is None:
            return "region='global'" if self.region == "china" else "region='china'"
        others = [host for host in _HOSTS.values() if host != self.host]
        return f"base_url='https://{others[0]}{_PLAN}'" if len(others) < len(_HOSTS) else None

    @property
    def retry_policy(self) -> RetryPolicy:
        """When failed requests are sent again."""
        return RetryPolicy(max_retries=self.max_retries)

    @property
    def key_source(self) -> str:
        """What the key is read from: `api_key`, or the name of a variable; the first variable if none is set."""
        if self.api_key is not None:
            return "api_key"
        return next((name for name in _KEY_VARIABLES if os.environ.get(name, "").strip()), _KEY_VARIABLES[0])

    def key(self) -> str:
        """The key, in clear.

        Raises:
            InvalidRequestError: There is none, or it is not ASCII.
        """
        source = self.key_source
        if isinstance(self.api_key, SecretStr):
            return _checked(self.api_key.get_secret_value(), source)
        if source not in os.environ:
            raise InvalidRequestError(
                f"No API key: set the environment variable {_KEY_VARIABLES[0]} or pass api_key=. "
                f"Keys are made on {'platform.stepfun.com' if self.region == 'china' else 'platform.stepfun.ai'}."
            )
        return _checked(os.environ[source], source)


def _key(name: str, value: object) -> object:
    if not isinstance(value, str | SecretStr):
        raise arguments.wrong_type(name, value, "a string or a SecretStr")
    return value


def _verify(name: str, value: object) -> object:
    if not isinstance(value, bool | str):
        raise arguments.wrong_type(name, value, "True, False or the path of a file")
    return value


_CHECKS: Mapping[str, arguments.Check] = {
    "api_key": _key,
    "region": text,
    "base_url": text,
    "max_retries": whole_number("at least 0", lambda value: 0 <= value < math.inf),
    "connect_timeout": SECONDS,
    "timeout": SECONDS,
    "stream_timeout": SECONDS,
    "headers": arguments.headers,
    "proxy": text,
    "verify": _verify,
}
_DEFAULTS = {option.name: option.default for option in fields(Settings)}


def _checked(key: str, source: str) -> str:
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable():
        raise InvalidRequestError(f"The key in {source} is {'not ASCII text' if key else 'empty'}: copy it anew.")
    return key


@functools.lru_cache(maxsize=256)
def _root(region: str, base_url: str | None) -> str:
    if region not in _HOSTS:
        raise InvalidRequestError(f"region={region!r} is not known: it is 'global' or 'china'.")
    if base_url is None:
        return f"https://{_HOSTS[region]}{_PLAN}"
    parts = _split(region, base_url)
    path = parts.path.rstrip("/")
    for endpoint in _ENDPOINTS:
        path = path.removesuffix(endpoint)
    explicit, path = path.endswith("/v1"), path.removesuffix("/v1").rstrip("/")
    if path.endswith("/v1"):
        raise InvalidRequestError(f"base_url={base_url!r} names /v1 twice.")
    if parts.hostname in _HOSTS.values():
        path = _stepfun_path(base_url, path, explicit=explicit)
    return f"{parts.scheme}://{parts.netloc.lower()}{path}"


def _split(region: str, base_url: str) -> SplitResult:
    try:
        parts = urlsplit(base_url.strip())
        _ = parts.port  # reading it is what checks it
    except ValueError:
        parts = urlsplit("")
    if parts.username is not None:
        raise InvalidRequestError("base_url holds a user name or a password, which the server would get for a key.")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise InvalidRequestError(
            f"base_url={base_url!r} is not a base URL: it looks like https://{_HOSTS[region]}{_PLAN}."
        )
    return parts


def _stepfun_path(base_url: str, path: str, *, explicit: bool) -> str:
    if path == _PLAN:
        return path
    if path:
        raise InvalidRequestError(f"base_url={base_url!r} has no such path: the plan's is {_PLAN}.")
    if not explicit:
        return _PLAN
    warnings.warn(
        f"base_url={base_url!r} is the pay-as-you-go platform, which bills the balance; the plan's ends in {_PLAN}.",
        StepPlanWarning,
        stacklevel=5,
    )
    return ""
