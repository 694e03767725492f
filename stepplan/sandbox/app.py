"""The endpoints: requests checked, recorded, and answered from the script or from themselves."""

import json
from collections.abc import Awaitable, Callable, Collection

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from stepplan.sandbox import anthropic, openai, tokens
from stepplan.sandbox.account import Account, RecordedRequest
from stepplan.sandbox.checks import check_model
from stepplan.sandbox.delivery import Connections, Delivery, Reset
from stepplan.sandbox.errors import Refusal, json_response, not_found, status_response
from stepplan.sandbox.jsontools import JSON, as_object, dump
from stepplan.sandbox.replies import derive
from stepplan.sandbox.script import Fault, Turn, Usage
from stepplan.sandbox.wire import EPOCH, Reply, Wire

PREFIX = "/step_plan"


def create_app(account: Account, connections: Connections) -> Starlette:
    """The service as an ASGI application."""

    async def nowhere(request: Request, _: Exception) -> Response:
        await _record(account, request)
        return not_found()

    routes = [
        Route(f"{PREFIX}/v1/chat/completions", Answers(account, connections, openai), methods=["POST"]),
        Route(f"{PREFIX}/v1/messages", Answers(account, connections, anthropic), methods=["POST"]),
        Route(f"{PREFIX}/v1/messages/count_tokens", _count_tokens(account), methods=["POST"]),
        Route(f"{PREFIX}/v1/models", _models(account), methods=["GET"]),
    ]
    app = Starlette(routes=routes, exception_handlers={404: nowhere, 405: nowhere})
    # A path with a slash too many does not exist either.
    app.router.redirect_slashes = False
    return app


class Answers:
    """The endpoint of one protocol.

    Args:
        account: Who asks.
        connections: The open connections, for faults.
        wire: The protocol.
    """

    def __init__(self, account: Account, connections: Connections, wire: Wire) -> None:
        self._account = account
        self._connections = connections
        self._wire = wire

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; it counts as open until the last byte."""
        request = Request(scope, receive)
        body = await _record(self._account, request, self._wire)
        with self._account.slot() as current:
            response = self._respond(request, body, current)
            await response(scope, receive, send)

    def _respond(self, request: Request, body: JSON, current: int) -> Response:
        number = self._account.number()
        headers = {"X-Trace-Id": f"{number:032x}"}
        try:
            self._account.admit(request.headers, takes_x_api_key=self._wire is anthropic)
            self._account.charge(current)
            check_model(body, self._account.terms.models)
            self._wire.check(body)
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
        conversation = self._wire.read(body)
        said = derive(conversation) if turn.is_blank else turn
        usage = said.usage or Usage(conversation.input_tokens, tokens.output_tokens(said))
        reply = Reply(said, usage, conversation.model, self._account.terms.dialect, number)
        fault = turn.fault or Fault()
        if conversation.stream:
            error = self._wire.error_frame(fault.error, fault.error_shape)
            frames = self._wire.frames(reply)
            return Delivery(frames, fault, self._connections, headers, ping=self._wire.PING, error=error)
        if fault.error_after is not None:
            return status_response(500, {"error": dict(fault.error)}, headers)
        if turn.fault is None:
            return json_response(self._wire.whole(reply), headers=headers)
        whole = [] if fault.stall_after is not None else [dump(self._wire.whole(reply)).encode()]
        # Blanks before a JSON text are no part of it, so they can serve as pings.
        return Delivery(whole, fault, self._connections, headers, ping=b" ", media_type="application/json")


def _models(account: Account) -> Callable[[Request], Awaitable[Response]]:
    async def models(request: Request) -> Response:
        await _record(account, request)
        try:
            account.admit(request.headers)
        except Refusal as refusal:
            return json_response(refusal.body, refusal.status)
        data = [
            {"id": name, "object": "model", "created": EPOCH, "owned_by": "stepai"} for name in account.terms.models
        ]
        return json_response({"object": "list", "data": data})

    return models


def _count_tokens(account: Account) -> Callable[[Request], Awaitable[Response]]:
    async def count_tokens(request: Request) -> Response:
        body = await _record(account, request, anthropic)
        try:
            account.admit(request.headers, takes_x_api_key=True)
            check_model(body, account.terms.models)
            # Counting needs no budget.
            anthropic.check({"max_tokens": 1, **body})
        except Refusal as refusal:
            return json_response(refusal.body, refusal.status)
        return json_response({"input_tokens": anthropic.read(body).input_tokens})

    return count_tokens


async def _record(account: Account, request: Request, wire: Wire | None = None) -> JSON:
    """Keep the request, and give back its body."""
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
            protocol=wire.NAME if wire else None,
            unlisted=_unlisted(body, wire.FIELDS) if wire else (),
        )
    )
    return body


def _unlisted(body: JSON, fields: Collection[str]) -> tuple[str, ...]:
    """The fields of a body that its protocol does not document."""
    inner = [f"output_config.{name}" for name in as_object(body.get("output_config")) if name != "effort"]
    return tuple(sorted([*(name for name in body if name not in fields), *inner]))
