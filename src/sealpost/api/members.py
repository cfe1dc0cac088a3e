"""Typed reading of the members of a scanned JSON object; every refusal names the field as the caller wrote it.

For ``sealpost.api.body`` and ``sealpost.api.users``. ``null`` in an optional member means that it is absent; a member
that nobody asks for is ignored (contract, sections 2 and 3).
"""

from __future__ import annotations

from sealpost.api.json_scan import Json, Object, Octets, Text, text
from sealpost.domain.errors import InvalidInput, TooLarge

SHORT = 65_536  # octets of a string as written; far above every field's own limit, so that none is decoded in vain


class Members:
    """One object of a body.

    Args:
        octets: the body.
        tree: the object's members, as scanned.
        prefix: what stands before a member's name in an error: ``attachments[0].`` or nothing.
    """

    def __init__(self, octets: Octets, tree: Object, prefix: str = "") -> None:
        self._octets = octets
        self._tree = tree
        self._prefix = prefix

    def string(self, name: str) -> str:
        """A required string.

        Raises:
            InvalidInput: absent, of another type, or far too long.
        """
        return self._short(name, self.place(name))

    def optional_string(self, name: str) -> str | None:
        """A string, or None where it is absent or null.

        Raises:
            InvalidInput: of another type, or far too long.
        """
        return None if self._tree.get(name) is None else self.string(name)

    def optional_reference(self, name: str) -> str:
        """A reference of the caller's own: a string, or an integer, which becomes its digits; empty where absent or null.

        Raises:
            InvalidInput: of another type, or far too long.
        """
        value = self._tree.get(name)
        if value is None or type(value) is int:
            return "" if value is None else str(value)
        if not isinstance(value, Text):
            raise self._wrong(name, "must be a string or an integer")
        return self._short(name, value)

    def long_string(self, name: str, octets: int) -> str:
        """A required string of at most so many octets as written.

        Raises:
            InvalidInput: absent, of another type.
            TooLarge: longer.
        """
        place = self.place(name)
        if place.end - place.start > octets:
            raise TooLarge(self.field(name), "is too long")
        return text(self._octets, place)

    def place(self, name: str) -> Text:
        """Where a required string stands.

        Raises:
            InvalidInput: absent, or of another type.
        """
        value = self._required(name)
        if not isinstance(value, Text):
            raise self._wrong(name, "must be a string")
        return value

    def optional_integer(self, name: str) -> int | None:
        """An integer, or None where it is absent or null.

        Raises:
            InvalidInput: of another type; ``true`` and ``6.0`` are not integers.
        """
        value = self._tree.get(name)
        if value is not None and type(value) is not int:
            raise self._wrong(name, "must be an integer")
        return value

    def stands(self, name: str) -> bool:
        """Whether there is such a member, be it null."""
        return name in self._tree

    def optional_boolean(self, name: str) -> bool | None:
        """A boolean, or None where it is absent; null is none.

        Raises:
            InvalidInput: of another type; ``1`` and ``"true"`` are no booleans.
        """
        value = self._tree.get(name)
        if self.stands(name) and not isinstance(value, bool):
            raise self._wrong(name, "must be true or false")
        return value if isinstance(value, bool) else None

    def flag(self, name: str) -> bool:
        """A boolean; absent and null are false.

        Raises:
            InvalidInput: of another type.
        """
        return self._tree.get(name) is not None and bool(self.optional_boolean(name))

    def objects(self, name: str) -> list[Members]:
        """A required array of objects.

        Raises:
            InvalidInput: absent, or something else stands there.
        """
        value = self._required(name)
        if not isinstance(value, list):
            raise self._wrong(name, "must be an array")
        return [self._object(f"{self.field(name)}[{index}]", item) for index, item in enumerate(value)]

    def not_yet(self, name: str, *harmless: str | bool) -> None:
        """Refuses a member whose feature is still missing, unless it is absent, null or asks for nothing.

        Raises:
            InvalidInput: anything else; it is never silently ignored.
        """
        value = self._tree.get(name)
        plain = self._short(name, value) if isinstance(value, Text) else value
        if plain is not None and not any(type(plain) is type(word) and plain == word for word in harmless):
            raise self._wrong(name, "is not supported yet")

    def field(self, name: str) -> str:
        """A member's name with the path to it, as errors write it."""
        return self._prefix + name

    def _required(self, name: str) -> Json:
        if name not in self._tree:
            raise self._wrong(name, "is required")
        return self._tree[name]

    def _object(self, name: str, value: Json) -> Members:
        if not isinstance(value, dict):
            raise InvalidInput(name, "must be an object")
        return Members(self._octets, value, f"{name}.")

    def _short(self, name: str, place: Text) -> str:
        if place.end - place.start > SHORT:
            raise self._wrong(name, "is too long")
        return text(self._octets, place)

    def _wrong(self, name: str, why: str) -> InvalidInput:
        return InvalidInput(self.field(name), why)
