"""The recipes of docs/how-to/web-search.md for the plan's MCP server, with a local MCP server in its place.

Run by `make extra WHAT=mcp`, which installs the frameworks' MCP packages.
"""

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from stepplan.sandbox import Sandbox

fastmcp = pytest.importorskip("mcp.server.fastmcp", reason="installed by `make extra WHAT=mcp` alone")
pytest.importorskip("langchain_mcp_adapters", reason="installed by `make extra WHAT=mcp` alone")
pytest.importorskip("llama_index.tools.mcp", reason="installed by `make extra WHAT=mcp` alone")

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "web-search.md").read_text("utf-8")
RECIPES = [example for example in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "mcp" in example]
PATH = "/step_plan/v1/mcp/web_search/mcp"
KEY = "sk-sandbox"


def search_server() -> Any:
    server = fastmcp.FastMCP("web-search", streamable_http_path=PATH, stateless_http=True)

    @server.tool()  # type: ignore[untyped-decorator]
    def web_search(query: str) -> str:
        """Searches the web."""
        return f"a page about {query}"

    return server


class KeyRequired:
    """Refuses requests without the plan's key."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and Request(scope).headers.get("authorization") != f"Bearer {KEY}":
            await PlainTextResponse("Unauthorized", 401)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


@pytest.fixture
def mcp_server() -> Iterator[str]:
    config = uvicorn.Config(KeyRequired(search_server().streamable_http_app()), port=0, log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("recipe", RECIPES, ids=["langchain", "llama_index"])
@pytest.mark.filterwarnings("ignore")  # the frameworks' own
def test_a_recipe_searches_and_answers(
    recipe: str, mcp_server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Sandbox(api_key=KEY) as plan:
        monkeypatch.setenv("STEP_BASE_URL", plan.base_url)
        monkeypatch.setenv("STEP_API_KEY", plan.api_key)
        here = recipe.replace("https://api.stepfun.ai", mcp_server)
        here = here.replace("llama_index.llms.stepplan", "llama_index_stepplan")  # installed by the distribution alone
        exec(compile(here, "web-search.md", "exec"), {"__name__": "page"})
    assert "a page about" in capsys.readouterr().out
    assert len(plan.requests) == 2
