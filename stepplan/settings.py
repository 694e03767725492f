"""How the plan is reached: the key, the address, retries, timeouts, headers, proxy and certificates."""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from pydantic import SecretStr

from stepplan import endpoint
from stepplan.arguments import SECONDS, pasted, text, whole_number, wrong_type
from stepplan.endpoint import Endpoint, Region
from stepplan.errors import InvalidRequestError
from stepplan.headers import checked
from stepplan.retry import RetryPolicy
from stepplan.warn import warn_user

_KEY_VARIABLES = ("STEP_API_KEY", "STEPFUN_API_KEY")
_SCHEME = re.compile(r"^(authorization\s*:\s*)?bearer(\s+|$)", re.IGNORECASE)
_LEGAL_KEY = re.compile(r"[!-~]+")
_CONCURRENCY = whole_number("at least 1", lambda value: 1 <= value < math.inf)
_PLANS_CONCURRENCY = 8
"""What plans take at least: users report 8 to 10 requests of an account at a time."""
_DEFAULT_POLICY = RetryPolicy()


@dataclass(frozen=True, slots=True, init=False)
class Settings:
    """How to reach the plan: key, server, timeouts and retries. Clients with equal settings share connections.

    `None` means the default, for every argument.

    Args:
        api_key: The API key. A `Bearer ` prefix, quotes and white space around it are removed. Default: the environment
            variable `STEP_API_KEY`, or else `STEPFUN_API_KEY`, read when a request needs it.
        region: `global` (api.stepfun.ai) or `china` (api.stepfun.com). A key works in one region only. Default:
            `global`, unless the environment variable `STEP_BASE_URL` is set.
        base_url: The server's URL, instead of the region's. It may end with `/v1`, a slash or an endpoint's path, and
            quotes and white space around it are removed. On StepFun's hosts, `/v1` alone is the pay-as-you-go platform.
            `base_url` wins over `region`, and `region` over `STEP_BASE_URL`.
        max_retries: Retries after the first attempt; 0 turns retrying off. Default: 2.
        retry: When failed requests are sent again, and after how long. `max_retries` wins over the number in it.
            Default: `RetryPolicy()`.
        connect_timeout: Seconds to connect. Default: 10.
        timeout: Seconds for a whole (not streamed) answer. No wait before a retry is longer. Default: 600.
        stream_timeout: Seconds that may pass in a stream without an event. Pings do not count. Default: 120, or a
            lesser `timeout`.
        max_concurrency: How many requests of the account may run at a time in this process. Further ones wait in line.
            Default: 8 if the base URL's path is `/step_plan`, else no limit.
        headers: Headers to send with every request. They replace default headers of the same name. Default: none.
        proxy: A proxy's URL. Default: the environment's `HTTPS_PROXY` and the like.
        verify: Whether to check TLS certificates. A path names a file with the accepted authorities. Default: True.
        warn_again: False leaves out a warning about `base_url` that this process has already issued. For settings that
            are made anew at every call.

    Raises:
        InvalidRequestError: A value cannot be right. The message shows no key, password or header's value, and neither
            does a variable of the traceback's frames here.
    """

    api_key: SecretStr | None
    region: Region | None
    base_url: str | None
    retry: RetryPolicy
    connect_timeout: float
    timeout: float
    stream_timeout: float
    max_concurrency: int | None
    headers: Mapping[str, str] = field(repr=False)
    proxy: str | None = field(repr=False)
    verify: bool | str

    def __init__(
        self,
        *,
        api_key: SecretStr | str | None = None,
        region: Region | None = None,
        base_url: str | None = None,
        max_retries: int | None = None,
        retry: RetryPolicy | None = None,
        connect_timeout: float | None = None,
        timeout: float | None = None,
        stream_timeout: float | None = None,
        max_concurrency: int | None = None,
        headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
        verify: bool | str | os.PathLike[str] | None = None,
        warn_again: bool = True,
    ) -> None:
        put = object.__setattr__
        try:
            put(self, "api_key", _api_key(api_key))
            put(self, "region", None if region is None else endpoint.of_region(region).region)
            put(self, "base_url", None if base_url is None else text("base_url", base_url))
            put(self, "retry", _policy(retry, max_retries))
            put(
                self,
                "connect_timeout",
                SECONDS("connect_timeout", 10.0 if connect_timeout is None else connect_timeout),
            )
            put(self, "timeout", SECONDS("timeout", 600.0 if timeout is None else timeout))
            silence = min(120.0, self.timeout) if stream_timeout is None else stream_timeout
            put(self, "stream_timeout", SECONDS("stream_timeout", silence))
            put(
                self,
                "max_concurrency",
                None if max_concurrency is None else _CONCURRENCY("max_concurrency", max_concurrency),
            )
            put(self, "headers", checked("headers", {} if headers is None else headers))
            put(self, "proxy", None if proxy is None else text("proxy", proxy))
            put(self, "verify", _verify(verify))
            warning = None if base_url is None else endpoint.parse(base_url, "base_url").warning
        except InvalidRequestError as error:
            # Tools that report errors show the variables of every frame.
            del self, api_key, base_url, headers, proxy
            raise error.with_traceback(None) from None
        if warning is not None:
            warn_user(warning, repeat=warn_again)

    if TYPE_CHECKING:
        max_retries: int  # To checkers it is a field, so that they know `replace(settings, max_retries=0)`.
    else:

        @property
        def max_retries(self) -> int:
            """Retries after the first attempt: the number in `retry`."""
            return self.retry.max_retries

    @property
    def endpoint(self) -> Endpoint:
        """Where requests go now: `STEP_BASE_URL` is read at every look.

        Raises:
            InvalidRequestError: `STEP_BASE_URL` is not a URL that a request could go to.
        """
        found = endpoint.resolve(self.base_url, self.region)
        if found.warning is not None:
            warn_user(found.warning, repeat=False)
        return found

    @property
    def root(self) -> str:
        """The URL under which `/v1` lies, such as `https://api.stepfun.ai/step_plan`."""
        return self.endpoint.root

    @property
    def host(self) -> str:
        """The host that `root` names."""
        return self.endpoint.host

    @property
    def concurrency(self) -> float:
        """How many requests of the account may run at a time; infinity if there is no limit."""
        if self.max_concurrency is not None:
            return self.max_concurrency
        return _PLANS_CONCURRENCY if urlsplit(self.root).path == "/step_plan" else math.inf

    @property
    def key_source(self) -> str:
        """What the key is read from: `api_key`, or the name of a variable; the first variable if none is set."""
        if self.api_key is not None:
            return "api_key"
        return next((name for name in _KEY_VARIABLES if pasted(os.environ.get(name, ""))), _KEY_VARIABLES[0])

    def key(self) -> str:
        """The key, in clear.

        Raises:
            InvalidRequestError: There is none, or no header can hold it.
        """
        return self.secret_key().get_secret_value()

    def secret_key(self) -> SecretStr:
        """The key, hidden from whatever shows variables.

        Raises:
            InvalidRequestError: There is none, or no header can hold it.
        """
        if self.api_key is not None:
            return self.api_key
        source = self.key_source
        if source in os.environ:
            return _checked_key(_clean_key(os.environ[source]), source)
        raise InvalidRequestError(
            f"No API key: set the environment variable {source} or pass api_key=. "
            f"Create a key on platform.{'stepfun.com' if self.endpoint.region == 'china' else 'stepfun.ai'}. To try "
            "without a key, run `python -m stepplan.sandbox`, a local server, and set the variables that it prints."
        )


