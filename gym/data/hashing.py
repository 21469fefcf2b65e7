"""Hashes of source files, taken once: a file is hashed again only when its size or one of its two times differs.

The time of modification can be set back, as by a copy that keeps it; that of the change of status cannot.
"""

import json
from pathlib import Path
from typing import Any

from gym.errors import DataError
from gym.files import hash_file, write_json

Known = dict[str, tuple[int, int, int, str]]


class Hashes:
    """SHA-256 of files, remembered in a file between runs.

    Args:
        remembered_in: A JSON file; a missing or damaged one is begun anew.
    """

    def __init__(self, remembered_in: Path) -> None:
        self._place = remembered_in
        self._known: Known = _read(remembered_in)
        self._is_new = False

    def of(self, path: Path) -> str:
        """The SHA-256 of a file's bytes, as 64 hexadecimal digits.

        Raises:
            DataError: The file cannot be read.
        """
        key = str(path.absolute())
        try:
            state = path.stat()
            now = (state.st_size, state.st_mtime_ns, state.st_ctime_ns)
            *before, digest = self._known.get(key, (-1, -1, -1, ""))
            if now == tuple(before):
                return digest
            digest = hash_file(path)
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror or error}); mend its permissions.") from error
        self._known[key] = (*now, digest)
        self._is_new = True
        return digest

    def remember(self) -> None:
        """Write down what was hashed."""
        if self._is_new:
            write_json(self._place, self._known)
            self._is_new = False


def _read(place: Path) -> Known:
    try:
        raw: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        return {key: (int(size), int(m), int(c), str(digest)) for key, (size, m, c, digest) in raw.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
