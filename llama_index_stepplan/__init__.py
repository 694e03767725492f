"""StepFun's Step Plan in LlamaIndex: `StepPlan`, a `FunctionCallingLLM` over both wire protocols."""

from llama_index_stepplan._costs import CostHandler
from llama_index_stepplan._structured import StructuredOutputError
from llama_index_stepplan.base import StepPlan
from stepplan.version import __version__

__all__ = ["CostHandler", "StepPlan", "StructuredOutputError", "__version__"]
