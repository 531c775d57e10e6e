"""`python -m tests.chaos`: play seeds, and say what of each promise held."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from loadtests.measures.system import exit_on_sigterm
from tests.chaos.report import story, summary
from tests.chaos.seed import Plan, run_seed
from tests.processes import CHECKOUT

SECONDS = 1_800.0


def main() -> int:
    """Play the seeds that are asked for; 1 if a promise was broken."""
    exit_on_sigterm()  # servers and disks are to go with us
    chosen = _arguments()
    if len(chosen.seeds) == 1:
        return _play(chosen.seeds[0], chosen.seconds, chosen.folder)
    with ThreadPoolExecutor(chosen.parallel) as pool:
        return max(pool.map(lambda seed: _play_beside(seed, chosen), chosen.seeds))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.chaos")
    parser.add_argument("--seeds", type=_seeds, default=[1], help="such as 1,2 or 1-10")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="with faults, each seed")
    parser.add_argument("--parallel", type=int, default=1, help="seeds beside each other")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "chaos")
    return parser.parse_args()


def _seeds(text: str) -> list[int]:
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def _play(seed: int, seconds: float, folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    mine = Path(tempfile.mkdtemp(prefix=f"seed-{seed}-", dir=folder))
    mine.chmod(0o755)
    judged = run_seed(Plan(seed=seed, seconds=seconds), mine)
    for line in story(judged.history, judged.violations):
        print(line)
    print(summary(judged.history, judged.violations, judged.cores), flush=True)
    if judged.violations:
        (mine / "history.json").write_bytes(msgspec.json.encode(judged.history))
        print(f"The logs are in {mine}; again: make chaos SEED={seed} SECONDS={seconds:g}")
    return 1 if judged.violations else 0


def _play_beside(seed: int, chosen: argparse.Namespace) -> int:
    """In a process of its own: what a seed leaves open is gone with it."""
    command = [sys.executable, "-m", "tests.chaos", "--seeds", str(seed)]
    command += ["--seconds", str(chosen.seconds), "--folder", str(chosen.folder)]
    done = subprocess.run(command, cwd=CHECKOUT, check=False, stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="", flush=True)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
