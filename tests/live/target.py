"""Which server the live tests talk to and the recorder records from: a description that travels in the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from stepplan import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A server, and what a recording says of where it is from.

    Attributes:
        settings: How to reach it.
        server: What it is: `llama.cpp` or `Step Plan`.
        version: Its version, as far as it tells.
        model: The weights behind the name, where they are known; else the name.
    """

    settings: Settings
    server: str
    version: str
    model: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Target | None":
        """The server that `tests.live.llama_server` or `tests.recorded.record` started or chose, if any did."""
        url = environment.get("STEPPLAN_TARGET_URL")
        if not url:
            return None
        return cls(
            settings=Settings(base_url=url, api_key=SecretStr(environment["STEPPLAN_TARGET_KEY"])),
            server=environment["STEPPLAN_TARGET_SERVER"],
            version=environment["STEPPLAN_TARGET_VERSION"],
            model=environment["STEPPLAN_TARGET_MODEL"],
        )

    @classmethod
    def of_recordings(cls) -> "Target":
        """No server at all: an address where nothing listens, for replaying."""
        settings = Settings(base_url="http://127.0.0.1:9/step_plan", api_key=SecretStr("none"))
        return cls(settings=settings, server="recordings", version="", model="")


def target() -> Target:
    """The server that runs, or the recordings."""
    return Target.from_environment() or Target.of_recordings()


def plan_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The Step Plan itself as the target, with the key and the region of the environment.

    Raises:
        SystemExit: There is no key.
    """
    key = environment.get("STEP_API_KEY")
    if not key:
        raise SystemExit("STEP_API_KEY is not set: the Step Plan wants a key.")
    return {
        "STEPPLAN_TARGET_URL": environment.get("STEP_BASE_URL") or Settings().root,
        "STEPPLAN_TARGET_KEY": key,
        "STEPPLAN_TARGET_SERVER": "Step Plan",
        "STEPPLAN_TARGET_VERSION": "as served on the day",
        "STEPPLAN_TARGET_MODEL": "step-3.7-flash",
    }
