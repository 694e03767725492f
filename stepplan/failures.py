"""Turns what a transport raised into an error of ours, by what happened and not by what the library calls it."""

from collections.abc import Iterator

from stepplan.errors import APIConnectionError, APITimeoutError, StepPlanError

_TRANSPORTS = frozenset({"TransportError", "StreamError", "DecodingError", "ClientError"})
"""The base classes of httpx, httpx2 and aiohttp. By name: the client may be of any of them, or of none."""


def connection_error(error: Exception, host: str) -> StepPlanError:
    """Our error for one of a transport's.

    Raises:
        Exception: The error itself, if it is not a transport's.
    """
    without_frames(error)
    if not (_TRANSPORTS & _names(error) or isinstance(error, TimeoutError)):
        raise error
    links = list(_links(error))
    # httpx-aiohttp reports resets as ConnectTimeout. An expired time limit shows as Python's own TimeoutError, whatever
    # was made of it; only where an error has no cause is its name all there is.
    if any(isinstance(link, TimeoutError) for link in links) or "TimeoutException" in _names(links[-1]):
        setting = "connect_timeout" if "ConnectTimeout" in _names(error) else "timeout, or stream_timeout if streamed"
        failure: StepPlanError = APITimeoutError(f"{host} did not answer in time ({_text(error)}): see {setting}.")
    else:
        misnamed = "TimeoutException" in _names(error)
        failure = APIConnectionError(f"The connection to {host} failed ({_text(links[1] if misnamed else error)}).")
    failure.__cause__ = _presentable(error)
    return failure


def without_frames(error: BaseException) -> BaseException:
    """The error without the frames it came through: some of them hold the request's headers, and one is the key."""
    seen: list[BaseException] = []
    unseen: list[BaseException | None] = [error]
    while unseen:
        link = unseen.pop()
        if link is not None and link not in seen:
            link.__traceback__ = None
            seen.append(link)
            unseen += [link.__cause__, link.__context__]
    return error


def _links(error: BaseException) -> Iterator[BaseException]:
    """The error, its cause, the cause's cause and so on."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__


def _names(error: BaseException) -> frozenset[str]:
    return frozenset(cls.__name__ for cls in type(error).__mro__)


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _presentable(error: BaseException) -> BaseException:
    """The error, or what it says if it holds the request: aiohttp's refer to its headers."""
    return ConnectionError(_text(error)) if hasattr(error, "request_info") else error
