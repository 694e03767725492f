"""A small corpus, `tests/fixtures/corpus`, and a retriever that finds passages of it by their words."""

import functools

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import BaseNode, Document

from tests.support.fixtures import ROOT


@functools.cache
def passages() -> list[BaseNode]:
    paths = sorted((ROOT / "corpus").glob("*.md"))
    documents = [Document(text=path.read_text("utf-8"), metadata={"file": path.name}) for path in paths]
    return SentenceSplitter(chunk_size=64, chunk_overlap=0).get_nodes_from_documents(documents)


@functools.cache
def retriever(top_k: int = 2) -> BaseRetriever:
    from llama_index.retrievers.bm25 import BM25Retriever  # type: ignore[import-untyped]  # no py.typed there

    found: BaseRetriever = BM25Retriever.from_defaults(nodes=passages(), similarity_top_k=top_k)
    return found
