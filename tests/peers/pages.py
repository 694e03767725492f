"""The pages that show which candidate has which feature."""

from collections.abc import Mapping, Sequence

from tests.peers.candidates import Candidate
from tests.peers.features import Feature
from tests.peers.tables import Section, bullets, page, table, versions

Results = Mapping[str, Mapping[str, str]]
"""Why each check failed (empty if it passed), by candidate and feature; features its protocol lacks are left out."""

INTRODUCTION = """
`make peers` writes this page. Each cell is a check that ran against the same local server, in its own process; a dash
means that the protocol has no such feature. The checks are in `tests/peers/{folder}/`; those of {ours} are part of
`make test`.
"""

LEFT_OUT = {
    "langchain": """
Not compared: features that StepFun does not document (log probabilities, citations, documents, audio, cache markers),
several answers to one prompt (`n`), and LangSmith's gateway.
""",
    "llama-index": """
`Anthropic` is compared on a release of the `anthropic` SDK below 1; with the newer one that pip installs, nearly every
check fails.
""",
}
TITLES = {
    "langchain": "ChatStepPlan compared with LangChain's other chat models",
    "llama-index": "StepPlan compared with LlamaIndex's other LLMs",
}
SHARED = {
    "langchain": ("langchain-core", "openai", "anthropic"),
    "llama-index": ("llama-index-core", "openai", "anthropic"),
}


def features_page(candidates: Sequence[Candidate], features: Sequence[Feature], results: Results) -> str:
    """A table for each group of features, and what happens where one does not work."""
    framework = candidates[0].framework
    packages = dict.fromkeys((*SHARED[framework], *(candidate.package for candidate in candidates)))
    introduction = "\n\n".join(
        (
            INTRODUCTION.strip().format(folder=framework.replace("-", "_"), ours=candidates[0].name),
            LEFT_OUT[framework].strip(),
            versions(packages),
        )
    )
    sections = [
        Section(group, _group([feature for feature in features if feature.group == group], candidates, results))
        for group in dict.fromkeys(feature.group for feature in features)
    ]
    return page(TITLES[framework], introduction, [*sections, *_failures(candidates, results)])


def _group(features: Sequence[Feature], candidates: Sequence[Candidate], results: Results) -> str:
    head = ["", *(candidate.name for candidate in candidates)]
    rows = [[feature.name, *(_cell(feature, candidate, results) for candidate in candidates)] for feature in features]
    return table(head, rows)


def _cell(feature: Feature, candidate: Candidate, results: Results) -> str:
    if candidate.protocol in feature.absent:
        return f"– {feature.absent[candidate.protocol]}"
    return "**no**" if results[candidate.name][feature.name] else "yes"


def _failures(candidates: Sequence[Candidate], results: Results) -> list[Section]:
    sections: list[Section] = []
    for candidate in candidates:
        told = results[candidate.name]
        failures = [f"{name}: `{error}`" for name, error in told.items() if error]
        works = f"{len(told) - len(failures)} of {len(told)}"
        text = "\n\n".join((f"{works} checks pass.", bullets(failures))) if failures else f"{works} checks pass."
        sections.append(Section(f"Where {candidate.name} differs", text))
    return sections
