"""A corpus to retrieve from."""

import functools
from pathlib import Path

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import BaseNode, Document


@functools.cache
def passages() -> list[BaseNode]:
    """The project's own documentation, as it stands in its source and beside it, in passages."""
    root = Path(__file__).parents[2]
    paths = [*root.glob("*.md"), *root.glob("docs/*.md"), *root.glob("stepplan/*.py")]
    documents = [Document(text=path.read_text(), metadata={"file": path.name}) for path in sorted(paths)]
    return SentenceSplitter(chunk_size=256, chunk_overlap=0).get_nodes_from_documents(documents)


@functools.cache
def retriever(top_k: int = 2) -> BaseRetriever:
    """Finds passages by their words."""
    from llama_index.retrievers.bm25 import BM25Retriever  # type: ignore[import-untyped]  # no py.typed there

    found: BaseRetriever = BM25Retriever.from_defaults(nodes=passages(), similarity_top_k=top_k)
    return found
