"""URLs of images and videos: what the service can load, and `data:` URLs."""

import base64
import binascii
import re

from stepplan.errors import InvalidRequestError
from stepplan.messages import REMOTE_URLS


def checked_url(url: str, kind: str) -> str:
    """The URL, without white space around it, its scheme in lower case.

    Args:
        url: The URL of an image or a video.
        kind: `image` or `video`.

    Raises:
        InvalidRequestError: The service cannot load it, or it is a `data:` URL of something else or of broken data.
    """
    scheme, colon, rest = url.strip().partition(":")
    url = scheme.lower() + colon + rest
    if url.startswith(REMOTE_URLS):
        return url
    head, _, data = url.partition(",")
    media_type, *parameters = head.removeprefix("data:").split(";")
    if not head.startswith("data:") or not is_media_type(media_type, kind):
        raise InvalidRequestError(
            f"The URL must begin with {', '.join(REMOTE_URLS)} or data:{kind}/, but it is {url!r:.60}."
        )
    if "base64" in parameters and (not data or not is_base64(data)):
        raise InvalidRequestError("The data of the data: URL is not base64.")
    return url


def is_media_type(text: object, kind: str) -> bool:
    """Whether this is a media type of this kind, such as `image/png`."""
    return isinstance(text, str) and re.fullmatch(rf"{kind}/[\w.+-]+", text) is not None


def is_base64(data: str | bytes) -> bool:
    """Whether this is base64, without line breaks."""
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
