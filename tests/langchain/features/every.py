"""All rows of the table, in its order."""

from tests.langchain.features import FEATURES, answers, requests, running

__all__ = ["FEATURES", "answers", "requests", "running"]
