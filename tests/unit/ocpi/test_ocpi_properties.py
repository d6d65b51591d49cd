"""What holds for every JSON object: reading never fails, and nothing is lost on the way back."""

from collections.abc import Callable
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.ocpi.codec import TABLES, Json, JsonObject, Kept, Kind, Number, Version, dumps, from_json, loads, to_json
from adapters.ocpi.codec.enums import ClosedWord, OpenWord
from adapters.ocpi.codec.tables import Bridge, Nested, Row, Table
from adapters.ocpi.codec.values import DecimalNumber, Flag, Instant, Text, Value, WholeNumber

NUMBERS = st.from_regex(r"\A-?(0|[1-9][0-9]{0,8})(\.[0-9]{1,6})?([eE][+-]?[0-9])?\Z").map(Number)
ANY: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
INSTANTS = st.builds(
    lambda moment, nanos, zone: moment.strftime("%Y-%m-%dT%H:%M:%S").zfill(19) + nanos + zone,
    st.datetimes(),
    st.from_regex(r"\A(\.[0-9]{1,9})?\Z"),
    st.sampled_from(["Z", ""]),
)
KINDS = st.sampled_from(list(Kind))
VERSIONS = st.sampled_from(list(Version))


def sound(value: Value, version: Version) -> st.SearchStrategy[Json]:
    """Return values that break no rule."""
    match value:
        case Text():
            if value.pattern:  # a latitude's pattern allows one character more than its size
                return st.from_regex(rf"\A(?:{value.pattern})\Z").filter(lambda text: len(text) <= value.size)
            letters = st.characters(min_codepoint=32, max_codepoint=126)
            return st.text(letters, min_size=1, max_size=min(value.size, 4))
        case DecimalNumber():
            return NUMBERS
        case WholeNumber():
            low, high = value.within or (-(2**31), 2**31 - 1)
            return st.integers(low, high).map(lambda whole: Number(str(whole)))
        case Flag():
            return st.booleans()
        case Instant():
            return INSTANTS
        case OpenWord() | ClosedWord():
            return st.sampled_from(value.words.known[version])
        case _:
            raise AssertionError(value)


@cache
def sound_object(table: Table, version: Version, depth: int = 0) -> st.SearchStrategy[JsonObject]:
    """Return objects that break no rule, with anything beside their fields."""
    required: dict[str, st.SearchStrategy[Json]] = {}
    optional: dict[str, st.SearchStrategy[Json]] = {}
    for row in table.rows:
        if version in row.versions and not isinstance(row.kind, Bridge):
            found = _values(row, version, depth)
            if found is not None:
                (required if row.card in "1+" else optional)[row.ocpi] = found
    beside = st.dictionaries(st.from_regex(r"\Ax_[a-z]{1,3}\Z"), ANY, max_size=1)
    return st.builds(
        lambda fields, extra: {**fields, **extra}, st.fixed_dictionaries(required, optional=optional), beside
    )


def _values(row: Row, version: Version, depth: int) -> st.SearchStrategy[Json] | None:
    if isinstance(row.kind, Nested):
        if depth > 0 and row.card in "?*":
            return None
        table = row.kind.table
        one: st.SearchStrategy[Json] = st.deferred(lambda: sound_object(table, version, depth + 1))
    else:
        assert not isinstance(row.kind, Bridge)
        one = sound(row.kind, version)
    return st.lists(one, min_size=row.card == "+", max_size=2) if row.card in "*+" else one


@given(data=st.data(), kind=KINDS, version=VERSIONS)
@settings(max_examples=100, deadline=None)
def test_a_sound_object_comes_back_without_loss(
    same: Callable[[Json], Json], data: st.DataObject, kind: Kind, version: Version
) -> None:
    obj = data.draw(sound_object(TABLES[kind], version))
    message, problems = from_json(kind, version, obj)
    assert [problem for problem in problems if problem.kept is not Kept.NOWHERE] == []
    again, losses = to_json(message, version)
    kept = {name: value for name, value in again.items() if name in obj}
    assert dumps(same(kept)) == dumps(same(obj))
    assert [loss for loss in losses if not loss.assumed and "requires it" not in loss.rule] == []


@given(data=st.data(), kind=KINDS, version=VERSIONS, junk=st.dictionaries(st.text(max_size=5), ANY, max_size=3))
@settings(max_examples=200, deadline=None)
def test_whatever_a_peer_sends_is_read_and_nothing_is_lost(
    data: st.DataObject, kind: Kind, version: Version, junk: JsonObject
) -> None:
    names = [row.ocpi for row in TABLES[kind].rows]
    obj = {**data.draw(st.dictionaries(st.sampled_from(names), ANY, max_size=5)), **junk}
    message, problems = from_json(kind, version, obj)
    again, _ = to_json(message, version)
    reported = {problem.path.removeprefix("$.").split(".")[0].split("[")[0] for problem in problems}
    for name, value in obj.items():
        if value is None or value == [] or name in reported:
            continue
        assert name in again, name
    for problem in problems:
        assert problem.path.startswith("$.")
    for name in {problem.path.removeprefix("$.") for problem in problems if problem.kept is Kept.ASIDE}:
        if name in obj:
            assert dumps(again[name]) == dumps(obj[name])


@given(value=ANY)
def test_json_comes_back_as_it_was(value: Json) -> None:
    assert loads(dumps(value)) == value


@given(text=st.text(st.characters(codec=None, min_codepoint=0xD7F0, max_codepoint=0xDBFF), max_size=4))
def test_even_half_a_surrogate_pair_comes_back(text: str) -> None:
    assert loads(dumps({"a": [text, True, None, Number("1.0")]})) == {"a": [text, True, None, Number("1.0")]}


@given(first=VERSIONS, second=VERSIONS, data=st.data(), kind=KINDS)
@settings(max_examples=100, deadline=None)
def test_any_object_can_be_said_in_any_version(
    first: Version, second: Version, data: st.DataObject, kind: Kind
) -> None:
    message, _ = from_json(kind, first, data.draw(sound_object(TABLES[kind], first)))
    obj, losses = to_json(message, second)
    read, problems = from_json(kind, second, obj)
    # What we write is sound: only what is reported as missing or too long is wrong with it.
    missing = {loss.path for loss in losses}
    for problem in problems:
        assert problem.path in missing or problem.kept is Kept.NOWHERE or "characters" in problem.rule, problem
    assert read is not None
