"""Who holds a data directory, and who may tidy up behind a holder that died."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from app.embedded.lock import DirectoryLock, after_holder, is_held
from app.embedded.running import RunningServers, find_running, tell_running
from app.settings import Settings, SettingsError
from app.up.beside import beside_up

pytestmark = pytest.mark.usefixtures("starts_processes")

RUNNING = RunningServers(primary="postgresql://p", replicas=("postgresql://r",), redis=None)
HOLD = """
import sys, time
from pathlib import Path
from app.embedded.lock import DirectoryLock
lock = DirectoryLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


def killed_holder(data_dir: Path) -> int:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(data_dir)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    assert is_held(data_dir)
    with after_holder(data_dir, holder.pid + 1, timeout=20) as is_ours:
        assert not is_ours  # another one took over: nothing is waited for
    holder.kill()
    holder.wait()
    holder.stdout.close()
    return holder.pid


def test_behind_a_dead_holder_the_directory_is_ones_own(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    assert not is_held(data_dir)
    dead = killed_holder(data_dir)
    assert not is_held(data_dir)
    with after_holder(data_dir, dead, timeout=20) as is_ours:
        assert is_ours
        assert is_held(data_dir)
    DirectoryLock(data_dir).close()
    with after_holder(data_dir, dead, timeout=20) as is_ours:
        assert not is_ours  # somebody came and went meanwhile


def test_children_that_never_let_go_are_not_waited_for_without_end(tmp_path: Path) -> None:
    held = DirectoryLock(tmp_path)
    with after_holder(tmp_path, os.getpid(), timeout=0.1) as is_ours:
        assert is_ours
    held.close()


def test_servers_are_found_while_somebody_runs_them(tmp_path: Path) -> None:
    assert find_running(tmp_path) is None
    held = DirectoryLock(tmp_path)
    assert find_running(tmp_path) is None
    tell_running(tmp_path, RUNNING)
    assert (tmp_path / "running.json").stat().st_mode & 0o777 == 0o600
    assert find_running(tmp_path) == RUNNING
    held.close()
    assert find_running(tmp_path) is None


def test_a_command_beside_it_has_its_servers_and_keys_unless_they_are_set(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    held = DirectoryLock(tmp_path)
    tell_running(tmp_path, RUNNING)
    (tmp_path / "encryption-keys").write_text("k2:b,k1:a\n")
    with pytest.raises(SettingsError, match="set TOCSIN_REDIS_URL here, too"):
        beside_up(settings)
    found = beside_up(replace(settings, redis_url="redis://own"))
    assert (found.primary_url, found.replica_urls) == (RUNNING.primary, RUNNING.replicas)
    assert (found.redis_url, found.encryption_keys) == ("redis://own", ("k2:b", "k1:a"))
    own = replace(settings, primary_url="postgresql://own", redis_url="redis://own")
    assert beside_up(own) is own
    held.close()
    assert beside_up(settings) is settings
