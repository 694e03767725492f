"""What the live tests talk to."""

import pytest

from stepplan import Settings
from tests.live.target import Target


@pytest.fixture(scope="session")
def settings() -> Settings:
    """How to reach the running server."""
    target = Target.from_environment()
    if target is None:
        pytest.skip("no server: say `make live`")
    return target.settings
