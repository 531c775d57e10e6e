"""Processes that fire start quickly: they import nothing that they do not use."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["workers.dispatcher", "workers.worker", "workers.clock"])
def test_a_process_that_fires_does_without_sqlalchemy(module: str):
    look = f"import sys, {module}; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0
