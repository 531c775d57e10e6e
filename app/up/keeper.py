"""Ends embedded servers when their supervisor is gone and could not.

PostgreSQL and Valkey know nothing of a lifeline. This child does: once the supervisor is dead and
its other children have left, it stops the servers in order, unless another supervisor was faster.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from app.embedded.lock import after_holder
from app.embedded.servers import EmbeddedServers
from app.up.supervised import drop_output, supervisor_gone

LEAVING_SECONDS = 15.0
"""Longer than children of ours take at most."""


def main(data_dir: Path, supervisor: int) -> None:
    """Wait for the end of the supervisor, and end what it leaves behind."""
    supervisor_gone(os.environ)
    drop_output()
    with after_holder(data_dir, supervisor, timeout=LEAVING_SECONDS) as is_ours:
        if is_ours:
            for server in reversed(EmbeddedServers(data_dir).servers):
                server.end_leftover()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
