"""The endpoints: each request is recorded, checked, and answered from the script or from the request itself."""

import json
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from stepplan.sandbox import anthropic, models, openai, tokens
from stepplan.sandbox.account import Account, RecordedRequest
from stepplan.sandbox.delivery import Connections, Delivery, Reset
from stepplan.sandbox.derived import derive
from stepplan.sandbox.http_errors import Refusal, json_response, not_found, status_response
from stepplan.sandbox.jsontools import JSON, as_object, dump
from stepplan.sandbox.protocol import PREFIX, Answer, ServerProtocol
from stepplan.sandbox.script import Fault, Turn, Usage
from stepplan.sandbox.validation import check_model


def create_app(account: Account, connections: Connections) -> Starlette:
    """The service as an ASGI application."""

    async def unknown_path(request: Request, _: Exception) -> Response:
        await _record(account, request)
        return not_found()

    async def disconnected(_: Request, error: Exception) -> Response:  # noqa: ARG001 - the interface's
        return Response()  # nobody reads it

    routes = [
        Route(f"{PREFIX}/v1/chat/completions", Endpoint(account, connections, openai), methods=["POST"]),
        Route(f"{PREFIX}/v1/messages", Endpoint(account, connections, anthropic), methods=["POST"]),
        Route(f"{PREFIX}/v1/messages/count_tokens", _count_tokens(account), methods=["POST"]),
        Route(f"{PREFIX}/v1/models", _list_models(account), methods=["GET"]),
    ]
    handlers: dict[Any, Any] = {404: unknown_path, 405: unknown_path, ClientDisconnect: disconnected}
    app = Starlette(routes=routes, exception_handlers=handlers)
    # The service answers 404 to a trailing slash; it does not redirect.
    app.router.redirect_slashes = False
    return app


class Endpoint:
    """The endpoint that answers over one protocol.

    Args:
        account: The account that is asked for.
        connections: The open connections, for faults.
        protocol: The protocol.
    """

    def __init__(self, account: Account, connections: Connections, protocol: ServerProtocol) -> None:
        self._account = account
        self._connections = connections
        self._protocol = protocol

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. It counts as open until the last byte is sent or the client disconnects."""
        request = Request(scope, receive)
        body = await _record(self._account, request, self._protocol)
        with self._account.slot() as current:
            response = self._respond(request, body, current)
            await response(scope, receive, send)

    def _respond(self, request: Request, body: JSON, current: int) -> Response:
        number = self._account.number()
        headers = {"X-Trace-Id": f"{number:032x}"}
        try:
            self._account.admit(request.headers, takes_x_api_key=self._protocol is anthropic)
            self._account.charge(current)
            check_model(body, self._account.terms.models)
            self._protocol.check(body)
        except Refusal as refusal:
            return json_response(refusal.body, refusal.status, headers)
        turn = self._account.next_turn()
        fault = turn.fault or Fault()
        if fault.refusals and fault.reset:
            return Reset(self._connections)
        if fault.refusals and fault.status is not None:
            return status_response(fault.status, fault.body, {**headers, **fault.headers})
        return self._answer(body, turn, headers, number)

    def _answer(self, body: JSON, turn: Turn, headers: dict[str, str], number: int) -> Response:
        conversation = self._protocol.read(body)
        content = derive(conversation) if turn.is_blank else turn
        usage = content.usage or Usage(
            conversation.input_tokens + tokens.found_tokens(content), tokens.output_tokens(content)
        )
        answer = Answer(content, usage, conversation.model, self._account.terms.dialect, number)
        fault = turn.fault or Fault()
        if conversation.stream:
            error = self._protocol.error_frame(fault.error, fault.error_shape)
            frames = self._protocol.frames(answer)
            return Delivery(frames, fault, self._connections, headers, ping=self._protocol.PING, error=error)
        if fault.error_after is not None:
            return status_response(500, {"error": dict(fault.error)}, headers)
        if turn.fault is None:
            return json_response(self._protocol.whole(answer), headers=headers)
        whole = [] if fault.stall_after is not None else [dump(self._protocol.whole(answer)).encode()]
        # Whitespace before a JSON text is ignored, so it can serve as pings.
        return Delivery(whole, fault, self._connections, headers, ping=b" ", media_type="application/json")


def _list_models(account: Account) -> Callable[[Request], Awaitable[Response]]:
    async def list_models(request: Request) -> Response:
        await _record(account, request)
        try:
            account.admit(request.headers)
        except Refusal as refusal:
            return json_response(refusal.body, refusal.status)
        return json_response(models.listing(account.terms.models))

    return list_models


def _count_tokens(account: Account) -> Callable[[Request], Awaitable[Response]]:
    async def count_tokens(request: Request) -> Response:
        body = await _record(account, request, anthropic)
        try:
            account.admit(request.headers, takes_x_api_key=True)
            check_model(body, account.terms.models)
            # `max_tokens` is optional here.
            anthropic.check({"max_tokens": 1, **body})
        except Refusal as refusal:
            return json_response(refusal.body, refusal.status)
        return json_response({"input_tokens": anthropic.read(body).input_tokens})

    return count_tokens


async def _record(account: Account, request: Request, protocol: ServerProtocol | None = None) -> JSON:
    """Record the request, and return its body."""
    try:
        body = as_object(json.loads(await request.body()))
    except ValueError:
        body = {}
    account.record(
        RecordedRequest(
            method=request.method,
            path=request.url.path,
            headers=dict(request.headers),
            body=body,
            protocol=protocol.NAME if protocol else None,
            unlisted=_unlisted(body, protocol.FIELDS) if protocol else (),
        )
    )
    return body


def _unlisted(body: JSON, fields: Collection[str]) -> tuple[str, ...]:
    """The fields of a body that its protocol does not document."""
    inner = [f"output_config.{name}" for name in as_object(body.get("output_config")) if name != "effort"]
    return tuple(sorted([*(name for name in body if name not in fields), *inner]))
