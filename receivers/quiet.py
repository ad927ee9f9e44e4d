"""Keeps the log of TensorFlow off the screen, from wherever it is imported.

No setting of TensorFlow 2.21 stops the lines that its libraries write while they load.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from link_sim.receivers.imports import around_import


@contextmanager
def silence() -> Iterator[None]:
    """Nothing that is written to the standard error of the process is seen."""
    stderr, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nothing)


def silence_tensorflow() -> None:
    """Leaves out its log, but for errors, if it has not been imported yet."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    around_import("tensorflow", silence)


@contextmanager
def without_cast_warnings() -> Iterator[None]:
    """Gradients of casts from real to complex are real: TensorFlow warns of each."""

    def quiet(record: logging.LogRecord) -> bool:
        return "discard the imaginary part" not in record.getMessage()

    logger = logging.getLogger("tensorflow")
    logger.addFilter(quiet)
    try:
        yield
    finally:
        logger.removeFilter(quiet)
