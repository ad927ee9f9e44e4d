"""Keeps the log of TensorFlow off the screen, from wherever it is imported.

No setting of TensorFlow 2.21 stops the lines that its libraries write while they load.
"""

import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec


class _Quietly:
    """Finds TensorFlow as others do, and lets it load in silence."""

    def find_spec(self, name, path=None, target=None) -> ModuleSpec | None:
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_quietly(module):
                with silence():
                    run(module)

            spec.loader.exec_module = run_quietly  # type: ignore[method-assign]
        return spec


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
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        sys.meta_path.insert(0, _Quietly())  # type: ignore[arg-type]
