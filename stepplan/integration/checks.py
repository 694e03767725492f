"""What is wrong with an answer that is no error: tool calls that cannot be run, or that the server did not see."""

import logging
from dataclasses import dataclass

from stepplan.errors import ResponseDecodeError
from stepplan.responses import Response

logger = logging.getLogger("stepplan")

_LEAK = "<tool_call>"


@dataclass(frozen=True, slots=True)
class CallCheck:
    """What is done about such calls: an agent looks at the calls that can be run alone, and would stop in silence.

    Attributes:
        has_tools: Whether tools were offered, so that `<tool_call>` in the text is a call that the server did not
            see, as early deployments of step-3.5-flash and some local servers leave it there.
        raises: Whether to raise an error; by default they are logged, as warnings of the logger `stepplan`.
    """

    has_tools: bool = False
    raises: bool = False

    def look(self, response: Response) -> dict[str, bool]:
        """What is to be noted with the answer.

        Raises:
            ResponseDecodeError: There is such a call, and `raises` is set. The answer is in `partial`; asking again may
                help, unless the token limit cut the call off.
        """
        calls = response.tool_calls
        found = [f"A tool call is not run: {call.error}" for call in calls if call.error is not None]
        leaked = self.has_tools and not calls and _LEAK in response.text + response.reasoning
        if leaked:
            found.append(f"The model wrote {_LEAK} in its text, where the server did not parse it: no tool is run.")
        if found and self.raises:
            error = ResponseDecodeError(found[0])
            error.partial, error.is_retryable = response, response.finish_reason != "length"
            raise error
        for fault in found:
            logger.warning("%s", fault)
        return {"leaked_tool_call": True} if leaked else {}


LOGS = CallCheck()
"""Logs calls that cannot be run."""
