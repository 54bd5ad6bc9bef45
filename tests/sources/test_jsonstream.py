"""The streaming JSON reader gives what ``json`` gives, wherever the window cuts."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a3dgen.core.errors import DataError
from a3dgen.io import jsonstream
from a3dgen.io.jsonstream import JsonFile, utf8

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)


def _write(tmp_path_factory, text: str):
    path = tmp_path_factory.mktemp("json") / "x.json"
    path.write_bytes(text.encode())
    return path


@settings(max_examples=60, deadline=None)
@given(
    content=st.dictionaries(st.text(max_size=5), st.lists(VALUES, max_size=5) | VALUES, max_size=4)
    | st.lists(VALUES, max_size=6),
    chunk=st.sampled_from([1, 7, 64, 1 << 16]),
    indent=st.sampled_from([None, 1]),
)
def test_elements_and_offsets(tmp_path_factory, content, chunk, indent):
    text = json.dumps(content, indent=indent, ensure_ascii=False)
    path = _write(tmp_path_factory, text)
    jsonstream.CHUNK, before = chunk, jsonstream.CHUNK
    try:
        with closing(JsonFile(path)) as file:
            found = list(file.elements())
            again = [file.at(start, end) for _, start, end, _ in found]
    finally:
        jsonstream.CHUNK = before
    members = {"": content} if isinstance(content, list) else content
    wanted = [(n, v) for n, m in members.items() for v in (m if isinstance(m, list) else [m])]
    assert [(utf8(name), value) for (name, *_), value in zip(found, again, strict=True)] == wanted


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "empty"), ("   ", "empty"), ("3", "byte 0"), ('{"a": [1, 2', "byte 11"), ('{"a": [1 2]}', "byte 9"),
        ('{"a": 1,}', "byte 8"), ('{"a" 1}', "byte 5"), ("[1, nope]", "byte 4"), ('{"a": [1]} x', "byte 11"),
        ('{"a": "unfinished', "byte 6"), ("[" * 100_000, "deep"), ("[" + "9" * 5000 + "]", "byte 1"),
        ("{3: 4}", "byte 1"), ('["\x01"]', "byte"),
    ],
)  # fmt: skip
def test_what_is_no_json_is_named_with_its_place(tmp_path_factory, text, where):
    path = _write(tmp_path_factory, text)
    with pytest.raises(DataError, match=r"x\.json") as error, closing(JsonFile(path)) as file:
        list(file.elements())
    assert where in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(DataError, match=r"cannot be read|no such file|a folder, not a file"):
            JsonFile(path)


def test_an_error_in_the_middle_is_found_without_reading_the_rest(tmp_path, monkeypatch):
    monkeypatch.setattr(jsonstream, "CHUNK", 1000)
    path = tmp_path / "x.json"
    path.write_text("[1, x, " + "2, " * 100_000 + "3]")
    with pytest.raises(DataError, match="byte 4"), closing(JsonFile(path)) as file:
        list(file.elements())


def test_an_endless_element_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(jsonstream, "CHUNK", 100)
    monkeypatch.setattr(jsonstream, "MAX_ELEMENT", 5000)
    path = tmp_path / "x.json"
    path.write_text('["' + "a" * 50_000)
    with pytest.raises(DataError, match="longer than"), closing(JsonFile(path)) as file:
        list(file.elements())
