"""What else in LlamaIndex asks a model: rerankers, metadata extractors, evaluators."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ThinkingBlock
from llama_index.core.evaluation import (
    AnswerRelevancyEvaluator,
    BaseEvaluator,
    ContextRelevancyEvaluator,
    CorrectnessEvaluator,
    FaithfulnessEvaluator,
    GuidelineEvaluator,
    PairwiseComparisonEvaluator,
    RelevancyEvaluator,
)
from llama_index.core.extractors import (
    BaseExtractor,
    DocumentContextExtractor,
    KeywordExtractor,
    PydanticProgramExtractor,
    QuestionsAnsweredExtractor,
    SummaryExtractor,
    TitleExtractor,
)
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.postprocessor import LLMRerank, StructuredLLMRerank
from llama_index.core.postprocessor.rankGPT_rerank import RankGPTRerank
from llama_index.core.program import FunctionCallingProgram
from llama_index.core.schema import Document, MetadataMode, NodeWithScore, TextNode
from llama_index.core.storage.docstore import SimpleDocumentStore
from pydantic import BaseModel

from llama_index_stepplan import StepPlan
from stepplan import RateLimitError
from stepplan.sandbox import Fault, Sandbox, ToolCall, Turn
from tests.support.marks import forced_choice_is_asked_for, leaves_loops_open
from tests.support.ways.llama_index import WAYS, Way, ask

pytestmark = [forced_choice_is_asked_for, pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")]

NODES = [TextNode(text=text) for text in ("Rome is in Italy.", "Oslo is in Norway.", "Lima is in Peru.")]
SCORED = [NodeWithScore(node=node, score=0.5) for node in NODES]


def texts(nodes: Sequence[NodeWithScore]) -> list[str]:
    return [node.node.get_content(MetadataMode.NONE) for node in nodes]


def test_a_structured_rerank_orders_by_relevance(llm: StepPlan, plan: Sandbox) -> None:
    ranked = {"documents": [{"document_number": 2, "relevance": 9}, {"document_number": 1, "relevance": 3}]}
    plan.script(
        Turn(text=json.dumps(ranked))
        if llm.protocol == "openai"
        else Turn(tool_calls=[ToolCall("DocumentRelevanceList", ranked)])
    )
    reranked = StructuredLLMRerank(llm=llm, top_n=2).postprocess_nodes(SCORED, query_str="Where is Oslo?")

    assert texts(reranked) == ["Oslo is in Norway.", "Rome is in Italy."]


def test_a_rerank_by_text_orders_by_relevance(llm: StepPlan, plan: Sandbox) -> None:
    plan.script(Turn(reasoning="The second.", text="Doc: 2, Relevance: 9\nDoc: 1, Relevance: 3\n"))
    reranked = LLMRerank(llm=llm, top_n=2).postprocess_nodes(SCORED, query_str="Where is Oslo?")

    assert texts(reranked) == ["Oslo is in Norway.", "Rome is in Italy."]


def test_rank_gpt_orders_by_permutation(llm: StepPlan, plan: Sandbox) -> None:
    plan.script(Turn(reasoning="The third.", text="[3] > [1] > [2]"))
    reranked = RankGPTRerank(llm=llm, top_n=3).postprocess_nodes(SCORED, query_str="Where is Lima?")

    assert texts(reranked) == ["Lima is in Peru.", "Rome is in Italy.", "Oslo is in Norway."]


EXTRACTORS: dict[str, tuple[Callable[[StepPlan], BaseExtractor], set[str]]] = {
    "title": (lambda llm: TitleExtractor(llm=llm, show_progress=False), {"document_title"}),
    "keywords": (lambda llm: KeywordExtractor(llm=llm, show_progress=False), {"excerpt_keywords"}),
    "questions": (
        lambda llm: QuestionsAnsweredExtractor(llm=llm, show_progress=False),
        {"questions_this_excerpt_can_answer"},
    ),
    "summary": (
        lambda llm: SummaryExtractor(summaries=["prev", "self"], llm=llm, show_progress=False),
        {"prev_section_summary", "section_summary"},
    ),
}


@leaves_loops_open
@pytest.mark.parametrize(("make", "keys"), EXTRACTORS.values(), ids=EXTRACTORS)
async def test_an_extractor_fills_the_metadata_inside_a_running_loop_and_async(
    llm: StepPlan, make: Callable[[StepPlan], BaseExtractor], keys: set[str]
) -> None:
    documents = [Document(text="Rome is in Italy. " * 5), Document(text="Oslo is in Norway. " * 5)]
    pipeline = IngestionPipeline(transformations=[SentenceSplitter(chunk_size=128, chunk_overlap=0), make(llm)])
    nodes = [*pipeline.run(documents=documents), *await pipeline.arun(documents=documents)]

    assert len(nodes) == 4
    assert set().union(*(node.metadata for node in nodes)) >= keys
    assert all(value for node in nodes for value in node.metadata.values())


class Facts(BaseModel):
    """The facts of a passage."""

    city: str
    country: str


@leaves_loops_open
async def test_a_program_extracts_an_object(llm: StepPlan) -> None:
    program = FunctionCallingProgram.from_defaults(output_cls=Facts, prompt_template_str="Extract: {input}", llm=llm)
    extractor = PydanticProgramExtractor(program=program, input_key="input", show_progress=False)
    found = [*extractor.extract(NODES[:1]), *await extractor.aextract(NODES[:1])]

    assert [set(item) for item in found] == [{"city", "country"}] * 2


async def contexts(llm: StepPlan) -> list[dict[str, Any]]:
    """What the extractor of context finds for a passage."""
    store = SimpleDocumentStore()
    document = Document(text="Rome is in Italy. Oslo is in Norway.")
    store.add_documents([document])
    nodes = SentenceSplitter(chunk_size=64, chunk_overlap=0).get_nodes_from_documents([document])
    extractor = DocumentContextExtractor(docstore=store, llm=llm, max_context_length=1000, max_output_tokens=300)
    return await extractor.aextract(nodes)


async def test_the_extractor_of_context_gets_text_first_if_thinking_is_left_out(plan: Sandbox, llm: StepPlan) -> None:
    plan.script(Turn(reasoning="Cities.", text="About cities."))
    llm.return_thinking = False

    assert await contexts(llm) == [{"context": "About cities."}]
    request = plan.requests[0]
    assert request.body["max_tokens"] == 300
    assert request.headers["anthropic-beta"].startswith("prompt-caching")
    assert "cache_control" not in str(request.body)


@pytest.mark.parametrize("way", WAYS)
async def test_thinking_can_be_left_out_of_answers(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    llm.return_thinking = False
    plan.script(Turn(reasoning="Hm.", text="Hello."))
    chunks = await ask(llm, way, "Hi")

    assert chunks[-1].message.blocks == [TextBlock(text="Hello.")]
    assert not any(isinstance(block, ThinkingBlock) for chunk in chunks for block in chunk.message.blocks)
    assert "Hm." not in str(chunks)


def test_a_throttled_answer_has_the_words_that_extractors_look_for(llm: StepPlan, plan: Sandbox) -> None:
    plan.script(Turn(fault=Fault(status=429)))
    with pytest.raises(RateLimitError) as caught:
        llm.chat([ChatMessage("Hi")])

    said = str(caught.value).lower()
    assert "429" in said
    assert "too many requests" in said or "rate limit" in said


EVALUATORS: dict[str, tuple[Callable[[StepPlan], BaseEvaluator], str]] = {
    "faithfulness": (lambda llm: FaithfulnessEvaluator(llm=llm), "YES"),
    "relevancy": (lambda llm: RelevancyEvaluator(llm=llm), "YES"),
    "correctness": (lambda llm: CorrectnessEvaluator(llm=llm), "4.5\nIt is right."),
    "answer relevancy": (lambda llm: AnswerRelevancyEvaluator(llm=llm), "Relevant.\n[RESULT] 2"),
    "context relevancy": (lambda llm: ContextRelevancyEvaluator(llm=llm), "Relevant.\n[RESULT] 4"),
    "guideline": (lambda llm: GuidelineEvaluator(llm=llm), '{"passing": true, "feedback": "Good."}'),
    "pairwise": (
        lambda llm: PairwiseComparisonEvaluator(llm=llm, enforce_consensus=False),
        "The first.\n[[A]]",
    ),
}


@leaves_loops_open
@pytest.mark.parametrize(("make", "said"), EVALUATORS.values(), ids=EVALUATORS)
async def test_an_evaluator_reads_its_verdict_from_the_text(
    llm: StepPlan, plan: Sandbox, make: Callable[[StepPlan], BaseEvaluator], said: str
) -> None:
    evaluator = make(llm)
    what: dict[str, Any] = {
        "query": "Where is Rome?",
        "response": "In Italy.",
        "contexts": ["Rome is in Italy."],
        "reference": "Italy",
    }
    if isinstance(evaluator, PairwiseComparisonEvaluator):
        what["second_response"] = "In Spain."
    plan.script(*[Turn(reasoning="Let me judge.", text=said)] * 2)
    results = [evaluator.evaluate(**what), await evaluator.aevaluate(**what)]

    for result in results:
        assert not result.invalid_result
        assert result.score is not None
        assert result.score > 0
