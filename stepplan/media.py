"""URLs of images and videos: which ones can be sent, and what a `data:` URL holds. Schemes are read in either case."""

import base64
import binascii
import re

from stepplan.errors import InvalidRequestError

_REMOTE = ("https://", "http://", "stepfile://")
"""How the URLs begin that StepFun's servers load themselves; `stepfile` names a file uploaded to its Files API."""


def sendable_url(url: str, kind: str) -> str:
    """The URL as it is sent: without white space around it, its scheme in lower case.

    Args:
        url: The URL of an image or a video.
        kind: `image` or `video`.

    Raises:
        InvalidRequestError: The URL is of a scheme that the service cannot load, or a `data:` URL of something else.
    """
    stripped = url.strip()
    remote = "|".join(_REMOTE)
    found = re.match(rf"{remote}|data:(?={kind}/[\w.+-]+(?:[;,]|$))", stripped, re.IGNORECASE)
    if found is None:
        raise InvalidRequestError(
            f"The URL of the {kind} must begin with {', '.join(_REMOTE)} or data:{kind}/, but it is {url!r:.60}."
        )
    scheme = found[0]
    return stripped if scheme.islower() else scheme.lower() + stripped[len(scheme) :]


def checked_url(url: str, kind: str) -> str:
    """As `sendable_url`; the data of a `data:` URL is checked too.

    Raises:
        InvalidRequestError: As `sendable_url`, or the data is not base64.
    """
    sendable = sendable_url(url, kind)
    if (split := split_data_url(sendable)) and not (split[1] and is_base64(split[1])):
        raise InvalidRequestError("The data of the data: URL is not base64.")
    return sendable


def is_url(text: str) -> bool:
    """Whether this is a URL, of any scheme, and not the path of a file."""
    return is_data_url(text) or re.match(r"[a-z][a-z\d+.-]*://", text, re.IGNORECASE) is not None


def is_data_url(url: str) -> bool:
    """Whether this is a `data:` URL."""
    return url[:5].lower() == "data:"


def split_data_url(url: str) -> tuple[str, str] | None:
    """The media type and the base64 text of a `data:` URL; None for any other URL, and for data in another encoding."""
    found = re.match(r"data:([^;,]*)[^,]*;base64(?:,|$)", url, re.IGNORECASE)
    return found and (found[1], url[found.end() :])


def is_media_type(text: object, kind: str) -> bool:
    """Whether this is a media type of this kind, such as `image/png`."""
    return isinstance(text, str) and re.fullmatch(rf"{kind}/[\w.+-]+", text, re.IGNORECASE) is not None


def is_base64(data: str | bytes) -> bool:
    """Whether this is base64, without line breaks."""
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
