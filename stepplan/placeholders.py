"""Text in place of content that no protocol takes, so that what a tool returned never ends a run."""

from stepplan.media import is_data_url
from stepplan.messages import Text


def placeholder(
    kind: str,
    *,
    title: str | None = None,
    media_type: str | None = None,
    size: int | None = None,
    uri: str | None = None,
) -> Text:
    """Text that describes content the model does not get.

    Args:
        kind: What it is, such as "document" or "resource link".
        title: Its title or file name.
        media_type: Such as "application/pdf".
        size: In bytes.
        uri: Where it is; of a `data:` URL nothing is shown.
    """
    uri = None if uri is None or is_data_url(uri) else uri
    facts = [title, media_type, None if size is None else f"{size:,} bytes", uri]
    return Text(f"[{': '.join(filter(None, [kind, ', '.join(filter(None, facts))]))}]")
