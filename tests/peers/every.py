"""All features, in the order of the pages."""

from tests.peers.features import FEATURES
from tests.peers.langchain import answers, requests, running
from tests.peers.llama_index import models, streams, tools

__all__ = ["FEATURES", "MODULES"]

MODULES = (answers, requests, running, models, streams, tools)
"""Each adds its features when it is imported."""
