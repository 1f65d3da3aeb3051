"""What a request may say beside its photo, and how both are read from a form or from JSON."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from colorizer import photos
from colorizer.photos.photo import MAX_SIDE
from colorizer.steering.hint import LEAST_REACH, LONG, MOST_REACH, SHORT, Hint

# Name in a request -> content type, of what this Pillow writes.
FORMATS = {name: f"image/{name}" for name, suffix in photos.SUFFIXES.items() if suffix in photos.FORMATS}
SAME = "same"
FORM, JSON = "multipart/form-data", "application/json"
FILE, IMAGE = "file", "image"  # the photo's field in a form and in JSON
MOST_HINTS = 200  # of a photo, as on the page: each takes a few hundredths of a second of the processor
MOST_FIELDS = 20  # of a form; there are fewer options
MOST_LINES = 10  # of a message: one for each wrong value


class Refused(Exception):
    """A request that cannot be answered.

    Attributes:
        status: HTTP status, 4xx.
        reason: what is wrong, and what was received.
    """

    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status, self.reason = status, reason


class Place(BaseModel):
    """The color of one place, see `colorizer.Hint`."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"x": 120, "y": 80, "color": "#7a1f1f"}]})

    x: float = Field(ge=0, le=MAX_SIDE, description="Pixels from the left of the photo as it is shown.")
    y: float = Field(ge=0, le=MAX_SIDE, description="Pixels from the top.")
    color: str = Field(
        pattern=f"^({SHORT.pattern}|{LONG.pattern})$", description="#rrggbb; its hue and saturation count."
    )
    reach: float = Field(1.0, ge=LEAST_REACH, le=MOST_REACH, description="How far the color spreads.")

    @property
    def hint(self) -> Hint:
        """The same for `Colorizer.colorize`."""
        return Hint(self.x, self.y, self.color, self.reach)


class Options(BaseModel):
    """What a request may ask for. `model_for` adds the looks and sizes that the network has."""

    model_config = ConfigDict(extra="forbid")

    look: str | None = None
    size: int | None = None
    strength: float = Field(1.0, ge=0, le=1, description="Factor of the colors: 0 is gray, 1 is as predicted.")
    format: Literal[SAME, *FORMATS] = Field(
        SAME,
        description=f"Of the answer; {SAME!r} is the photo's own, JPEG for HEIC, or PNG where that cannot be written.",
    )
    quality: int = Field(photos.JPEG_QUALITY, ge=1, le=100, description="Of JPEG, WebP and AVIF.")
    hints: list[Place] = Field(
        [], max_length=MOST_HINTS, description="Colors of places; they spread over the same things."
    )


def model_for(looks: Sequence[str], sizes: tuple[int, int] | None = None) -> type[Options]:
    """The options of a network.

    Args:
        looks: their names, the default one first; empty if it has one only.
        sizes: the least and the largest size of what the network sees; None if it has one only.

    Returns:
        A class of `Options` whose `look` and `size` are among them.
    """
    look = (None, Field(None, description="These weights have one look only."))
    if looks:
        look = (Literal[tuple(looks)], Field(looks[0], description="How the network's answer becomes colors."))
    size = (None, Field(None, description="These weights have one size only."))
    if sizes:
        about = "What the network sees: as many pixels as a square of this side. By itself the weights' own."
        size = (int | None, Field(None, ge=sizes[0], le=sizes[1], description=about))
    return create_model("Options", __base__=Options, look=look, size=size)


def body_schema(model: type[Options], max_bytes: int) -> dict[str, Any]:
    """The request's body for OpenAPI: a form with a file, or JSON with the photo in base64.

    Args:
        model: of `model_for`.
        max_bytes: of a photo.
    """
    schema = model.model_json_schema()
    places = schema["properties"]["hints"]
    places["items"] = schema.pop("$defs")[Place.__name__]  # a reference would be to the root of the description
    as_text = {
        "type": "string",
        "default": "[]",
        "description": f"{places['description']} JSON, as in a request in JSON.",
    }
    limit = f"At most {max_bytes:,} bytes."

    def with_photo(name: str, photo: dict[str, Any], hints: dict[str, Any]) -> dict[str, Any]:
        properties = {name: photo} | schema["properties"] | {"hints": hints}
        return {"schema": schema | {"properties": properties, "required": [name]}}

    form = with_photo(FILE, {"type": "string", "format": "binary", "description": f"The photo. {limit}"}, as_text)
    words = with_photo(
        IMAGE, {"type": "string", "format": "byte", "description": f"The photo in base64. {limit}"}, places
    )
    return {"required": True, "content": {FORM: form, JSON: words}}


