"""What the pages name is there: links, anchors, files, commands, settings, metrics, errors."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import click
import pytest

from app.cli import main
from app.responses.problems import problem
from app.settings import PREFIX, Settings
from tests.docs.pages import anchor_of, headings, pages, prose
from tests.docs.reference import errors
from tests.docs.reference.metrics import families
from tests.docs.reference.rooms import tracked
from tests.processes import CHECKOUT

LINK = re.compile(r"\]\(([^)\s]+)\)")
NAMED = re.compile(r"`([\w./-]+)`")
TESTED = re.compile(r"`(tests/[\w/]+\.py)::")
OURS = {PurePosixPath(path).parts[0] for path in tracked() if "/" in path}
"""Folders at the top of the repository."""
MADE = {"loadtests/results", "tests/clients/build"}
"""Folders that programs make."""
OTHER_SETTINGS = {"TOCSIN_SIGNING_SECRET"}
"""What the receivers of `docs/how-to` read."""
LOADTEST = "TOCSIN_LOADTEST_"
HISTORY = {"CHANGELOG.md"}
"""What it says is of its time."""


@pytest.mark.parametrize("page", pages())
def test_links_lead_somewhere(page: str) -> None:
    broken = [link for link in LINK.findall(prose(page)) if not leads_somewhere(page, link)]
    assert broken == []


def leads_somewhere(page: str, link: str) -> bool:
    if link.startswith(("https://", "http://127.0.0.1")):
        return True
    path, _, anchor = link.partition("#")
    there = (CHECKOUT / page).parent / path if path else CHECKOUT / page
    if not there.exists():
        return False
    named = str(there.resolve().relative_to(CHECKOUT))
    return not anchor or anchor in {anchor_of(heading) for heading in headings(named)}


@pytest.mark.parametrize("page", [page for page in pages() if page not in HISTORY])
def test_files_that_are_named_are_there(page: str) -> None:
    text = prose(page)
    named = {path for path in NAMED.findall(text) + TESTED.findall(text) if is_of_ours(path)}
    assert {path for path in named if not (CHECKOUT / path).exists()} - MADE == set()


def is_of_ours(named: str) -> bool:
    return "/" in named and named.partition("/")[0] in OURS


def test_what_make_is_told_there_are_targets_for() -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for page in set(pages()) - HISTORY:
        told = re.findall(r"(?:`|^)make ([a-z-]+)", (CHECKOUT / page).read_text(), re.MULTILINE)
        assert set(told) <= targets, page


def test_commands_of_tocsin_are_there() -> None:
    for page in set(pages()) - HISTORY:
        for words in re.findall(r"`tocsin ([a-z][^`]*)`", prose(page)):
            command: click.Command = main
            for word in words.split():
                if word.startswith("--"):
                    known = {name for one in command.params for name in one.opts}
                    assert word in known, f"{page}: tocsin {words}"
                elif isinstance(command, click.Group):
                    assert word in command.commands, f"{page}: tocsin {words}"
                    command = command.commands[word]


def test_settings_metrics_and_errors_are_there() -> None:
    settings = {PREFIX + name.upper() for name in Settings.__struct_fields__} | OTHER_SETTINGS
    problems = {problem(status, "", title).type for status, title in errors.MEANINGS}
    for page in set(pages()) - HISTORY:
        text = (CHECKOUT / page).read_text()
        named = set(re.findall(rf"\b{PREFIX}[A-Z_]*[A-Z]\b", text))
        assert {one for one in named if not one.startswith(LOADTEST)} <= settings, page
        assert set(re.findall(r"`(tocsin_[a-z_]+)", text)) <= families().keys(), page
        assert set(re.findall(r"urn:tocsin:problem:[a-z-]+", text)) <= problems, page


def test_every_page_can_be_found() -> None:
    """From the README, by links."""
    found, seen = ["README.md"], set()
    while found:
        page = found.pop()
        if page in seen:
            continue
        seen.add(page)
        for link in LINK.findall(prose(page)):
            path = ((CHECKOUT / page).parent / link.partition("#")[0]).resolve()
            if path.suffix == ".md" and path.exists():
                found.append(str(path.relative_to(CHECKOUT)))
            elif path.is_dir() and path.is_relative_to(CHECKOUT / "docs"):
                found += [str(one.relative_to(CHECKOUT)) for one in path.glob("*.md")]
    assert set(tracked("docs/*.md")) <= seen
