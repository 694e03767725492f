"""StepFun's own tools, which its servers run while they answer."""

from dataclasses import dataclass
from typing import ClassVar

from stepplan.arguments import label, text


@dataclass(frozen=True, slots=True)
class WebSearch:
    """Lets the model search the web. Chat Completions only; `Model.web_search` says which models support it.

    The model decides whether to search. If it does, the answer contains a `ServerToolCall` with the query and the
    pages. Each search is billed. Source: StepFun's guide "Web search".

    Attributes:
        description: What to search for and when, for the model.

    Raises:
        InvalidRequestError: A value is of the wrong type.
    """

    type: ClassVar[str] = "web_search"
    description: str = "Searches the web for current information."

    def __post_init__(self) -> None:
        text("The description of web_search", self.description)

    @property
    def name(self) -> str:
        """The tool's name."""
        return self.type


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Lets the model look things up in a knowledge base that is stored at StepFun. Chat Completions only.

    The documented answers do not show what was found. Source: StepFun's guide "Retrieval".

    Attributes:
        name: The knowledge base's name, for the model.
        vector_store_id: The id of the vector store.
        description: What the knowledge base contains, for the model.
        prompt_template: How the model is asked, with `{{knowledge}}` and `{{query}}`; sent only if set.

    Raises:
        InvalidRequestError: A value is of the wrong type, or empty where it may not be.
    """

    type: ClassVar[str] = "retrieval"
    name: str
    vector_store_id: str
    description: str = ""
    prompt_template: str | None = None

    def __post_init__(self) -> None:
        label("The name of a retrieval tool", self.name)
        label(f"The vector_store_id of {self.name!r}", self.vector_store_id)
        text(f"The description of {self.name!r}", self.description)
        if self.prompt_template is not None:
            text(f"The prompt_template of {self.name!r}", self.prompt_template)


ServerTool = WebSearch | Retrieval
"""A tool that StepFun's servers run."""
