"""Budgets at the gateway: who is woken, and what dead workers left is finished."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from services.gateway.budgets.releasing import DEADLINE, release
from services.gateway.budgets.waking import fitting
from shared.domain.balances import EMPTY, Balance, attempt_of, encode_balance, reserve, usd
from shared.domain.budgets import day_budget, post_budget
from shared.domain.commands import ExceedBudget, WakeStage
from shared.domain.events import CallAbandoned, CallSettled, CallSettledLate, CallStarted
from shared.domain.values import Stage, Usage
from shared.eventlog import Append, Guarded
from shared.runtime.budgets import standing
from tests.unit.gateway.test_bad_input import clear

if TYPE_CHECKING:
    from uuid import UUID

    from shared.domain.budgets import BudgetName
    from shared.domain.post import Post
    from shared.domain.subjects import PostRef
    from tests.unit.gateway.conftest import House


async def refused(house: House, needed: float = 2.0) -> tuple[PostRef, Post]:
    """A post whose research waits for a budget."""
    post = await house.posted()
    run = await house.run(post)
    over = ExceedBudget(
        post_id=post,
        stage=Stage.RESEARCH,
        run=run,
        scope="day",
        needed_usd=needed,
        left_usd=1.0,
        cap_usd=5.0,
    )
    await house.done(over)
    return house.ref(post), (await house.events.read(house.ref(post))).post


async def test_of_many_that_wait_so_many_are_woken_as_fit_together(house: House) -> None:
    waiting = [await refused(house) for _ in range(4)]
    day = day_budget(house.at[0])
    caps = {ref: {day: usd(5)} for ref, _ in waiting}
    woken = fitting(waiting, caps, {day: EMPTY})
    assert [command for _, command in woken] == [
        WakeStage(post_id=ref.id, run=post.held.run) for ref, post in waiting[:2] if post.held
    ]


async def test_a_post_is_woken_only_when_every_budget_of_it_has_room(house: House) -> None:
    ref, post = await refused(house)
    day, own = day_budget(house.at[0]), post_budget(ref.id)
    balances = {day: EMPTY, own: Balance(spent_usd=usd(9))}
    assert fitting([(ref, post)], {ref: {day: usd(5), own: usd(10)}}, dict(balances)) == []
    assert fitting([(ref, post)], {ref: {day: usd(5), own: usd(11)}}, dict(balances)) != []
    assert fitting([(ref, post)], {ref: {}}, {}) != []


async def test_a_post_says_what_it_waits_for_and_how_much_is_missing(house: House) -> None:
    ref, _ = await refused(house, needed=7.0)
    waits = (await house.client.get(f"/api/posts/{ref.id}")).json()["ledger"]["waits"]
    assert (waits["scope"], waits["needed_usd"], waits["cap_usd"]) == ("day", 7.0, 5.0)
    assert "more than the whole budget of the day of $5.00" in waits["message"]
    running = await house.posted()
    read = (await house.client.get(f"/api/posts/{running}")).json()
    assert read["ledger"]["waits"] is None


# --- what is left held back --------------------------------------------------------------------


def call(post: UUID, house: House) -> dict[str, Any]:
    name = {"stage": Stage.RESEARCH, "run": 3, "key": "draft", "attempt": 1, "token": "t"}
    return {"post_id": post, "at": house.at[0], **name}


async def held_back(house: House) -> tuple[PostRef, BudgetName, CallStarted]:
    """A call that was claimed under the day's budget, by a worker that is no more."""
    ref, day = house.ref(await house.posted()), day_budget(house.at[0])
    about = {"provider": "perplexity", "model": "sonar", "request": "r", "worst_case_usd": 2.0}
    claim = CallStarted.model_validate({**call(ref.id, house), **about, "scopes": (str(day),)})
    data = encode_balance(reserve(EMPTY, attempt_of(claim), usd(2)))
    held = Guarded(subject=day.subject(ref.tenant), data=data)
    await house.events.append(Append(ref=ref, facts=[claim], also=[held]))
    return ref, day, claim


