"""Long batches: a file of prompts in, a file with exactly one line for each of them out.

```python
from stepplan import batch

summary = batch.run("prompts.jsonl", "answers.jsonl", model="step-3.7-flash")
print(summary.answered, summary.failed, summary.stopped)
```

A line of the input is `{"prompt": "..."}`, or a line of an OpenAI batch file (`{"custom_id": ..., "url": ..., "body":
{...}}`). Answers and errors are appended as they come, in any order. A run that was killed is resumed by the same call:
lines that have an answer or an error are not sent again.
"""

from stepplan.batch.runner import Progress, Summary, arun, run

__all__ = ["Progress", "Summary", "arun", "run"]
