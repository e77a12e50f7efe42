"""Ready: front matter before the approved text, pictures in it, and not a word of it changed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ready.pictures import Picture, illustrated
from services.ready.stage import ready
from shared.content.frontmatter import split
from shared.content.html import to_html
from shared.content.text import tidy
from shared.domain.values import PostConfig, Stage
from shared.errors import Permanent
from tests.unit.stages.desk import PaperDesk

ARTICLE = (
    "# Puppies: A Start\n\nHello there.\n\n## Sleep\n\n- a list first\n\n"
    "Then text.\nMore of it.\n\n"
    "## Food\n### Dry\n\n> quoted\n\nFeed them.\n- now\n\n## Empty\n\n```\ncode\n```\n"
)
DESCRIPTION = "Puppies need rest, food and patience. " * 4
FRONT = {
    "title": "Other",
    "description": DESCRIPTION.strip(),
    "category": "Dogs",
    "tags": ["puppy"],
}


def picture(
    name: str, section: str = "", *, featured: bool = False, **more: object
) -> dict[str, object]:
    return {
        "filename": name,
        "type": "featured" if featured else "content",
        "generated": True,
        "alt_text": f"Alt of {name}",
        "placement": {"after_section": section},
        **more,
    }


MANIFEST = json.dumps(
    {
        "images": [
            picture("f-1.webp", featured=True),
            picture("s-2.webp", "Sleep"),
            picture("d-3.webp", "FOOD!"),
            picture("gone-4.webp", "Food", generated=False),
        ]
    }
)


def desk_with(
    answer: object = FRONT, manifest: str = MANIFEST, article: str = ARTICLE
) -> PaperDesk:
    told = answer if isinstance(answer, str) else json.dumps(answer)
    return PaperDesk(
        {"front-matter": told, "front-matter-again": json.dumps(FRONT)},
        {Stage.EDIT: article, Stage.IMAGES: manifest},
        config=PostConfig(topic="T", slug="puppies", website_url="https://www.dogs.example/x"),
    )


async def test_the_article_comes_out_with_front_matter_and_pictures_in_place():
    desk = desk_with()
    work = await ready(desk)
    fields, body = split(work.output)
    assert fields == {
        "title": "Puppies: A Start",
        "slug": "puppies",
        "description": DESCRIPTION.strip(),
        "date": "2026-11-23",
        "author": "dogs.example",
        "category": "Dogs",
        "tags": ("puppy",),
        "featuredImage": "media/f-1.webp",
        "featuredImageAlt": "Alt of f-1.webp",
        "published": True,
    }
    assert "More of it.\n\n![Alt of s-2.webp](media/s-2.webp)\n\n## Food" in body
    assert "Feed them.\n\n![Alt of d-3.webp](media/d-3.webp)\n\n- now" in body
    assert "gone-4" not in work.output
    assert work.warnings == ()
    assert (len(desk.asking), desk.lines) == (1, [])
    assert work.summary == "Article ready: 2 images placed, featured image set"


async def test_the_models_places_win_where_the_article_has_such_a_section():
    places = [
        {"filename": "s-2.webp", "after_section": "Empty"},
        {"filename": "d-3.webp", "after_section": "Nowhere"},
        {"filename": "x", "after_section": ""},
    ]
    work = await ready(desk_with({**FRONT, "placements": places}))
    assert "## Empty\n\n![Alt of s-2.webp](media/s-2.webp)\n\n```" in work.output
    assert "Feed them.\n\n![Alt of d-3.webp]" in work.output


async def test_a_picture_without_a_section_stands_after_the_introduction():
    work = await ready(desk_with(manifest=json.dumps({"images": [picture("a.webp", "Nowhere")]})))
    assert "Hello there.\n\n![Alt of a.webp](media/a.webp)\n\n## Sleep" in work.output
    assert work.warnings == (
        "There is no featured image",
        "Images without a section stand after the introduction: a.webp",
    )


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "Sure!",
        "{",
        "[]",
        {"title": "x"},
        {**FRONT, "description": "Too short."},
        {**FRONT, "description": "long " * 100},
        {**FRONT, "tags": 5},
    ],
)
async def test_bad_front_matter_is_asked_for_once_more(bad):
    desk = desk_with(bad)
    work = await ready(desk)
    assert split(work.output)[0]["description"] == DESCRIPTION.strip()
    assert "could not be used" in desk.asked["front-matter-again"].prompt


async def test_twice_no_front_matter_is_a_failure():
    desk = desk_with("nothing")
    desk.answers["front-matter-again"] = "nothing again"
    with pytest.raises(Permanent) as failed:
        await ready(desk)
    assert (failed.value.code, failed.value.raw) == ("unusable_front_matter", "nothing again")


async def test_a_description_that_stays_too_short_is_kept_with_a_warning():
    desk = desk_with({**FRONT, "description": "Short."})
    desk.answers["front-matter-again"] = json.dumps({**FRONT, "description": "Short."})
    assert "6 characters" in (await ready(desk)).warnings[0]


async def test_hostile_front_matter_is_only_text():
    evil = {
        **FRONT,
        "category": 'a"\n---\npublished: false\n<script>',
        "tags": ["x\ny: z", "", "x"] * 9,
    }
    work = await ready(desk_with(evil))
    fields, body = split(work.output)
    assert fields["category"] == 'a" --- published: false <script>'
    assert fields["published"] is True
    assert fields["tags"] == ("x y: z", "x")
    assert body.startswith("# Puppies")


@pytest.mark.parametrize("manifest", ["{", "[]", '{"images": 3}', "not json at all"])
async def test_a_manifest_broken_by_hand_fails_before_anything_is_paid(manifest):
    desk = desk_with(manifest=manifest)
    with pytest.raises(Permanent, match="manifest"):
        await ready(desk)
    assert desk.asked == {}


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a/b.webp", "", "x y.webp", ".hidden", "a\nb", "a)b"]
)
async def test_a_file_name_that_is_a_path_is_not_shown(name):
    work = await ready(
        desk_with(manifest=json.dumps({"images": [picture(name, "Food", featured=True)]}))
    )
    assert split(work.output)[0]["featuredImage"] == ""
    assert "![" not in work.output


async def test_without_pictures_the_article_is_ready_all_the_same():
    desk = desk_with(manifest="")
    assert split((await ready(desk)).output)[1] == ARTICLE.strip()
    assert "MANIFEST" not in desk.asked["front-matter"].prompt


async def test_without_an_article_there_is_nothing_to_make_ready():
    with pytest.raises(Permanent, match="no edited article"):
        await ready(desk_with(article=" \n"))


async def test_what_a_person_wrote_as_front_matter_stands():
    article = f"---\ntitle: Mine\nauthor: Ann\nslug: other\npublished: false\n---\n\n{ARTICLE}"
    fields, body = split((await ready(desk_with(article=article))).output)
    assert (fields["title"], fields["author"]) == ("Mine", "Ann")
    assert (fields["slug"], fields["published"]) == ("puppies", True)
    assert body.startswith("# Puppies")


def test_an_alt_text_cannot_break_out_of_its_picture():
    shown = Picture("a.webp", "x](javascript:alert(1)) <b> `c` \\", featured=False, section="")
    html = to_html(illustrated("Text.", [shown], {})[0])
    assert html.count("<img") == 1
    assert "<a" not in html
    assert 'alt="x](javascript:alert(1)) &lt;b&gt; `c` \\"' in html


blocks = st.sampled_from(
    [
        "# Top",
        "## Sleep",
        "## Food",
        "### Part",
        "Words and words.\nMore.",
        "- a\n- b",
        "> q",
        "---",
        "```\n## not a heading\n```",
        "| a |\n|---|\n| b |",
        "Set\n---",
        "![own](x.png)",
        "    code",
        "",
        "text\n- list",
        "<div>\n\n</div>",
        "[r]: https://a.example",
        "1. x\n\n   y",
    ]
)
articles = st.lists(blocks | st.text(max_size=30), max_size=14).map("\n\n".join).map(tidy)
shown = st.lists(st.sampled_from(["Sleep", "food", "Part", "", "Nowhere"]), max_size=5)


@given(articles, shown)
def test_without_the_lines_of_pictures_the_text_is_the_approved_one(article, places):
    pictures = [
        Picture(f"p-{n}.webp", "Alt", featured=False, section=s) for n, s in enumerate(places)
    ]
    placed, _ = illustrated(article, pictures, {})
    ours = {each.markdown for each in pictures}
    before = [line for line in article.split("\n") if line.strip()]
    after = [line for line in placed.split("\n") if line.strip() and line not in ours]
    assert after == before
    assert sum(line in ours for line in placed.split("\n")) == len(ours)
    inserted = len(placed.split("\n")) - len(article.split("\n"))
    assert inserted <= 3 * len(ours)


@given(articles, shown)
def test_pictures_change_nothing_else_of_what_a_reader_sees(article, places):
    pictures = [
        Picture(f"p-{n}.webp", "Alt", featured=False, section=s) for n, s in enumerate(places)
    ]
    html = to_html(illustrated(article, pictures, {})[0])
    for each in pictures:
        line = f'<p><img src="{each.path}" alt="Alt"></p>'
        assert html.count(line) == 1
        html = html.replace(line, "")
    assert "".join(html.split()) == "".join(to_html(article).split())
