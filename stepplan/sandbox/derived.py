"""Derives an answer from the request: the same request always gets the same answer, of the form that it asks for."""

import json
import re
from collections.abc import Sequence

from stepplan.sandbox.conversation import Conversation, Tool, ToolResult
from stepplan.sandbox.hints import Hints, mentioned, quoted, significant
from stepplan.sandbox.jsontools import JSON, as_object
from stepplan.sandbox.models import model
from stepplan.sandbox.schema import fill
from stepplan.sandbox.script import ServerToolCall, ToolCall, Turn
from stepplan.sandbox.tokens import fit

# Question answering frameworks wrap the question in a prompt.
_LABELLED = re.compile(r"^\s*(?:query|question|user)\s*:\s*(\S.*)$", re.IGNORECASE | re.MULTILINE)
_LONGEST_QUOTE = 200
_THOUGHTS = {
    "low": ("This is a simple request.",),
    "medium": (
        "Let me look at the request and at what I have for it.",
        "That settles what to do.",
    ),
    "high": (
        "Let me look at the request and at what I have for it.",
        "There may be more than one way to read the request, so I compare them before I choose.",
        "The plain reading is the most likely, and nothing earlier in the conversation contradicts it.",
        "I check it once more against the instructions: nothing is missing, and nothing is superfluous.",
        "That settles what to do.",
    ),
}


def derive(conversation: Conversation) -> Turn:
    """The answer to this request."""
    chosen = _chosen(conversation)
    calls = tuple(_call(tool, conversation) for tool in (chosen if conversation.parallel else chosen[:1]))
    searches = _searches(conversation) if not chosen or _asks_to_search(conversation) else ()
    turn = Turn(
        reasoning=_reasoning(conversation, calls),
        text="" if calls else _answer(conversation, searches),
        tool_calls=calls,
        server_tool_calls=searches,
    )
    return fit(turn, conversation.max_tokens, conversation.stop)


def _chosen(conversation: Conversation) -> Sequence[Tool]:
    """The tools to call now: those that the question names, each once."""
    tools = conversation.tools
    if not tools or conversation.choice == "none":
        return ()
    forced = [tool for tool in tools if tool.name == conversation.choice]
    if forced:
        return forced
    asked = topic(conversation.question)
    answered = {result.name for result in conversation.results}
    if conversation.choice == "required":
        left = [tool for tool in tools if tool.name not in answered]
        return _named(left or tools, asked) or (left or tools)[:1]
    wanted = _named(tools, asked) or (() if answered or conversation.server_tools else tools[:1])
    return [tool for tool in wanted if tool.name not in answered]


def _named(tools: Sequence[Tool], question: str) -> Sequence[Tool]:
    """The tools whose names share words with the question, without those that another fits better."""
    asked = mentioned(question)
    hits = [tool for tool in tools if significant(tool.name) & asked]
    return [tool for tool in hits if not any(_fits_better(rival, tool, asked) for rival in hits)]


def _fits_better(rival: Tool, tool: Tool, asked: frozenset[str]) -> bool:
    """Whether the question names more of the rival's words, or as many of a shorter name."""
    ours, theirs = significant(tool.name), significant(rival.name)
    return ours & asked < theirs & asked or (ours & asked == theirs & asked and len(theirs) < len(ours))


def _asks_to_search(conversation: Conversation) -> bool:
    return not mentioned(topic(conversation.question)).isdisjoint({"search", "web", "latest", "new"})


def _searches(conversation: Conversation) -> tuple[ServerToolCall, ...]:
    """The web search for this question, if the request offers one. Pages are made up; a retrieval leaves no trace."""
    if "web_search" not in conversation.server_tools or conversation.results or conversation.choice == "none":
        return ()
    keyword = _quote(conversation.question)
    pages = [
        {
            "index": at,
            "url": f"https://example.com/{at + 1}",
            "title": f"Page {at + 1} about {keyword}",
            "summary": f"Page {at + 1} about {keyword} is made up: the sandbox does not search the web.",
        }
        for at in range(2)
    ]
    return (ServerToolCall({"keyword": keyword}, pages),)


def _call(tool: Tool, conversation: Conversation) -> ToolCall:
    arguments = fill(tool.parameters, Hints(topic(conversation.question), *_findings(conversation.results)))
    return ToolCall(tool.name, as_object(arguments))


def topic(question: str) -> str:
    """The question without the prompt around it."""
    labelled = _LABELLED.findall(question)
    return str(labelled[-1]).strip() if labelled else question.strip()


def _findings(results: Sequence[ToolResult]) -> list[str]:
    return [result.text.strip() for result in results]


def _answer(conversation: Conversation, searches: Sequence[ServerToolCall]) -> str:
    if conversation.schema is not None:
        return _json(conversation, conversation.schema)
    if conversation.wants_json:
        return _json(conversation, _described_schema(conversation))
    return _sentence(conversation, searches)


def _sentence(conversation: Conversation, searches: Sequence[ServerToolCall]) -> str:
    reports = [
        f"{result.name} {'failed' if result.is_error else 'says'}: {result.text.strip()}"
        for result in conversation.results
    ]
    reports += [f"{page['title']}: {page['url']}" for search in searches for page in search.results]
    answer = " ".join(reports) or "This answer is canned: the sandbox has no model."
    return f'You asked: "{_quote(conversation.question)}" {answer}'


def _quote(question: str) -> str:
    asked = topic(question)
    return asked if len(asked) <= _LONGEST_QUOTE else f"{asked[:_LONGEST_QUOTE]}…"


def _json(conversation: Conversation, schema: JSON) -> str:
    hints = Hints(topic(conversation.question), *_findings(conversation.results))
    return json.dumps(fill(schema, hints), ensure_ascii=False)


def _described_schema(conversation: Conversation) -> JSON:
    """The schema of a JSON object that only the prompt describes: by a schema, or by quoted keys."""
    prompt = f"{conversation.instructions}\n{conversation.question}"
    decoder = json.JSONDecoder()
    for found in re.finditer(r"\{", prompt):
        try:
            candidate = as_object(decoder.raw_decode(prompt, found.start())[0])
        except json.JSONDecodeError:
            continue
        if "properties" in candidate:
            return candidate
    keys = [word for word in quoted(prompt) if word.isidentifier()]
    return {"type": "object", "properties": {key: {"type": "string"} for key in keys or ["answer"]}}


def _reasoning(conversation: Conversation, calls: Sequence[ToolCall]) -> str:
    """Reasoning whose length depends on the effort."""
    known = model(conversation.model)
    effort = conversation.effort if not known.is_router else None
    opening, *others = _THOUGHTS.get(effort or known.unset_effort, _THOUGHTS[known.unset_effort])
    if calls:
        step = f"I will call {' and '.join(call.name for call in calls)}."
    elif conversation.results:
        step = f"I have what {' and '.join(result.name for result in conversation.results)} found."
    else:
        step = "I can answer this myself."
    return " ".join([opening, *others, step])
