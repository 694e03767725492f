"""What the composed answers say, scenario by scenario."""

from stepplan import Reasoning, Response, Text, ToolCall, Usage

PARIS = ToolCall("chatcmpl-tool-87f58e549286210a", "get_weather", '{"city": "Paris"}')
ROME = ToolCall("chatcmpl-tool-b0074817995fd49b", "get_weather", '{"city": "Rome"}')
NOW = ToolCall(PARIS.id, "now", "{}")
BEIJING = ToolCall(PARIS.id, "get_weather", '{"城市": "北京\u2028"}')
BROKEN = ToolCall(PARIS.id, "get_weather", '{"city": "Pa')
SCRIPTS = "你好，世界👩‍👩‍👧 🎉a\u2028b\u2029c\u0085d\x0be\x0cf"

SCENARIOS = {
    "text": Response((Text("Hello there."),), "stop", Usage(12, 3)),
    "uncounted": Response((Text("Hi."),), "stop", None),
    "reasoning": Response((Reasoning("2+2 is 4."), Text("4")), "stop", Usage(14, 8)),
    "tool_call": Response((Reasoning("Need the weather tool."), PARIS), "tool_calls", Usage(262, 21)),
    "parallel": Response((Text("Checking both."), PARIS, ROME), "tool_calls", Usage(281, 28)),
    "no_arguments": Response((NOW,), "tool_calls", Usage(90, 9)),
    "scripts": Response((Reasoning("想一想…"), Text(SCRIPTS), BEIJING), "tool_calls", Usage(33, 20)),
    "cut_off": Response((Reasoning("Let me think"),), "length", Usage(18, 16)),
    "cut_off_call": Response((BROKEN,), "length", Usage(70, 16)),
    "blocked": Response((Text("Partial"),), "content_filter", Usage(30, 1)),
    "empty": Response((), "stop", Usage(9, 1)),
    "cached": Response((Text("Yes."),), "stop", Usage(591, 2, cache_read_tokens=512)),
    "counted_reasoning": Response((Reasoning("Hm."), Text("Yes.")), "stop", Usage(8, 6, reasoning_tokens=4)),
    "searched": Response((Text("It rains."),), "stop", Usage(40, 5)),
    "stop_sequence": Response((Text("One, two"),), "stop", Usage(20, 4), stop_sequence=", three"),
    "redacted": Response(
        (Reasoning("", redacted="EmwKAhgB"), Reasoning("", signature="c2ln"), Text("Yes.")), "stop", Usage(20, 4)
    ),
}
