"""Does something of ours around the import of another package, whoever imports it."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.machinery import ModuleSpec


class _Around:
    """Finds a package where others find it, and lets it load within a context."""

    def __init__(self, package: str, context: Callable[[], AbstractContextManager]):
        self.package, self.context = package, context

    def find_spec(self, name, path=None, target=None) -> ModuleSpec | None:
        if name != self.package:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next(filter(None, found), None)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_within(module):
                with self.context():
                    run(module)

            spec.loader.exec_module = run_within  # type: ignore[method-assign]
        return spec


def around_import(package: str, context: Callable[[], AbstractContextManager]) -> None:
    """Enters a context when a package is imported, and leaves it once it has loaded.

    Nothing happens if it has been imported already.
    """
    if package not in sys.modules:
        sys.meta_path.insert(0, _Around(package, context))  # type: ignore[arg-type]
