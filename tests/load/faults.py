"""The faults of the soak: what the server does to a prompt that names one, and how the call has to end."""

from dataclasses import dataclass, replace

from stepplan import (
    APIConnectionError,
    APITimeoutError,
    IncompleteStreamError,
    InternalServerError,
    ResponseDecodeError,
    StepPlanError,
)
from stepplan.sandbox import Fault, Turn


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes:
        fault: What goes wrong.
        times: How many requests of a call meet it; the next one is answered.
        streamed: The error that a streamed answer ends with; `None` if the request is sent again and answered.
        whole: The same for an answer that is not streamed.
        spares_whole: Whether answers that are not streamed are too short to meet it.
    """

    fault: Fault
    times: int = 1
    streamed: type[StepPlanError] | None = None
    whole: type[StepPlanError] | None = None
    spares_whole: bool = False

    def turn(self, turn: Turn, ordinal: int) -> Turn:
        """The turn for a call's first, second or later request."""
        return replace(turn, fault=self.fault) if ordinal <= self.times else turn

    def error(self, *, streamed: bool) -> type[StepPlanError] | None:
        """How the call has to end."""
        return self.streamed if streamed else self.whole

    def requests(self, *, streamed: bool) -> int:
        """How many requests the call has to make."""
        is_met_once = self.error(streamed=streamed) or (self.spares_whole and not streamed)
        return 1 if is_met_once else self.times + 1


_MIDST = 8
"""Events after which an answer has begun and is not whole, over both protocols."""

KINDS = {
    "throttled": Kind(Fault(status=429, headers={"Retry-After": "0.1"})),
    "failed": Kind(Fault(status=500)),
    "overloaded": Kind(Fault(status=503), times=2),
    "reset": Kind(Fault(reset=True)),
    "cut at the start": Kind(Fault(cut_at=100, abrupt=True)),
    "cut midway": Kind(Fault(cut_at=1500, abrupt=True), streamed=APIConnectionError),
    "ended at the start": Kind(Fault(cut_at=300), whole=ResponseDecodeError),
    "ended midway": Kind(Fault(cut_at=1500), streamed=IncompleteStreamError, spares_whole=True),
    "stalled at the start": Kind(Fault(stall_after=1)),
    "stalled midway": Kind(Fault(stall_after=_MIDST), streamed=APITimeoutError),
    "nothing but pings": Kind(Fault(stall_after=_MIDST, pings=True), streamed=APITimeoutError),
    "broken JSON": Kind(
        Fault(status=200, body='data: {"choices": [{"delta": }]}\n\n'),
        streamed=ResponseDecodeError,
        whole=ResponseDecodeError,
    ),
    "error at the start": Kind(Fault(error_after=1, error={"type": "overloaded_error", "message": "Overloaded"})),
    "error midway": Kind(Fault(error_after=_MIDST), streamed=InternalServerError),
}


def prompt_for(number: int, kind: str = "") -> str:
    """A prompt that no other call has."""
    return f"Prompt {number}: {kind}." if kind else f"Prompt {number}."


def kind_of(prompt: str) -> str:
    """The fault that a prompt names."""
    return prompt.partition(": ")[2].removesuffix(".")
