"""Commands that tell a post what to do: decide a review, run again, pause, resume, cancel."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shared.cli import control
from shared.cli.options import STEER, Data, PostId, Reviewed, Url, finish
from shared.cli.place import place_of
from shared.cli.terminal import out
from shared.local.layout import DEFAULT

app = typer.Typer()

Note = Annotated[str, typer.Option("--note", help="Why; kept with the decision.")]


@app.command(rich_help_panel=STEER)
def approve(
    post_id: PostId,
    stage: Reviewed,
    note: Note = "",
    edited: Annotated[
        Path | None,
        typer.Option("--edited", metavar="FILE", help="Your version of it, used from here on."),
    ] = None,
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """Accept what a stage made, as it is or as you edited it; the post goes on."""
    place = place_of(url, data)
    return finish(control.approve(out(), place, post_id, stage, note=note, edited=edited))


@app.command(rich_help_panel=STEER)
def reject(
    post_id: PostId,
    stage: Reviewed,
    note: Annotated[str, typer.Option("--note", help="What the stage has to change.")],
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """Refuse what a stage made; it runs again and is told your note."""
    return finish(control.reject(out(), place_of(url, data), post_id, stage, note=note))


@app.command(rich_help_panel=STEER)
def retry(post_id: PostId, url: Url = "", data: Data = Path(DEFAULT)) -> int:
    """Go on with every stage that is not done, also after a failure; what was paid for is free."""
    return finish(control.act(out(), place_of(url, data), post_id, lambda to: to.run(post_id)))


@app.command(rich_help_panel=STEER)
def rerun(
    post_id: PostId,
    stage: Annotated[str, typer.Argument(metavar="STAGE", help="The stage to run again.")],
    *,
    cascade: Annotated[
        bool, typer.Option("--cascade", help="Run what follows it again as well.")
    ] = False,
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """Make one stage's result anew; what rests on it is marked stale."""
    named, place = control.stage_of(stage), place_of(url, data)
    return finish(
        control.act(out(), place, post_id, lambda to: to.rerun(post_id, named, cascade=cascade))
    )


@app.command(rich_help_panel=STEER)
def pause(post_id: PostId, url: Url = "", data: Data = Path(DEFAULT)) -> int:
    """Stop at the end of the stage that is running."""
    return finish(control.act(out(), place_of(url, data), post_id, lambda to: to.pause(post_id)))


@app.command(rich_help_panel=STEER)
def resume(post_id: PostId, url: Url = "", data: Data = Path(DEFAULT)) -> int:
    """Go on after a pause."""
    return finish(control.act(out(), place_of(url, data), post_id, lambda to: to.resume(post_id)))


@app.command(rich_help_panel=STEER)
def cancel(post_id: PostId, url: Url = "", data: Data = Path(DEFAULT)) -> int:
    """Stop now; `galley retry` takes it up again where it stopped."""
    return finish(control.act(out(), place_of(url, data), post_id, lambda to: to.cancel(post_id)))
