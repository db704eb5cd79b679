"""The contract of an engine, kept by a node of a cluster over a real nats-server.

The tests are those of `tests/contract/`, with the fixtures of this folder.
"""

from tests.contract.test_accounts import *  # noqa: F403
from tests.contract.test_annotations import *  # noqa: F403
from tests.contract.test_files import *  # noqa: F403
from tests.contract.test_logs import *  # noqa: F403
from tests.contract.test_members import *  # noqa: F403
from tests.contract.test_pushes import *  # noqa: F403
from tests.contract.test_reopening import *  # noqa: F403
from tests.contract.test_rooms import *  # noqa: F403
