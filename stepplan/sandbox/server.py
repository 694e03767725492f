"""The sandbox: a server for the endpoints of an account."""

from collections.abc import Iterable

from stepplan.sandbox.account import Account, RecordedRequest, Terms
from stepplan.sandbox.app import create_app
from stepplan.sandbox.delivery import Connections
from stepplan.sandbox.dialect import Dialect
from stepplan.sandbox.local_server import LocalServer
from stepplan.sandbox.models import MODELS
from stepplan.sandbox.script import Turn


class Sandbox(LocalServer):
    """A local server that emulates the Step Plan. It needs no key and no network, and has no model.

    It gives the answers of its script. After that, it answers from the request: it calls a tool that the request
    offers, uses the tool's result, fills in a JSON schema, or writes a sentence. It refuses what StepFun's
    documentation says the service refuses.

    ```python
    with Sandbox(script=[Turn(text="Hello.")]) as plan:
        httpx.post(f"{plan.base_url}/v1/messages", headers={"Authorization": f"Bearer {plan.api_key}"}, json=...)
        plan.requests[0].body
    ```

    Args:
        script: The answers to give, in this order.
        dialect: The shapes on the wire.
        api_key: The key that is accepted.
        models: The names of the available models.
        max_concurrency: How many requests may be open at a time, streams until they end or the client closes them.
            Further ones are refused with the plan's 429.
        subscription: Whether the account has a plan. Without one, requests are refused with the plan's 400.
        quota: Whether any of the plan's quota is left. Without, requests are refused with the plan's 402.
        port: The port to listen on; 0 chooses a free one.

    Attributes:
        app: The service as an ASGI application, for use without a server. Faults that cut a connection need one.
        api_key: The key that is accepted.

    Raises:
        ValueError: There is no such port.
        OSError: From `start()` and `with`: the port is in use.
    """

    api_key: str

    def __init__(
        self,
        script: Iterable[Turn] = (),
        *,
        dialect: Dialect = Dialect(),  # noqa: B008 - a frozen value
        api_key: str = "sk-sandbox",
        models: Iterable[str] = MODELS,
        max_concurrency: int = 10,
        subscription: bool = True,
        quota: bool = True,
        port: int = 0,
    ) -> None:
        self.api_key = api_key
        self._account = Account(Terms(api_key, tuple(models), max_concurrency, subscription, quota, dialect))
        self._account.queue(tuple(script))
        connections = Connections()
        super().__init__(create_app(self._account, connections), connections, port)

    def script(self, *turns: Turn) -> None:
        """Append turns to the script."""
        self._account.queue(turns)

    def reset(self) -> None:
        """Forget the script and the requests."""
        self._account.reset()

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests so far, refused ones included."""
        return self._account.requests

    @property
    def pending(self) -> tuple[Turn, ...]:
        """The turns that are left in the script."""
        return self._account.pending

    @property
    def open_requests(self) -> int:
        """How many requests are open. A stream that is neither read nor closed stays open."""
        return self._account.open_requests
