"""StepFun's Step Plan as an LLM in LlamaIndex."""

from llama_index_stepplan import CostHandler, StepPlan

__all__ = ["CostHandler", "StepPlan"]
