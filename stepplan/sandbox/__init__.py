"""A local server that emulates the Step Plan: both protocols over HTTP, scripted or derived answers, and faults.

```python
from stepplan.sandbox import Sandbox

with Sandbox() as plan:
    print(plan.base_url, plan.api_key)
```
"""

from typing import TYPE_CHECKING

from stepplan.sandbox.dialect import Dialect
from stepplan.sandbox.script import Fault, ToolCall, Turn, Usage

if TYPE_CHECKING:
    from stepplan.sandbox.account import RecordedRequest
    from stepplan.sandbox.server import Sandbox

__all__ = ["Dialect", "Fault", "RecordedRequest", "Sandbox", "ToolCall", "Turn", "Usage"]


def __getattr__(name: str) -> object:
    """Import the web server when a sandbox is made, so that scripts can be written without the extra."""
    if name == "Sandbox":
        try:
            from stepplan.sandbox.server import Sandbox  # noqa: PLC0415
        except ImportError as error:
            raise ImportError("The sandbox needs a web server: pip install 'stepplan[sandbox]'") from error
        return Sandbox
    if name == "RecordedRequest":
        from stepplan.sandbox.account import RecordedRequest  # noqa: PLC0415

        return RecordedRequest
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
