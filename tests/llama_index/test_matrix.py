"""StepPlan does all that the matrix asks of an LLM; `make matrix` shows what the others do."""

import pytest

from stepplan.sandbox import Sandbox
from tests.llama_index.matrix.bench import BEHAVIORS, Behavior, Bench, Candidate
from tests.llama_index.matrix.candidates import ACCEPTED, OURS
from tests.llama_index.matrix.run import table
from tests.support.marks import agents_use_old_pydantic, forced_choice_is_asked_for

CELLS = [(ours, behavior) for ours in OURS for behavior in BEHAVIORS if ours.protocol in behavior.protocols]


@agents_use_old_pydantic
@forced_choice_is_asked_for
@pytest.mark.parametrize(("candidate", "behavior"), CELLS, ids=[f"{ours.name}: {b.name}" for ours, b in CELLS])
def test_stepplan_does_it(candidate: Candidate, behavior: Behavior) -> None:
    with Sandbox(models=ACCEPTED) as plan:
        behavior.check(Bench(candidate, plan))


def test_the_table_says_who_does_what_and_what_happens_instead() -> None:
    results: dict[str, dict[str, str | None]] = {
        "good": {behavior.name: "" for behavior in BEHAVIORS},
        "bad": {behavior.name: "it broke" for behavior in BEHAVIORS} | {BEHAVIORS[0].name: None},
    }
    page = table(results)

    assert f"| {BEHAVIORS[0].name} | yes | – |" in page
    assert f"| {BEHAVIORS[1].name} | yes | **no** |" in page
    assert f"- {BEHAVIORS[1].name}: `it broke`" in page
    assert f"{len(BEHAVIORS)} of {len(BEHAVIORS)} | 0 of {len(BEHAVIORS) - 1}" in page
