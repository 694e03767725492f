"""LlamaIndex's agents, as the strict type checkers can bear them."""

from typing import Any

from llama_index.core.agent.workflow import AgentWorkflow
from llama_index.core.agent.workflow.base_agent import BaseWorkflowAgent
from workflows.handler import WorkflowHandler


def run(agent: BaseWorkflowAgent | AgentWorkflow, question: str, **kwargs: Any) -> WorkflowHandler:
    """Start an agent. Both of its overloads match, and one is deprecated."""
    return agent.run(user_msg=question, **kwargs)
