"""Rules: read, edited, compared and restored; every run is told which version it works by."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from shared.domain.events import StageRequested
from shared.domain.values import ORDER, Stage

if TYPE_CHECKING:
    from uuid import UUID

    from tests.unit.gateway.conftest import House

MOST = 64 * 1024


async def edited(house: House, stage: str, content: str, by: str = "local") -> dict[str, Any]:
    body, shown = {"content": content}, house.key(by)
    answer = await house.client.put(f"/api/rules/{stage}", json=body, headers=shown)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def asked_of(house: House, post: UUID) -> list[tuple[Stage, int | None]]:
    """Every run that was asked for, and the rules it was pinned to."""
    history = await house.events.read(house.ref(post))
    facts = [fact for _, fact in history.flow]
    return [(fact.stage, fact.rules) for fact in facts if isinstance(fact, StageRequested)]


async def test_untouched_rules_are_the_shipped_ones(house: House) -> None:
    listed = (await house.client.get("/api/rules")).json()
    assert [each["stage"] for each in listed] == list(ORDER)
    assert {(each["source"], each["version"]) for each in listed} == {("shipped", 0)}
    assert all("content" not in each and each["size"] > 1_000 for each in listed)
    for each in listed:
        assert each.pop("unreadable") is None
        answer = await house.client.get(f"/api/rules/{each['stage']}")
        assert answer.json() == each | {"content": house.gateway.shipped[each["stage"]]}
        assert answer.headers["etag"] == '"0"'


async def test_an_edit_is_in_force_at_once(house: House) -> None:
    rules = await edited(house, "write", "Be brief. Größe: ß\n", by="Ada")
    assert (rules["source"], rules["content"]) == ("edited", "Be brief. Größe: ß\n")
    assert rules["size"] == len("Be brief. Größe: ß\n".encode())
    answer = await house.client.get("/api/rules/write")
    assert answer.json() == rules
    assert answer.headers["etag"] == f'"{rules["version"]}"'
    listed = {each["stage"]: each for each in (await house.client.get("/api/rules")).json()}
    assert listed["write"]["source"] == "edited"
    assert listed["edit"]["source"] == "shipped"


async def test_every_version_is_kept(house: House) -> None:
    first = await edited(house, "write", "One", by="Ada")
    house.later(hours=1)
    second = await edited(house, "write", "Two")
    history = (await house.client.get("/api/rules/write/history")).json()["items"]
    assert [each["version"] for each in history] == [second["version"], first["version"]]
    assert [each["actor"] for each in history] == ["local", "Ada"]
    assert history[0]["at"] > history[1]["at"]
    old = await house.client.get(f"/api/rules/write/versions/{first['version']}")
    assert old.json() == first


async def test_history_is_paged_and_every_version_of_it_is_compared_and_restored(
    house: House,
) -> None:
    made = [await edited(house, "write", f"Text {n}") for n in range(5)]
    seen = list[int]()
    cursor: str | None = ""
    while cursor is not None:
        page = (await house.client.get(f"/api/rules/write/history?limit=2{cursor}")).json()
        seen += [each["version"] for each in page["items"]]
        cursor = f"&cursor={page['next']}" if page["next"] else None
    assert seen == [each["version"] for each in reversed(made)]
    diff = await house.client.get(f"/api/rules/write/diff?from={seen[-1]}&to={seen[0]}")
    assert "-Text 0" in diff.json()["diff"]
    body = {"version": seen[-1]}
    restored = await house.client.post("/api/rules/write/restore", json=body)
    assert restored.json()["content"] == "Text 0"


async def test_damaged_rules_leave_the_last_good_ones_in_force_and_can_be_replaced(
    house: House,
) -> None:
    good = (await edited(house, "research", "Good."))["version"]
    bad = await house.events.keep("docs.main.rules.research", b'{"S3CRET": 1}', good)
    answer = await house.client.get("/api/rules/research")
    assert (answer.json()["content"], answer.headers["etag"]) == ("Good.", f'"{bad}"')
    assert str(bad) in answer.headers["galley-warning"]
    post = await house.posted()
    assert (Stage.RESEARCH, good) in await asked_of(house, post)
    listed = (await house.client.get("/api/rules/research/history")).json()["items"]
    assert [each["source"] for each in listed] == ["unreadable", "edited"]
    broken = await house.client.get(f"/api/rules/research/versions/{bad}")
    assert (broken.status_code, broken.json()["code"]) == (500, "malformed")
    await house.client.post("/api/rules/research/restore", json={"version": good})
    assert "galley-warning" not in (await house.client.get("/api/rules/research")).headers
    await edited(house, "research", "Better.")


@pytest.mark.parametrize(
    ("data", "why"), [(b'{"S3CRET": 1}', "damaged"), (b'{"schema_version": 99}', "newer")]
)
async def test_the_list_names_what_stands_above_the_rules_in_force_and_cannot_be_read(
    house: House, data: bytes, why: str
) -> None:
    good = (await edited(house, "research", "Good."))["version"]
    bad = await house.events.keep("docs.main.rules.research", data, good)
    lost = await house.events.keep("docs.main.rules.write", data, 0)
    listed = {each["stage"]: each for each in (await house.client.get("/api/rules")).json()}
    told = {stage: each["unreadable"] for stage, each in listed.items() if each["unreadable"]}
    assert told == {
        "research": {"version": bad, "why": why},
        "write": {"version": lost, "why": why},
    }
    assert (listed["research"]["version"], listed["write"]["version"]) == (good, 0)


async def test_a_version_belongs_to_one_stage(house: House) -> None:
    rules = await edited(house, "write", "One")
    for stage, version in (("edit", rules["version"]), ("write", rules["version"] + 1)):
        answer = await house.client.get(f"/api/rules/{stage}/versions/{version}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
        body = {"version": version}
        answer = await house.client.post(f"/api/rules/{stage}/restore", json=body)
        assert answer.status_code == 404


async def test_a_post_is_no_version_of_the_rules(house: House) -> None:
    await house.posted()
    assert (await house.client.get("/api/rules/write/versions/1")).status_code == 404


async def test_two_versions_are_compared_line_by_line(house: House) -> None:
    first = await edited(house, "write", "a\nb\nc\n")
    second = await edited(house, "write", "a\nB\nc\n")
    sides = {"from": first["version"], "to": second["version"]}
    told = (await house.client.get("/api/rules/write/diff", params=sides)).json()
    assert told["diff"].splitlines() == [
        f"--- write/{first['version']}",
        f"+++ write/{second['version']}",
        "@@ -1,3 +1,3 @@",
        " a",
        "-b",
        "+B",
        " c",
    ]


async def test_without_sides_the_shipped_rules_are_compared_with_those_in_force(
    house: House,
) -> None:
    assert (await house.client.get("/api/rules/write/diff")).json()["diff"] == ""
    shipped = house.gateway.shipped[Stage.WRITE]
    rules = await edited(house, "write", f"{shipped}\nOne more line.\n")
    told = (await house.client.get("/api/rules/write/diff")).json()
    assert (told["from_version"], told["to_version"]) == ("shipped", str(rules["version"]))
    assert "+One more line." in told["diff"].splitlines()


async def test_texts_of_lines_that_come_again_and_again_are_compared(house: House) -> None:
    first = await edited(house, "write", "".join(f"{n % 199}\n" for n in range(1_900)))
    await edited(house, "write", "".join(f"{(n * 7) % 199}\n" for n in range(1_900)))
    sides = {"from": first["version"]}
    answer = await house.client.get("/api/rules/write/diff", params=sides)
    assert answer.status_code == 200
    assert answer.json()["diff"]


async def test_an_earlier_version_is_put_in_force_again(house: House) -> None:
    first = await edited(house, "write", "One")
    await edited(house, "write", "Two")
    body = {"version": first["version"]}
    answer = await house.client.post("/api/rules/write/restore", json=body)
    now = answer.json()
    assert (answer.status_code, now["content"], now["source"]) == (200, "One", "edited")
    assert now["version"] > first["version"]


async def test_the_shipped_rules_are_put_in_force_again(house: House) -> None:
    rules = await edited(house, "write", "One")
    answer = await house.client.post("/api/rules/write/restore", json={"version": "shipped"})
    now = answer.json()
    assert (now["source"], now["content"]) == ("shipped", house.gateway.shipped[Stage.WRITE])
    assert now["version"] > rules["version"]
    history = (await house.client.get("/api/rules/write/history")).json()["items"]
    assert [each["source"] for each in history] == ["shipped", "edited"]
    assert (await house.client.get("/api/rules/write/diff")).json()["diff"] == ""
    assert await asked_of(house, await house.posted()) == [(Stage.RESEARCH, None)]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "  \n\t ",
        "a\x00b",
        "\u001d",
        "S3CRET" * MOST,
        "ß" * (MOST + 1),
        "\n" * 6_000 + "x",
        None,
        1,
    ],
)
async def test_rules_that_cannot_be_used_are_refused(house: House, content: Any) -> None:
    answer = await house.client.put("/api/rules/write", json={"content": content})
    assert answer.status_code == 422
    assert "S3CRET" not in answer.text
    assert not house.events.messages


async def test_the_longest_rules_are_kept(house: House) -> None:
    for character in ("x", "\u0001", "\U0001f415"):
        rules = await edited(house, "write", character * MOST)
        assert rules["content"] == character * MOST


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/rules/publish"),
        ("PUT", "/api/rules/publish"),
        ("GET", "/api/rules/publish/history"),
        ("GET", "/api/rules/write/versions/0"),
        ("GET", "/api/rules/write/versions/-1"),
        ("GET", "/api/rules/write/versions/x"),
        ("GET", f"/api/rules/write/versions/{2**64}"),
        ("GET", "/api/rules/write/diff?from=x"),
        ("GET", "/api/rules/write/diff?from=0"),
        ("GET", "/api/rules/write/diff?form=1"),
        ("GET", f"/api/rules/write/diff?to={'9' * 30}"),
        ("POST", "/api/rules/write/restore"),
    ],
)
async def test_what_names_no_rules_is_refused(house: House, method: str, path: str) -> None:
    body = {"content": "x"} if method == "PUT" else None
    answer = await house.client.request(method, path, json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("version", ["latest", 0, -1, 2**64, "7", None, True, [1]])
async def test_what_is_no_version_is_not_restored(house: House, version: Any) -> None:
    answer = await house.client.post("/api/rules/write/restore", json={"version": version})
    assert answer.status_code == 422


async def test_two_edits_of_one_version_leave_one(house: House) -> None:
    seen = {"If-Match": '"0"'}
    asking = [
        house.client.put("/api/rules/write", json={"content": text}, headers=seen)
        for text in ("One", "Two", "Three")
    ]
    answers = await asyncio.gather(*asking)
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]


async def test_the_same_key_edits_once(house: House) -> None:
    key, body = {"Idempotency-Key": "k"}, {"content": "One"}
    first = await house.client.put("/api/rules/write", json=body, headers=key)
    await edited(house, "write", "Two")
    again = await house.client.put("/api/rules/write", json=body, headers=key)
    assert again.text == first.text
    assert (await house.client.get("/api/rules/write")).json()["content"] == "Two"


async def test_a_new_post_runs_by_the_rules_in_force_to_its_end(house: House) -> None:
    write = (await edited(house, "write", "One"))["version"]
    post = await house.posted()
    await house.complete(post, Stage.RESEARCH)
    await edited(house, "write", "Two")
    await edited(house, "edit", "New")
    await house.complete(post, Stage.OUTLINE, Stage.WRITE, Stage.EDIT)
    runs = dict(await asked_of(house, post))
    assert runs == dict.fromkeys(ORDER[:5]) | {Stage.WRITE: write}


@pytest.mark.parametrize(
    "path", ["run", "run-all", "run?stage=research", "rerun/research", "restart"]
)
async def test_every_start_takes_the_rules_in_force(house: House, path: str) -> None:
    post = await house.posted()
    await house.client.post(f"/api/posts/{post}/cancel")
    version = (await edited(house, "research", "New"))["version"]
    answer = await house.client.post(f"/api/posts/{post}/{path}")
    assert answer.status_code == 202, answer.text
    assert (await asked_of(house, post))[-1] == (Stage.RESEARCH, version)


async def test_a_resumed_pipeline_goes_on_by_the_rules_it_began_with(house: House) -> None:
    post = await house.posted()
    await house.client.post(f"/api/posts/{post}/pause")
    await house.complete(post, Stage.RESEARCH)
    await edited(house, "outline", "New")
    await house.client.post(f"/api/posts/{post}/resume")
    assert (await asked_of(house, post))[-1] == (Stage.OUTLINE, None)
