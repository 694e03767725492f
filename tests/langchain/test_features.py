"""What is compared with other models in docs/comparison-langchain.md holds for this one, over both protocols."""

import pytest

from stepplan.sandbox import Sandbox
from tests.langchain.features import OURS, Contender, Feature, NotThereError
from tests.langchain.features.every import FEATURES

pytestmark = pytest.mark.filterwarnings("ignore:Messages documents no tool_choice", "ignore:The .* is in beta")

# What a protocol has not got, so that no model can have it there.
NOT_THERE = {
    "anthropic": {"videos", "choices", "json_schema", "reasoning_tokens", "one_at_a_time", "strict_tools"},
    "openai": {"default_limit"},
}


@pytest.mark.parametrize("contender", OURS, ids=lambda contender: contender.name)
@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.check.__name__)
def test_it_works(feature: Feature, contender: Contender, plan: Sandbox) -> None:
    if feature.check.__name__ in NOT_THERE[contender.protocol]:
        with pytest.raises(NotThereError):
            feature.check(contender, plan)
    else:
        feature.check(contender, plan)
