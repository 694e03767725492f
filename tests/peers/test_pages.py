"""The pages say who does what, and what happens instead."""

import pytest

from tests.peers.candidates import CANDIDATES
from tests.peers.features import Bench, Feature
from tests.peers.pages import features_page


def nothing(_: Bench) -> None: ...


def test_a_page_has_a_cell_for_every_candidate_and_tells_what_went_wrong() -> None:
    pytest.importorskip("openai", reason="the page names its version")
    pytest.importorskip("anthropic", reason="the page names its version")
    ours, messages, *_ = CANDIDATES
    features = [
        Feature("langchain", "Input", "images", nothing),
        Feature("langchain", "Input", "videos", nothing, {"anthropic": "Messages has no video"}),
        Feature("langchain", "Answers", "a | b", nothing),
    ]
    results = {
        ours.name: {"images": "", "videos": "it broke", "a | b": ""},
        messages.name: {"images": "", "a | b": ""},
    }
    page = features_page([ours, messages], features, results)

    assert "| images | yes | yes |" in page
    assert "| videos | **no** | – Messages has no video |" in page
    assert "| a \\| b | yes | yes |" in page
    assert f"## Where {ours.name} differs\n\n2 of 3 checks pass.\n\n- videos: `it broke`" in page
    assert f"## Where {messages.name} differs\n\n2 of 2 checks pass." in page
