"""Makes a value fit a JSON schema: what fits is kept, what is missing is filled in plausibly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.simulator.chance import Chance

type Schema = dict[str, Any]

_DEEPEST = 24
_SENTENCE = [
    "calm",
    "clear",
    "morning",
    "light",
    "over",
    "a",
    "quiet",
    "table",
    "with",
    "notes",
]
_ALIASES: tuple[frozenset[str], ...] = (
    frozenset({"alt", "alt_text", "alttext"}),
    frozenset({"ratio", "aspect_ratio", "aspectratio"}),
    frozenset({"size", "image_size", "imagesize"}),
    frozenset({"section", "after_section", "aftersection", "heading", "after_heading"}),
    frozenset({"kind", "type"}),
    frozenset({"tags", "keywords"}),
    frozenset({"description", "meta_description", "metadescription"}),
    frozenset({"placements", "images"}),
    frozenset({"index", "image", "number"}),
    frozenset({"featured_image_alt", "featuredimagealt"}),
)


def looks_like_manifest(schema: Schema) -> bool:
    """Whether the schema asks for images with a prompt and an alt text or a placement."""
    images = _properties(schema, schema).get("images")
    item = _resolved(images.get("items"), schema) if isinstance(images, dict) else {}
    names = set(_properties(item, schema))
    return "prompt" in names and bool(names & {"alt_text", "alt", "placement"})


def conform(value: object, schema: Schema, chance: Chance) -> object:
    """A value of the schema, as much of `value` in it as the schema has room for."""
    return _Filler(schema, chance).fit(value, schema, 0)


def _resolved(schema: object, root: Schema) -> Schema:
    for _ in range(_DEEPEST):
        if not isinstance(schema, dict):
            return {}
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema
        schema = _at(root, reference)
    return {}


def _at(root: Schema, reference: str) -> object:
    place: object = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        place = place.get(step) if isinstance(place, dict) else None
    return place


def _properties(schema: Schema, root: Schema) -> dict[str, Any]:
    found = _resolved(schema, root).get("properties")
    return found if isinstance(found, dict) else {}


class _Filler:
    def __init__(self, root: Schema, chance: Chance) -> None:
        self._root = root
        self._chance = chance

    def fit(self, value: object, told: object, depth: int) -> object:
        """The value if it fits, otherwise one that does."""
        schema = _resolved(told, self._root)
        if depth > _DEEPEST:
            return None
        if "const" in schema:
            return schema["const"]
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            options = schema["enum"]
            return value if value in options else self._chance.pick(options)
        for choice in ("anyOf", "oneOf", "allOf"):
            if isinstance(schema.get(choice), list) and schema[choice]:
                return self.fit(value, self._best(value, schema[choice]), depth + 1)
        return self._of_type(value, schema, depth)

    def _best(self, value: object, options: list[object]) -> object:
        fitting = [option for option in options if self._suits(value, option)]
        return (fitting or options)[0]

    def _suits(self, value: object, told: object) -> bool:
        schema = _resolved(told, self._root)
        if isinstance(schema.get("enum"), list):
            return value in schema["enum"]
        return _name(schema) == _kind(value)

    def _of_type(self, value: object, schema: Schema, depth: int) -> object:
        kind = _name(schema)
        if kind == "object":
            return self._object(value, schema, depth)
        if kind == "array":
            return self._array(value, schema, depth)
        if kind == _kind(value) or (kind == "number" and _kind(value) == "integer"):
            return value
        return self._made_up(kind, schema)

    def _object(self, value: object, schema: Schema, depth: int) -> dict[str, Any]:
        given = value if isinstance(value, dict) else {}
        properties = _properties(schema, self._root)
        return {
            name: self.fit(_under(given, name), part, depth + 1)
            for name, part in properties.items()
        }

    def _array(self, value: object, schema: Schema, depth: int) -> list[object]:
        given = value if isinstance(value, list) else [None, None]
        most, least = schema.get("maxItems"), schema.get("minItems")
        if isinstance(most, int):
            given = given[: max(0, most)]
        if isinstance(least, int):
            given = given + [None] * (min(least, 100) - len(given))
        return [self.fit(item, schema.get("items"), depth + 1) for item in given]

    def _made_up(self, kind: str, schema: Schema) -> object:
        match kind:
            case "string":
                return " ".join(self._chance.shuffled(_SENTENCE)[:5])
            case "integer" | "number":
                low = schema.get("minimum", 1)
                return low if isinstance(low, int | float) else 1
            case "boolean":
                return True
            case _:
                return None


def _name(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), "null")
    if kind is None:
        return "object" if "properties" in schema else "any"
    return str(kind)


def _kind(value: object) -> str:
    match value:
        case bool():
            return "boolean"
        case str():
            return "string"
        case int():
            return "integer"
        case float():
            return "number"
        case list():
            return "array"
        case dict():
            return "object"
        case _:
            return "null"


def _under(given: dict[str, Any], name: str) -> object:
    if name in given:
        return given[name]
    plain = name.lower()
    others = next((names for names in _ALIASES if plain in names), frozenset({plain}))
    return next((value for key, value in given.items() if key.lower() in others), None)
