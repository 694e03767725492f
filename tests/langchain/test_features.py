"""What is compared with other models in docs/comparison-langchain.md holds for this one, over both protocols."""

import pytest

from stepplan.sandbox import Sandbox
from tests.langchain.features import OURS, Contender, Feature, NotThereError
from tests.langchain.features.every import FEATURES

pytestmark = pytest.mark.filterwarnings("ignore:Messages documents no tool_choice", "ignore:The .* is in beta")

# Over Messages there are no videos, no forced tool choice and no response format.
NOT_THERE = {"videos", "choices", "json_schema"}


@pytest.mark.parametrize("contender", OURS, ids=lambda contender: contender.name)
@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.check.__name__)
def test_it_works(feature: Feature, contender: Contender, plan: Sandbox) -> None:
    if contender.protocol == "anthropic" and feature.check.__name__ in NOT_THERE:
        with pytest.raises(NotThereError):
            feature.check(contender, plan)
    else:
        feature.check(contender, plan)
