"""OCPI's enums as values: text in the contract where further words may come, enums of its own where none may."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from adapters.ocpi.codec.jsontext import Json
from adapters.ocpi.codec.values import Read, Write
from adapters.ocpi.codec.words import Refused, Repaired, Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The values of an OCPI enum in each version, in OCPI's order. `open_` names the versions in which it is open.

    `instead` is what a version says for a word it does not know, where it has such a word; `*` stands for any.
    """

    name: str
    known: Mapping[Version, tuple[str, ...]]
    open_: tuple[Version, ...] = ()
    instead: Mapping[Version, Mapping[str, str]] = field(default_factory=dict)
    names: Mapping[Version, str] = field(default_factory=dict)

    def label(self, version: Version) -> str:
        """Return the enum's name in that version."""
        return self.names.get(version, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWord:
    """An enum that is open in some version: text. Unknown words pass, with a note where the enum is closed."""

    words: Words

    def label(self, version: Version) -> str:
        """Return the enum's name."""
        return self.words.label(version)

    def reader(self, version: Version) -> Read:
        """Return the function that takes any word."""
        known = frozenset(self.words.known.get(version, ()))
        folded = {word.upper(): word for word in known}
        is_open = version in self.words.open_

        def read(value: object) -> object:
            if type(value) is str and value:
                if value in known:
                    return value
                if value.upper() in folded:
                    raise Repaired(folded[value.upper()], ("", f"must be spelt {folded[value.upper()]}"))
                if not is_open:
                    raise Repaired(value, ("", f"must be a {self.words.label(version)} of {version}"))
                return value
            raise Refused("must not be empty" if value == "" else "must be a JSON string")

        return read

    def writer(self, version: Version) -> Write:
        """Return the function that gives the word, if the version may say it."""
        known, is_open = frozenset(self.words.known.get(version, ())), version in self.words.open_
        instead = self.words.instead.get(version, {})

        def write(value: object) -> Json:
            word = str(value)
            if is_open or word in known:
                return word
            if word in instead or "*" in instead:
                other = instead.get(word, instead.get("*"))
                raise Repaired(other, ("", f"{version} does not know {word:.40}; it says {other}"))
            raise Refused(f"{version} does not know {word:.40}")

        return write


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedWord:
    """A closed enum: one of the contract's own. `numbers` are the values of that enum by OCPI's word."""

    words: Words
    numbers: Mapping[str, int]

    def label(self, version: Version) -> str:
        """Return the enum's name."""
        return self.words.label(version)

    def reader(self, version: Version) -> Read:
        """Return the function that gives the enum's number."""
        known = {word: self.numbers[word] for word in self.words.known[version]}
        later = {word: number for word, number in self.numbers.items() if word not in known}

        def read(value: object) -> object:
            if type(value) is str:
                number = known.get(value)
                if number is not None:
                    return number
                if value in later:
                    raise Repaired(later[value], ("", f"must be a {self.label(version)} of {version}"))
                if value.upper() in known:
                    raise Repaired(known[value.upper()], ("", f"must be spelt {value.upper()}"))
            raise Refused(f"must be one of {', '.join(known)}")

        return read

    def writer(self, version: Version) -> Write:
        """Return the function from the enum's number to the word, if the version knows it."""
        words = {number: word for word, number in self.numbers.items()}
        known = frozenset(self.words.known[version])
        instead = self.words.instead.get(version, {})

        def write(value: object) -> Json:
            word: str | None = words.get(value)  # type: ignore[call-overload]
            if word is None:
                raise Refused(f"{version} does not know this value")
            if word in known:
                return word
            if word in instead:
                raise Repaired(instead[word], ("", f"{version} does not know {word}; it says {instead[word]}"))
            raise Refused(f"{version} does not know {word}")

        return write
