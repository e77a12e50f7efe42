"""What the documents name is there: files, links, commands, modules, routes and tests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from typer.main import get_command

from services.gateway.app import ROUTERS
from shared.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
each_document = pytest.mark.parametrize(
    "path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)

FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^    .*$", re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
STANDS_IN = re.compile(r"(?:shared|services|tests|docs)/[\w./<>*-]*")
TEST = re.compile(r"\btest_\w+(?!\w*\.py)\b")
FUNCTION = re.compile(r"^\s*(?:async )?def (test_\w+)", re.MULTILINE)
MACHINE = re.compile(r"/(?:work|tmp|home|root|opt)/|file://|pypi\.|/simple\b")
MODULE_ROW = re.compile(r"^\| `((?:shared|services)/[\w/.<>]+)` \| (.+) \|$", re.MULTILINE)
STAGES = ("research", "outline", "write", "edit", "images", "ready")


def prose(path: Path) -> str:
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def code(path: Path) -> list[str]:
    """What stands between backquotes, in running text and tables."""
    return CODE.findall(prose(path))


def printed(path: Path) -> list[str]:
    """The lines of commands, continued ones joined."""
    lines = "\n".join(INDENTED.findall(path.read_text(encoding="utf-8")))
    return [line.strip() for line in lines.replace("\\\n", " ").splitlines()]


def paths(path: Path) -> Iterator[str]:
    """Every file and folder of ours that a document names, `<stage>` filled in."""
    for found in code(path):
        if named := STANDS_IN.fullmatch(found):
            for stage in STAGES if "<stage>" in found else [""]:
                yield named[0].replace("<stage>", stage)


def commands(path: Path, program: str) -> list[list[str]]:
    """The words after each `program` in a document's printed and quoted commands."""
    said = [line.split() for line in (*printed(path), *code(path))]
    found = [words for words in said if words and Path(words[0]).name == program]
    return [words[1:] for words in found if len(words) > 1]


def targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))


def routes() -> set[tuple[str, str]]:
    """Every method and path of the gateway, with `*` for what varies."""
    served = FastAPI()
    for router in ROUTERS:
        served.include_router(router)
    return {
        (method, re.sub(r"\{[^}]+\}", "*", path))
        for path, verbs in served.openapi()["paths"].items()
        for method in map(str.upper, verbs)
    }


def asked(line: str) -> tuple[str, str]:
    """Method and path of a printed curl command."""
    method = re.search(r"-X (\w+)", line)
    path = re.search(r"\$G(/\S+)", line)
    assert path, line
    return method[1] if method else "GET", path[1].replace("POST", "*")


def test_the_documents_are_there() -> None:
    names = {str(path.relative_to(ROOT)) for path in DOCUMENTS}
    assert {"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/seed-verification.md"} <= names


@each_document
def test_every_link_leads_somewhere(path: Path) -> None:
    lost = [
        target
        for target in LINK.findall(prose(path))
        if "://" not in target and not (path.parent / target.partition("#")[0]).exists()
    ]
    assert lost == []


@each_document
def test_every_path_that_is_named_exists(path: Path) -> None:
    assert [named for named in paths(path) if not (ROOT / named).exists()] == []


@each_document
def test_no_document_names_a_machine(path: Path) -> None:
    assert MACHINE.findall(path.read_text(encoding="utf-8")) == []


@each_document
def test_every_test_that_is_named_exists(path: Path) -> None:
    sources = "\n".join(each.read_text(encoding="utf-8") for each in ROOT.glob("tests/**/*.py"))
    named = {word for found in code(path) for word in TEST.findall(found)}
    modules = {each.stem for each in ROOT.glob("tests/**/*.py")}
    assert named - set(FUNCTION.findall(sources)) - modules == set()


@each_document
def test_every_make_command_is_a_target(path: Path) -> None:
    assert {words[0] for words in commands(path, "make")} <= targets()


@each_document
def test_every_galley_command_and_option_is_known(path: Path) -> None:
    for words in commands(path, "galley"):
        command, rest = get_command(app), words
        while within := getattr(command, "commands", None):
            if rest == ["--help"]:
                break
            assert rest, words
            assert rest[0] in within, words
            command, rest = within[rest[0]], rest[1:]
        known = {option for each in command.params for option in each.opts} | {"--help"}
        assert {word for word in rest if word.startswith("--")} <= known


def test_the_readme_begins_with_its_two_commands() -> None:
    first, second = printed(ROOT / "README.md")[:2]
    assert first.startswith('make demo TOPIC="')
    assert second == "make test"


def test_the_readme_fits_on_a_screen_or_so() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 90
    assert max(map(len, lines)) <= 105


def test_every_curl_line_of_the_readme_asks_for_something_the_gateway_serves() -> None:
    lines = [line for line in printed(ROOT / "README.md") if line.startswith("curl")]
    assert len(lines) == 5
    assert {asked(line) for line in lines} <= routes()


def test_the_architecture_speaks_of_every_part_of_the_code() -> None:
    rows = dict(MODULE_ROW.findall((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")))
    folders = {
        f"{path.parent.relative_to(ROOT)}/"
        for path in [*ROOT.glob("shared/*/__init__.py"), *ROOT.glob("services/*/__init__.py")]
    }
    stages = {f"services/{stage}/" for stage in STAGES}
    assert (folders - stages) | {"services/<stage>/"} <= rows.keys()


def test_decisions_are_numbered_without_a_gap_and_have_every_part() -> None:
    pages = sorted((ROOT / "docs/adr").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {int(page.name[:4])}. ")
        parts = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert parts == ["Context", "Decision", "Consequences", "Alternatives"]