async def read_form(request: Request, body: bytes, model: type[Options]) -> tuple[bytes, Options]:
    """Reads a form: the photo and the options.

    Args:
        request: for its headers.
        body: of the request.
        model: of `model_for`.

    Raises:
        Refused: it is no such form.
    """

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        async with Request(request.scope, receive).form(max_files=1, max_fields=MOST_FIELDS) as form:
            fields = dict(form.multi_items())
            if len(fields) < len(form.multi_items()):
                raise Refused(422, f"A field stands in the form once. Received: {_names(form)}")
            photo = fields.pop(FILE, None)
            if not isinstance(photo, UploadFile):
                raise Refused(422, f"The form needs the photo as a file named {FILE!r}. Received: {_names(form)}")
            data = await photo.read()
    except (MultiPartException, AssertionError, KeyError, ValueError, UnicodeError) as error:
        raise Refused(400, f"The body is no form: {getattr(error, 'message', None) or error!r}") from error
    except Exception as error:  # Starlette turns the parser's error into its own HTTP exception inside an app
        if getattr(error, "status_code", None) == 400:
            raise Refused(400, f"The body is no form: {error.detail}") from error
        raise
    if "hints" in fields:
        fields["hints"] = _listed(fields["hints"])
    return data, validated(model, fields, strict=False)


def _listed(text: Any) -> Any:
    """The hints in a form's field."""
    try:
        return _loaded(str(text).encode())
    except (ValueError, RecursionError) as error:
        raise Refused(422, f"hints: a list in JSON. Received: {str(text)[:100]!r}") from error


def _loaded(body: bytes) -> Any:
    """A value in JSON; one with more parts than a request can have is refused before they take memory and time."""
    most = len(Place.model_fields) * MOST_HINTS + MOST_FIELDS
    if (parts := body.count(b",")) > most:  # base64 has none
        raise Refused(422, f"The JSON has too many values: at most {most:,}. Received: {parts + 1:,}")
    return json.loads(body)


def read_json(body: bytes, model: type[Options]) -> tuple[bytes, Options]:
    """Reads a JSON object: the photo in base64 and the options.

    Args:
        body: of the request.
        model: of `model_for`.

    Raises:
        Refused: it is no such object.
    """
    try:
        fields = _loaded(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"The body is no JSON: {error}") from error
    if not isinstance(fields, dict) or not isinstance(fields.get(IMAGE), str):
        raise Refused(422, f"The body is a JSON object with the photo in base64 as {IMAGE!r}.")
    try:
        data = base64.b64decode("".join(fields.pop(IMAGE).split()), validate=True)  # programs break its lines
    except (binascii.Error, ValueError) as error:
        raise Refused(422, f"{IMAGE!r} is no base64: {error}") from error
    return data, validated(model, fields, strict=True)


def validated(model: type[Options], fields: dict[str, Any], strict: bool) -> Options:
    """The options of a request.

    Args:
        model: of `model_for`.
        fields: name -> value.
        strict: whether a number in a text is refused; a form has nothing but texts.

    Raises:
        Refused: a name or a value is wrong; the message has a line for each, at most `MOST_LINES`.
    """
    try:
        return model.model_validate(fields, strict=strict)
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(name)[:40] for name in one['loc'])}: {one['msg']}. Received: {str(one['input'])[:100]!r}"
            for one in error.errors(include_url=False)[:MOST_LINES]
        ]
        if error.error_count() > MOST_LINES:
            lines.append(f"{error.error_count() - MOST_LINES:,} more values are wrong.")
        raise Refused(422, "\n".join(lines)) from error


def _names(form) -> str:
    """The names of a form's fields, shortened: they come back in a message."""
    return ", ".join(repr(name[:40]) for name, _ in form.multi_items()) or "no field"
