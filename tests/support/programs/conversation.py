"""An agent whose conversation is kept in SQLite; run as a program, it goes on with one in a process of its own.

python -m tests.support.programs.conversation DATABASE PROTOCOL BASE_URL API_KEY FIRST_TURN LAST_TURN
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from langchain_core.messages import AnyMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.sqlite import SqliteSaver
from pydantic import BaseModel, SecretStr

from langchain_stepplan import ChatStepPlan
from tests.support.agents.langchain import create_agent, messages_of

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
THREAD: Any = {"configurable": {"thread_id": "journey"}}


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


@tool
def get_forecast(city: str) -> str:
    """The weather that a city will have."""
    return f"rain for {city}"


@tool
def get_view(city: str) -> list[dict[str, Any]]:
    """A picture of a city."""
    return [
        {"type": "text", "text": f"This is {city}."},
        {"type": "image", "base64": PIXEL, "mime_type": "image/png"},
    ]


TOOLS = [get_weather, get_forecast, get_view]


class Report(BaseModel):
    """A weather report."""

    city: str
    sunny: bool


def question(turn: int) -> HumanMessage:
    """What is asked in this turn, with a picture every seventh time."""
    picture = [{"type": "image", "base64": PIXEL, "mime_type": "image/png"}] if turn % 7 == 0 else []
    return HumanMessage([{"type": "text", "text": f"How is it in city {turn}?"}, *picture])


def go_on(model: ChatStepPlan, database: Path, turns: range) -> Iterator[tuple[Report, list[AnyMessage]]]:
    """The report of every turn, and the conversation after it."""
    with SqliteSaver.from_conn_string(str(database)) as saver:
        agent = create_agent(model, tools=TOOLS, response_format=Report, checkpointer=saver)
        for turn in turns:
            state = agent.invoke({"messages": [question(turn)]}, THREAD, durability="exit")
            yield state["structured_response"], cast("list[AnyMessage]", messages_of(state))


def _main(database: str, model: ChatStepPlan, first: str, last: str) -> None:
    reports = [report for report, _ in go_on(model, Path(database), range(int(first), int(last) + 1))]
    sys.stdout.write(json.dumps([report.model_dump() for report in reports]))


if __name__ == "__main__":
    _, path, protocol, base_url, api_key, *ends = sys.argv
    chat = ChatStepPlan(protocol=cast("Any", protocol), base_url=base_url, api_key=SecretStr(api_key))
    _main(path, chat, *ends)
