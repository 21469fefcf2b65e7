"""Damage files: bytes are flipped, cut and inserted, and values of JSON are replaced by others."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

Damage = Callable[[bytes, Random], bytes]

# What replaces a value of JSON, as text, so that it may be anything.
_VALUES = [
    *(
        "null",
        "true",
        "false",
        "[]",
        "{}",
        '""',
        '"text"',
        '"../.."',
        "0",
        "-1",
        "1",
        "0.5",
        "2.0",
        "[1, 2]",
        '{"a": 1}',
    ),
    *("NaN", "Infinity", "-Infinity", "1e308", "1e400", "100000000", "10000000000000000000", "9" * 400, "9" * 5000),
    *('"\\ud800"', '"\\u0000"', '"a\\nb"', '"${a}"', '"=1"', 5000 * "[" + 5000 * "]", 200 * "[" + 200 * "]"),
    *("[" + ", ".join(["0"] * 5000) + "]", '"' + 5000 * "x" + '"', '{"event": "started"}', "[null]", "[[]]", '[""]'),
]
_SPLICES = [b"", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\n", b",", b'"', b"{", b"]", b"&a ", b"*a", b"e999", 64 * b"\x00"]


def damage_bytes(content: bytes, random: Random) -> bytes:
    """Truncate, empty, overwrite or splice bytes anywhere."""
    kind, place = random.randrange(8), random.randrange(len(content) + 1)
    length = random.choice([1, 1, 2, 8, 100])
    if kind == 0:
        return content[:place]
    if kind == 1:
        return random.choice(
            [b"", b"\x00" * len(content), b"\xef\xbb\xbf" + content, content + content, b"null", b"[]"]
        )
    if kind == 2:
        return content[:place] + content[place + length :]
    if kind == 3:
        return content[:place] + random.choice(_SPLICES) + content[place:]
    if kind == 4:
        return content[:place] + content[place : place + length] * random.choice([2, 50]) + content[place + length :]
    changed = bytearray(content)
    near = random.randrange(min(len(content), 400)) if random.random() < 0.5 else random.randrange(len(content))
    for position in range(near, min(near + random.choice([1, 1, 4, 8]), len(content))):
        changed[position] = random.choice([0, 1, 0x7F, 0xFF, changed[position] ^ (1 << random.randrange(8))])
    return bytes(changed)


def damage_json(content: bytes, random: Random) -> bytes:
    """Replace, remove, add or repeat a value of a JSON file."""
    whole = json.loads(content)
    places = [((), whole), *_list_places(whole)]
    path, value = random.choice(places)
    marker = "the place of the damage"
    if isinstance(value, dict) and random.random() < 0.3:
        value |= {random.choice(["more", "", "__class__", "\ud800"]): marker}
    elif path and random.random() < 0.2:
        _remove(whole, path)
    elif path:
        _replace(whole, path, marker)
    else:
        whole = marker
    text = json.dumps(whole).replace(json.dumps(marker), random.choice(_VALUES))
    return text.encode()


def damage_json_lines(content: bytes, random: Random) -> bytes:
    """Replace a value in one line of a file of JSON lines."""
    lines = content.split(b"\n")
    number = random.randrange(len(lines) - 1)
    lines[number] = damage_json(lines[number], random)
    return b"\n".join(lines)


def damage_member(name: str, damage: Damage) -> Damage:
    """Return a function that damages one file of a zip, whose checksums are then right again."""

    def damage_zip(content: bytes, random: Random) -> bytes:
        changed = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(changed, "w") as copy:
            for entry in archive.infolist():
                part = archive.read(entry)
                copy.writestr(entry.filename, damage(part, random) if entry.filename == name else part)
        return changed.getvalue()

    return damage_zip


def mix(*kinds: Damage) -> Damage:
    """Return a function that chooses one of several kinds of damage."""
    return lambda content, random: random.choice(kinds)(content, random)


def damage_file(path: Path, content: bytes, damage: Damage, random: Random) -> None:
    """Write damaged content to a file, or once in a hundred times put a folder in its place."""
    if path.is_dir():
        path.rmdir()
    if random.random() < 0.01:
        path.unlink(missing_ok=True)
        path.mkdir()
    else:
        path.write_bytes(damage(content, random))


def _list_places(whole: Any, path: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:
    parts = whole.items() if isinstance(whole, dict) else enumerate(whole) if isinstance(whole, list) else ()
    found = []
    for key, value in parts:
        found += [((*path, key), value), *_list_places(value, (*path, key))]
    return found


def _replace(whole: Any, path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        whole = whole[key]
    whole[path[-1]] = value


def _remove(whole: Any, path: tuple[Any, ...]) -> None:
    for key in path[:-1]:
        whole = whole[key]
    del whole[path[-1]]
