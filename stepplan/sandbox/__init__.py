"""A local server that emulates the Step Plan: both protocols over HTTP, scripted or derived answers, and faults.

```python
from stepplan.sandbox import Sandbox

with Sandbox() as plan:
    print(plan.base_url, plan.api_key)
```
"""

import importlib
from typing import TYPE_CHECKING

from stepplan.sandbox.dialect import Dialect
from stepplan.sandbox.script import Fault, ServerToolCall, ToolCall, Turn, Usage

if TYPE_CHECKING:
    from stepplan.sandbox.account import RecordedRequest
    from stepplan.sandbox.recording import Recorder, Replay
    from stepplan.sandbox.server import Sandbox

__all__ = [
    "Dialect",
    "Fault",
    "RecordedRequest",
    "Recorder",
    "Replay",
    "Sandbox",
    "ServerToolCall",
    "ToolCall",
    "Turn",
    "Usage",
]

_NEED_A_SERVER = {"RecordedRequest": "account", "Recorder": "recording", "Replay": "recording", "Sandbox": "server"}


def __getattr__(name: str) -> object:
    """Import the web server when it is needed, so that scripts can be written without the extra."""
    if name not in _NEED_A_SERVER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f"{__name__}.{_NEED_A_SERVER[name]}"), name)
    except ImportError as error:
        raise ImportError("The sandbox needs a web server: pip install 'stepplan[sandbox]'") from error
