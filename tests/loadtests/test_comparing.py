"""Two revisions are compared figure by figure, and nothing of it stays."""

import subprocess
import sys
from pathlib import Path

import pytest

from loadtests import CHECKOUT
from loadtests.compare.figures import Figure
from loadtests.compare.revisions import (
    Part,
    Side,
    Turn,
    compare,
    environment_of,
    problems_of,
    same_locks,
    worktree,
)


def turn(rate: float, **others: float) -> Turn:
    figures = [Figure("burst", "fires", rate, "/s")]
    figures += [Figure("burst", name, value, "ms") for name, value in others.items()]
    return Turn(scenarios={"burst": Part(figures=figures, problems=[])})


def worktrees() -> list[str]:
    """Where they lie; what is checked out there may change meanwhile."""
    ask = ["git", "worktree", "list", "--porcelain"]
    listed = subprocess.run(ask, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if line.startswith("worktree ")]


def test_medians_and_their_ratio() -> None:
    (one,) = compare([turn(90), turn(100), turn(140)], [turn(300), turn(150), turn(120)])

    assert (one.base, one.head, one.ratio) == (100, 150, 1.5)
    assert one.spread == 1.2


def test_a_difference_is_clear_when_it_is_larger_than_the_spread() -> None:
    (clear,) = compare([turn(99), turn(101)], [turn(199), turn(201)])
    (unclear,) = compare([turn(50), turn(150)], [turn(100), turn(201)])

    assert clear.is_clear
    assert not unclear.is_clear


def test_only_what_both_have_is_compared() -> None:
    compared = compare([turn(1, old=1.0)], [turn(1, new=1.0)])

    assert [one.name for one in compared] == ["fires"]


def test_nothing_has_no_ratio() -> None:
    (one,) = compare([turn(0)], [turn(5)])

    assert one.ratio is None
    assert not one.is_clear


def test_problems_of_any_turn_are_told() -> None:
    bad = Turn(scenarios={"burst": Part(figures=[], problems=["1 fires lost"])})

    assert problems_of([turn(1), bad]) == ["1 fires lost"]


@pytest.mark.usefixtures("starts_processes")
def test_a_worktree_has_our_scenarios_and_is_removed() -> None:
    before = worktrees()
    with worktree("HEAD") as checkout:
        ours = (CHECKOUT / "loadtests" / "bench.py").read_bytes()
        assert (checkout / "loadtests" / "bench.py").read_bytes() == ours
        assert (checkout / "app" / "api.py").exists()
        assert f"worktree {checkout}" in worktrees()

    assert not checkout.parent.exists()
    assert worktrees() == before


@pytest.mark.usefixtures("starts_processes")
def test_a_worktree_is_removed_after_a_failure() -> None:
    before = worktrees()
    with pytest.raises(RuntimeError, match="spoilt"), worktree("HEAD"):
        raise RuntimeError("spoilt")

    assert worktrees() == before


@pytest.mark.usefixtures("starts_processes")
def test_an_unknown_revision_leaves_nothing() -> None:
    before = worktrees()
    with pytest.raises(subprocess.CalledProcessError), worktree("no-such-revision"):
        pass

    assert worktrees() == before


@pytest.mark.usefixtures("starts_processes")
def test_the_environment_is_shared_only_with_equal_locks() -> None:
    with worktree("HEAD") as checkout:
        (checkout / "locks" / "run.txt").write_bytes((CHECKOUT / "locks/run.txt").read_bytes())
        (checkout / "locks" / "dev.txt").write_bytes((CHECKOUT / "locks/dev.txt").read_bytes())
        assert same_locks(checkout)
        (checkout / "locks" / "run.txt").write_text("other==1\n")
        assert not same_locks(checkout)


@pytest.mark.usefixtures("starts_processes")
def test_a_side_runs_its_own_code() -> None:
    with worktree("HEAD") as checkout:
        side = Side(name="base", checkout=checkout, python=Path(sys.executable))
        found = subprocess.run(
            [sys.executable, "-P", "-c", "import app, loadtests; print(app, loadtests.CHECKOUT)"],
            env=environment_of(side),
            cwd=checkout,
            capture_output=True,
            text=True,
            check=True,
        )

    assert found.stdout.count(str(checkout)) == 2
