"""The pages that say which candidate has which feature."""

from collections.abc import Mapping, Sequence

from tests.peers.candidates import Candidate
from tests.peers.features import Feature
from tests.peers.tables import Section, bullets, page, table, versions

Results = Mapping[str, Mapping[str, str]]
"""What went wrong, by the candidate's and the feature's name; a feature that its protocol lacks is not there."""

INTRODUCTION = """
Printed by `make peers`: each cell is a check that ran on the same local server, in a process of its own. A dash: the
candidate's protocol has nothing of the kind. The checks are in `tests/peers/{folder}/`; those of {ours} are part of
`make test`.
"""

LEFT_OUT = {
    "langchain": """
Left out: what the plan does not document (log probabilities, citations, documents, sound, and marks for its cache,
which works by itself), several answers to one question (`n`), of which a chain takes the first, and LangSmith's
gateway, which is private to LangChain.
""",
    "llama-index": """
Anthropic runs on an `anthropic` below 1: with the newer SDK that pip installs, it fails in nearly every row.
""",
}
TITLES = {
    "langchain": "ChatStepPlan beside LangChain's own chat models",
    "llama-index": "StepPlan beside LlamaIndex's other LLMs",
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
        text = "\n\n".join((f"Works: {works}.", bullets(failures))) if failures else f"Works: {works}."
        sections.append(Section(f"What {candidate.name} does instead", text))
    return sections