async def balance(house: House, name: BudgetName) -> Balance:
    return (await standing(house.events, house.gateway.tenant, [name]))[name].balance


def bill(ref: PostRef, house: House) -> dict[str, Any]:
    paid = {"provider": "perplexity", "usage": Usage(model="sonar"), "cost_usd": 0.25}
    return {**call(ref.id, house), **paid, "prices": "table"}


@pytest.mark.parametrize("late", [False, True])
async def test_a_bill_that_nobody_booked_is_booked_from_the_log(house: House, late: bool) -> None:
    ref, day, _ = await held_back(house)
    told = bill(ref, house)
    settled = {**told, "request": "r", "text": "t", "duration_s": 1.0}
    ends: list[Any] = [CallSettled.model_validate(settled)]
    if late:
        lost = {**call(ref.id, house), "reason": "drained", "worst_case_usd": 2.0}
        ends = [CallAbandoned.model_validate(lost), CallSettledLate.model_validate(told)]
    await house.events.append(Append(ref=ref, facts=ends))
    await release(house.gateway)
    await release(house.gateway)
    assert await balance(house, day) == Balance(spent_usd=usd(0.25))


async def test_a_call_under_way_stays_held_back(house: House) -> None:
    _, day, claim = await held_back(house)
    house.later(hours=10)
    await release(house.gateway)
    assert (await balance(house, day)).reserved == {attempt_of(claim): usd(2)}


async def test_a_call_of_a_deleted_post_counts_as_perhaps_paid_after_its_deadline(
    house: House,
) -> None:
    ref, day, claim = await held_back(house)
    assert (await house.client.delete(f"/api/posts/{ref.id}")).status_code == 204
    await release(house.gateway)
    assert (await balance(house, day)).reserved == {attempt_of(claim): usd(2)}
    house.at[0] += DEADLINE + timedelta(seconds=1)
    await release(house.gateway, [day])
    assert (await balance(house, day)).unconfirmed == {attempt_of(claim): usd(2)}


# --- how caps are set --------------------------------------------------------------------------


async def test_a_post_s_cap_is_set_changed_and_taken_back(house: House) -> None:
    post = await house.posted(budget_usd=2.5)
    url = f"/api/posts/{post}"
    assert (await house.client.get(url)).json()["budget_usd"] == 2.5
    assert (await house.client.patch(url, json={"budget_usd": 3})).json()["budget_usd"] == 3
    assert (await house.client.patch(url, json={"budget_usd": None})).json()["budget_usd"] is None


@pytest.mark.parametrize("amount", [0, -1, "5", 100_001, True, 1e12])
async def test_what_is_no_amount_is_refused(house: House, amount: object) -> None:
    for url in ("/api/posts", "/api/profiles"):
        body = {"topic": "T"} if url.endswith("posts") else {"name": "N"}
        clear(await house.client.post(url, json={**body, "budget_usd": amount}), 422)


async def test_a_profile_s_cap_is_not_that_of_each_of_its_posts(house: House) -> None:
    made = await house.client.post("/api/profiles", json={"name": "N", "budget_usd": 20})
    assert made.json()["budget_usd"] == 20
    post = await house.posted(profile_id=made.json()["id"])
    assert (await house.client.get(f"/api/posts/{post}")).json()["budget_usd"] is None


async def test_an_amount_in_a_table_may_have_cents(house: House) -> None:
    table = "topic,budget_usd\nOne,2.5\nTwo,3\n"
    headers = {"content-type": "text/csv"}
    answer = await house.client.post("/api/posts/batch", content=table, headers=headers)
    assert answer.status_code == 201
    found = [(await house.client.get(f"/api/posts/{each['id']}")).json() for each in answer.json()]
    assert [each["budget_usd"] for each in found] == [2.5, 3]
