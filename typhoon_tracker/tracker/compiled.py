"""Compile a numeric function to machine code once and keep the code beside it, where a folder can be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Return `function` compiled by numba at its first call.

    The code is kept in `__pycache__`, else in the user's cache folder; where neither can be written it is compiled
    anew in every process. numba looks for changes only in the file of a function, not in the files of those it calls:
    let compiled functions call only what stands in their own file.
    """
    try:
        return cast(F, njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:  # numba found no place for its cache
        return cast(F, njit(nogil=True, error_model="numpy")(function))
