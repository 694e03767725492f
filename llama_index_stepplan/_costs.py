"""Token counts and costs of all calls that a callback manager sees."""

from typing import Any

from llama_index.core.base.llms.types import ChatResponse, CompletionResponse
from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.callbacks.base_handler import BaseCallbackHandler
from typing_extensions import override

from stepplan.integration.plain import as_mapping
from stepplan.integration.raw import read_usage
from stepplan.integration.totals import UsageTotals


class CostHandler(UsageTotals, BaseCallbackHandler):
    """Adds up the token counts of `StepPlan` by model, and estimates their cost.

    Use it like `TokenCountingHandler`. It counts whole and streamed answers, in all threads and tasks. Answers that
    broke off, and streams that you did not read to their end, have no token counts: they are left out, although StepFun
    may bill them.

    Example:
        ```python
        costs = CostHandler()
        llm = StepPlan(callback_manager=CallbackManager([costs]))  # or Settings.callback_manager
        llm.complete("Hello")
        print(costs.usage, costs.cost)
        ```
    """

    def __init__(self) -> None:
        UsageTotals.__init__(self)
        BaseCallbackHandler.__init__(self, event_starts_to_ignore=[], event_ends_to_ignore=[])

    @override
    def on_event_end(
        self, event_type: CBEventType, payload: dict[str, Any] | None = None, event_id: str = "", **kwargs: Any
    ) -> None:
        """Count an answer."""
        if event_type is not CBEventType.LLM or payload is None:
            return
        answer = payload.get(EventPayload.RESPONSE) or payload.get(EventPayload.COMPLETION)
        if isinstance(answer, ChatResponse | CompletionResponse):
            body = as_mapping(answer.raw)
            if usage := read_usage(body):
                self.add(body.get("model") or "unknown", usage)

    @override
    def on_event_start(
        self,
        event_type: CBEventType,
        payload: dict[str, Any] | None = None,
        event_id: str = "",
        parent_id: str = "",
        **kwargs: Any,
    ) -> str:
        """Nothing is counted here."""
        return event_id

    @override
    def start_trace(self, trace_id: str | None = None) -> None:
        """Nothing is counted here."""

    @override
    def end_trace(self, trace_id: str | None = None, trace_map: dict[str, list[str]] | None = None) -> None:
        """Nothing is counted here."""
