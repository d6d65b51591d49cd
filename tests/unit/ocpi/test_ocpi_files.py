"""Files of objects: formats, places and errors."""

import gzip
from pathlib import Path

import pytest

from adapters.ocpi import files
from adapters.ocpi.codec import dumps
from adapters.ocpi.files import BadFile, Item, read_objects


def write(path: Path, content: bytes, *, packed: bool = False) -> Path:
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


@pytest.fixture
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Read in steps of that many bytes, so that every boundary is met."""
    size: int = request.param
    monkeypatch.setattr(files, "_CHUNK", size)
    return size


def texts(path: Path) -> list[tuple[str, str]]:
    return [
        (item.place, dumps(item.obj).decode() if item.obj is not None else f"! {item.error.why if item.error else ''}")
        for item in read_objects(path)
    ]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("chunk", [1, 7, 1 << 18], indirect=True)
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b" \n\n", []),
        (b"[]", []),
        (b" [ ] ", []),
        (b'{"a":1.0}', [("line 1", '{"a":1.0}')]),
        (b'\xef\xbb\xbf{"a":1}\r\n\n{"b":2}\n', [("line 1", '{"a":1}'), ("line 3", '{"b":2}')]),
        (b'\n\n{"a":1}\nnonsense\n{"b":2}', [("line 3", '{"a":1}'), ("line 4", "!"), ("line 5", '{"b":2}')]),
        (
            b'[{"a":"]},[{\\"\\\\"},\n {"b":[[],{}]} ]\n',
            [("element 0", '{"a":"]},[{\\"\\\\"}'), ("element 1", '{"b":[[],{}]}')],
        ),
        (
            b'[{"a":1},7,{"b":tru},{"c":3}]',
            [("element 0", '{"a":1}'), ("element 1", "!"), ("element 2", "!"), ("element 3", '{"c":3}')],
        ),
        (b'[{"a":1},]', [("element 0", '{"a":1}'), ("element 1", "!")]),
        (b'{"status_code":1000,"data":[]}', [("line 1", "!")]),
    ],
)
def test_a_file_yields_its_objects_and_their_places(
    tmp_path: Path, chunk: int, packed: bool, content: bytes, expected: list[tuple[str, str]]
) -> None:
    found = texts(write(tmp_path / "file", content, packed=packed))
    assert [(place, text if not text.startswith("!") else "!") for place, text in found] == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"7", "not a JSON object"),
        (b'{"a":}', "not JSON: Expecting value at line 1, column 6"),
        (b"\xff", "not UTF-8 at byte 0"),
    ],
)
def test_an_error_says_what_is_wrong_with_the_line(tmp_path: Path, content: bytes, expected: str) -> None:
    assert texts(write(tmp_path / "file", content)) == [("line 1", f"! {expected}")]


@pytest.mark.parametrize("content", [b'[{"a":1}', b'[{"a":1},', b'[{"a":1},{"b', b"["])
def test_an_array_that_is_cut_off_raises_after_its_whole_objects(tmp_path: Path, content: bytes) -> None:
    found: list[Item] = []
    with pytest.raises(BadFile, match="the array is cut off"):
        found.extend(read_objects(write(tmp_path / "file", content)))
    assert len(found) == content.count(b"},")


def test_a_broken_archive_raises_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(b'{"a":1}\n' * 1000)[:-20])
    with pytest.raises(BadFile, match=r"file\.gz, byte \d+: the gzip archive is broken or cut off"):
        list(read_objects(path))


@pytest.mark.parametrize("content", [b'{"a":"' + b"x" * 300, b'[{"a":"' + b"x" * 300, b'{"a":"' + b"x" * 300 + b'"}\n'])
def test_an_endless_object_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(files, "OBJECT_BYTES_MAX", 200)
    monkeypatch.setattr(files, "_CHUNK", 50)
    with pytest.raises(BadFile, match="is longer than 200 bytes"):
        list(read_objects(write(tmp_path / "file", content)))


def test_a_file_that_is_not_there_is_the_systems_own_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        next(read_objects(tmp_path / "missing"))


def test_progress_counts_bytes_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "file", b'{"a":1}\n' * 10, packed=True)
    assert [item.position for item in read_objects(path)][-1] == path.stat().st_size
