"""Our own models have every feature that they are compared by, over both protocols."""

from collections.abc import Iterator

import pytest

from stepplan.sandbox import Sandbox
from tests.peers.candidates import OURS, Candidate
from tests.peers.every import FEATURES
from tests.peers.features import ACCEPTED, Bench, Feature
from tests.support.marks import agents_use_old_pydantic, forced_choice_is_asked_for

CELLS = [
    pytest.param(feature, ours, id=f"{ours.name}: {feature.name}")
    for feature in FEATURES
    for ours in OURS
    if ours.framework == feature.framework and ours.protocol not in feature.absent
]


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with Sandbox(models=ACCEPTED) as sandbox:
        yield sandbox


@agents_use_old_pydantic
@forced_choice_is_asked_for
@pytest.mark.filterwarnings("ignore:The .* is in beta")
@pytest.mark.parametrize(("feature", "candidate"), CELLS)
def test_it_works(feature: Feature, candidate: Candidate, server: Sandbox) -> None:
    server.reset()
    feature.check(Bench(candidate, server))
