"""Where a post stands, in the words of somebody who wants to know what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from shared.cli.terminal import one_line, say
from shared.cli.watched import COLOURS
from shared.content.links import links, page
from shared.content.measure import measure
from shared.domain.values import ORDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rich.console import Console

    from shared.cli.place import Place

MODEL_GONE = "not_found_error"
"""What a provider says of a model it does not have, or has no longer."""
NUMBERS = ("Tokens in", "out", "Seconds", "US$")


def stage_table(post: Mapping[str, Any]) -> Table:
    """One row per stage, where it stands and what its result took, and one for all of them.

    The bill for all holds failed and repeated calls too.
    """
    table = Table(
        "Stage", "Status", "Model", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False
    )
    for name in NUMBERS:
        table.add_column(name, justify="right", no_wrap=True)
    for stage in ORDER:
        status = post["stage_status"][stage]
        took = post["stage_logs"].get(stage)
        model = one_line(took["model"]) if took else ""
        style = COLOURS.get(status, "dim")
        state = Text(status + _gate(post, stage), style=style)
        table.add_row(stage, state, model, *(_numbers([took]) if took else ()))
    table.add_section()
    *sums, _ = _numbers(post["stage_logs"].values())
    table.add_row("all", "", "", *sums, f"{post['ledger']['settled_usd']:.4f}")
    return table


def _numbers(took: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    rows = list(took)
    tokens = (f"{sum(row[name] for row in rows):,}" for name in ("tokens_in", "tokens_out"))
    seconds, cost = (sum(row[name] for row in rows) for name in ("duration_s", "cost_usd"))
    return *tokens, f"{seconds:.1f}", f"{cost:.4f}"


def _gate(post: Mapping[str, Any], stage: str) -> str:
    """A gate still ahead, and whether the result is older than what it rests on."""
    gate = post["stage_settings"].get(stage, "auto")
    ahead = gate != "auto" and post["stage_status"][stage] in ("pending", "running")
    notes = [f"then {gate}"] if ahead else []
    notes += ["stale"] if stage in post["stale"] else []
    return "".join(f", {note}" for note in notes)


def summarize(console: Console, post: Mapping[str, Any], place: Place) -> None:
    """The table, what has been made, what it has cost, and what it waits for."""
    console.print(stage_table(post))
    for line in (*_made(post), *_paid(post)):
        say(console, line)
    for line in advice(post, place):
        say(console, line, "yellow" if post["waits_for"] == "person" else "red")


def _made(post: Mapping[str, Any]) -> Iterable[str]:
    article = post.get("final_md_content")
    if not article:
        return
    pages = {page(link.url) for link in links(article) if not link.picture}
    words = len(measure(article).words)
    yield f"{words:,} words, {len(pages)} linked sources, {_images(post)}."
    for stage, warnings in (post.get("warnings") or {}).items():
        for warning in warnings:
            yield f"Note on {stage}: {warning}"


def _images(post: Mapping[str, Any]) -> str:
    images = (post.get("image_manifest") or {}).get("images") or []
    made = sum(1 for image in images if isinstance(image, dict) and image.get("generated"))
    return f"{made} of {len(images)} images" if images else "no images yet"


def _paid(post: Mapping[str, Any]) -> Iterable[str]:
    book = post["ledger"]
    yield f"Paid ${book['settled_usd']:.4f}."
    for each in book["unconfirmed"]:
        call = f"{each['stage']}/{each['key']}"
        yield f"Not confirmed: {call} may have cost up to ${each['worst_case_usd']:.4f} more."


def advice(post: Mapping[str, Any], place: Place) -> Iterable[str]:
    """What keeps the post from being complete, and what to do; nothing for a complete one."""
    match post["waits_for"], post["current_stage"]:
        case "person", _:
            yield from _review(post, place)
        case "budget", stage:
            yield from _budget(post, stage, place)
        case _, "failed":
            yield from _failures(post, place)
        case _, "paused":
            yield f"It is paused. To go on: {place.command('resume', post['id'])}"
        case _, "cancelled":
            yield f"It was cancelled. To take it up again: {place.command('retry', post['id'])}"
        case _, "pending":
            run = place.command("retry", post["id"])
            yield f"Stages are left that nobody has asked for. To run them: {run}"
        case _:
            return


def _budget(post: Mapping[str, Any], stage: str, place: Place) -> Iterable[str]:
    waits = post["ledger"]["waits"] or {}
    yield f"{stage} waits: {waits.get('message', 'its budget has no room')}."
    match waits.get("scope"):
        case "post":
            raising = place.command("budget", "--post", f"{post['id']}=DOLLARS")
        case "profile":
            raising = place.command("budget", "--profile", f"{post['profile_id']}=DOLLARS")
        case _:
            raising = place.command("budget", "--day", "DOLLARS")
    yield f"It goes on by itself once there is room. To make room: {raising}"


def _review(post: Mapping[str, Any], place: Place) -> Iterable[str]:
    stage, mode = post["review"]["stage"], post["review"]["mode"]
    yield f"{stage} is done and waits for a person ({mode})."
    yield f"To approve it: {place.command('approve', post['id'], stage)}"
    again = place.command("reject", post["id"], stage, "--note", "what to change")
    yield f"To have it done again: {again}"


def _failures(post: Mapping[str, Any], place: Place) -> Iterable[str]:
    for failure in post["failures"]:
        tries = f" after {failure['attempts']} attempts" if failure["attempts"] > 1 else ""
        yield f"{failure['stage']} failed{tries} ({failure['code']}): {failure['message']}"
        if failure["code"] == MODEL_GONE:
            another = place.command("edit", post["id"], "--model", f"{failure['stage']}=MODEL")
            names = place.command("settings", "show")
            yield f"If its model is gone: {another} (the names: {names})"
    yield f"Once the cause is gone: {place.command('retry', post['id'])}"
