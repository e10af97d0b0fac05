"""Compile a numeric function to machine code once and keep the code beside it, or where the user's caches are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit
from numba.core.caching import FunctionCache, IndexDataCacheFile

F = TypeVar("F", bound=Callable[..., Any])

# A compiled function holds the code of those it calls, so a change in any file of this folder makes all of it stale.
SOURCES = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))).digest()


class _Cache(FunctionCache):
    """numba's cache of a function, valid for this folder as it is; numba itself looks at the function's file only."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file = IndexDataCacheFile(self.cache_path, self._impl.filename_base, SOURCES)
        # An index of another version is not unpickled, and one of another state may name classes that are gone.
        self._cache_file._version += SOURCES.hex()


def compiled(function: F) -> F:
    """Return `function` compiled by numba at its first call.

    The code is kept in $NUMBA_CACHE_DIR, else in `__pycache__`, else (a package that may not be written to) in the
    user's cache folder; where none can be written it is compiled anew in every process.
    """
    dispatcher: Any = njit(nogil=True, error_model="numpy")(function)
    with suppress(RuntimeError):  # numba found no place for its cache
        dispatcher._cache = _Cache(function)
    return cast(F, dispatcher)
