"""Answer a data set of prompts on a Ray cluster, within the account's limit, and resume after a crash.

    pip install langchain-stepplan "ray[data]"
    python examples/ray_batch.py prompts.parquet answers/ --checkpoint checkpoint/

`prompts.parquet` has the columns `id` and `prompt`; the answers add `answer` and `error`, one of which is set. Either
model class works as it is: models hold no connection, so Ray can send them to its workers.
"""

import argparse
import asyncio
from typing import Any, Protocol

import ray
from ray.data import ActorPoolStrategy, DataContext, Dataset
from ray.data.checkpoint import CheckpointConfig


class Model(Protocol):
    """What is used of `ChatStepPlan` and of `StepPlan`."""

    def model_copy(self, *, update: dict[str, Any]) -> Any:
        """A copy with other fields."""


def share(limit: int, workers: int) -> int:
    """How many requests each worker may have under way, so that all of them together keep the account's limit.

    Raises:
        ValueError: There are more workers than requests that the account may have under way.
    """
    if workers > limit:
        raise ValueError(f"{workers} workers cannot share a limit of {limit} requests: use at most {limit} workers.")
    return limit // workers


class Worker:
    """Answers batches of rows in one Ray worker. A row that fails keeps its error, and fails no other row."""

    def __init__(self, llm: Model, max_concurrency: int) -> None:
        self._llm = llm.model_copy(update={"max_concurrency": max_concurrency})

    async def _answer(self, prompt: str) -> str:
        if hasattr(self._llm, "ainvoke"):  # LangChain
            return str((await self._llm.ainvoke(prompt)).text)
        return str(await self._llm.acomplete(prompt))  # LlamaIndex

    async def _answer_all(self, prompts: list[str]) -> list[str | BaseException]:
        return await asyncio.gather(*map(self._answer, prompts), return_exceptions=True)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The batch with the columns `answer` and `error`."""
        answers = asyncio.run(self._answer_all([str(prompt) for prompt in batch["prompt"]]))
        batch["answer"] = [None if isinstance(answer, BaseException) else answer for answer in answers]
        batch["error"] = [
            f"{type(answer).__name__}: {answer}" if isinstance(answer, BaseException) else None for answer in answers
        ]
        return batch


def answer(prompts: Dataset, llm: Model, *, workers: int = 4, limit: int = 8, batch_size: int = 32) -> Dataset:
    """The prompts with their answers, computed by `workers` actors that share the account's limit."""
    return prompts.map_batches(
        Worker,  # type: ignore[arg-type]
        fn_constructor_args=(llm, share(limit, workers)),
        compute=ActorPoolStrategy(size=workers),
        num_cpus=0.1,  # they wait for the network; with a whole CPU each, none might be left to read the prompts with
        batch_size=batch_size,
        batch_format="numpy",
    )


def main() -> None:
    """Read prompts, write answers."""
    from langchain_stepplan import ChatStepPlan  # noqa: PLC0415 - or llama_index.llms.stepplan.StepPlan

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("prompts")
    parser.add_argument("answers")
    parser.add_argument("--model", default="step-3.7-flash")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--limit", type=int, default=8, help="requests that the account may have under way")
    parser.add_argument("--checkpoint", help="a folder; rows in it are not sent again when the command is repeated")
    options = parser.parse_args()
    if options.checkpoint:
        DataContext.get_current().checkpoint_config = CheckpointConfig(
            id_column="id", checkpoint_path=options.checkpoint, delete_checkpoint_on_success=False
        )
    prompts = ray.data.read_parquet(options.prompts)
    answer(prompts, ChatStepPlan(model=options.model), workers=options.workers, limit=options.limit).write_parquet(
        options.answers
    )


if __name__ == "__main__":
    main()
