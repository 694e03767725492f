"""StepFun's Step Plan as an LLM in LlamaIndex."""

from llama_index_stepplan import StepPlan

__all__ = ["StepPlan"]