def _api_key(key: Any) -> SecretStr | None:
    if key is None:
        return None
    if not isinstance(key, SecretStr | str):
        raise wrong_type("api_key", key, "a string or a SecretStr")
    return _checked_key(_clean_key(key if isinstance(key, str) else key.get_secret_value()), "api_key")


def _clean_key(text: str) -> SecretStr:
    """The key in what people paste, such as `"sk-x"` or `Bearer sk-x`."""
    return SecretStr(pasted(_SCHEME.sub("", pasted(text), count=1)))


def _checked_key(key: SecretStr, source: str) -> SecretStr:
    if fault := _fault(key.get_secret_value()):
        raise InvalidRequestError(f"The key in {source} {fault}: copy it again.")
    return key


def _fault(key: str) -> str | None:
    if not key:
        return "is empty"
    if not key.isascii():
        return "is not ASCII text"
    return None if _LEGAL_KEY.fullmatch(key) else "holds white space or control characters"


def _policy(retry: Any, max_retries: Any) -> RetryPolicy:
    policy: Any = _DEFAULT_POLICY if retry is None else retry
    if not isinstance(policy, RetryPolicy):
        raise wrong_type("retry", retry, "a RetryPolicy (for a number of retries, use max_retries)")
    if max_retries is None or (max_retries == policy.max_retries and type(max_retries) is int):
        return policy
    return replace(policy, max_retries=max_retries)


def _verify(verify: Any) -> bool | str:
    if verify is None:
        return True
    if not isinstance(verify, bool | str | os.PathLike):
        raise wrong_type("verify", verify, "True, False or the path of a file")
    return verify if isinstance(verify, bool) else os.fspath(cast("str | os.PathLike[str]", verify))
