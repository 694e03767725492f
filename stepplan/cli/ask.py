"""`stepplan ask`: one prompt, one streamed answer."""

import base64
import mimetypes
import sys
import time
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from stepplan.cli import options
from stepplan.cli.console import err, friendly_errors, summary, write, write_json, write_reasoning
from stepplan.client import Client
from stepplan.errors import InvalidRequestError, StepPlanError
from stepplan.events import MessageEnd, MessageStart, ReasoningDelta, TextDelta
from stepplan.integration.raw import to_chat_completion
from stepplan.media import checked_url, is_url
from stepplan.messages import Image, Message, Video
from stepplan.models import DEFAULT_MODEL
from stepplan.prices import PRICES_AS_OF
from stepplan.requests import Request
from stepplan.responses import Response

M = TypeVar("M", Image, Video)


def ask(
    prompt: Annotated[
        str | None, typer.Argument(metavar="PROMPT", help="The question. Text that you pipe in is added below it.")
    ] = None,
    *,
    model: options.Model = DEFAULT_MODEL,
    effort: options.Effort = None,
    protocol: options.Protocol = "openai",
    system: options.System = None,
    image: Annotated[
        list[str] | None,
        typer.Option("--image", "-i", metavar="FILE|URL", help="Add an image. Can be given several times."),
    ] = None,
    video: Annotated[
        list[str] | None, typer.Option("--video", metavar="FILE|URL", help="Add a video. Can be given several times.")
    ] = None,
    max_tokens: options.MaxTokens = None,
    reasoning: Annotated[bool, typer.Option(help="Show the reasoning, dimmed.")] = True,
    region: options.RegionName = None,
    base_url: options.BaseURL = None,
    as_json: options.JSON = False,
) -> None:
    """Ask one question and print the answer as it streams.

    Only the answer goes to stdout. Reasoning, token counts and the estimated cost go to stderr.

    Example: `git diff | stepplan ask "Review this change."`
    """
    with friendly_errors():
        request = Request(
            messages=_messages(prompt, system, image or [], video or []),
            model=model,
            reasoning_effort=effort,
            max_tokens=max_tokens,
        )
        client = Client(options.settings(region, base_url), protocol=options.protocol_name(protocol))
        if as_json:
            write_json(_body(client.send(request)))
            return
        started = time.monotonic()
        response = stream(client, request, reasoning=reasoning)
        err.print()
        err.print(summary(response, time.monotonic() - started), style="dim", markup=False)


def stream(client: Client, request: Request, *, reasoning: bool) -> Response:
    """Print the answer to a request while it streams, and return it."""
    response = Response()
    last: type = MessageStart
    try:
        for event in client.stream(request):
            match event:
                case ReasoningDelta(text=text) if reasoning:
                    write_reasoning(text)
                case TextDelta(text=text):
                    if last is ReasoningDelta and reasoning:
                        err.print("\n")
                    write(text)
                case MessageEnd(response):
                    pass
                case _:
                    pass
            last = type(event)
    except (StepPlanError, KeyboardInterrupt):  # what is printed next begins a line
        if last is TextDelta:
            write("\n")
        elif last is ReasoningDelta and reasoning:
            err.print()
        raise
    write("\n")
    return response


def _body(response: Response) -> dict[str, Any]:
    """The answer as a Chat Completions body, and what it costs: `null` if the model's price is not known."""
    cost = response.usage and response.usage.cost(response.model or "")
    estimate = cost and {"usd": round(cost.usd, 8), "credits": cost.credits, "prices_as_of": PRICES_AS_OF}
    return {**to_chat_completion(response), "estimated_cost": estimate}


def _messages(prompt: str | None, system: str | None, images: list[str], videos: list[str]) -> tuple[Message, ...]:
    text = "\n\n".join(part for part in (prompt, _piped()) if part)
    if not text:
        raise InvalidRequestError("There is no prompt: give it as an argument, or pipe it in.")
    media: list[Image | Video] = [_media(Image, source) for source in images]
    media += [_media(Video, source) for source in videos]
    question = Message.user(*media, text)
    return (Message.system(system), question) if system else (question,)


def _piped() -> str:
    """What is piped in."""
    if sys.stdin is None or sys.stdin.isatty():
        return ""
    if reconfigure := getattr(sys.stdin, "reconfigure", None):
        reconfigure(errors="strict")
    try:
        return sys.stdin.read().strip()
    except UnicodeDecodeError as error:
        raise InvalidRequestError(
            f"What is piped in is not text ({error.reason}). To send an image or a video, use --image or --video."
        ) from None


def _media(kind: type[M], source: str) -> M:
    """An image or a video, from a URL or a file."""
    name = kind.__name__.lower()
    if is_url(source):
        return kind(checked_url(source, name))
    media_type = mimetypes.guess_type(source)[0] or ""
    if not media_type.startswith(name):
        raise InvalidRequestError(
            f"{source} is not a file of type {name}: it looks like {media_type or 'no known type'}."
        )
    if not (data := Path(source).read_bytes()):
        raise InvalidRequestError(f"{source} is empty.")
    return kind(f"data:{media_type};base64,{base64.b64encode(data).decode()}")
