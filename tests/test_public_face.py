"""The names that users import, and what importing them loads."""

import importlib
import subprocess
import sys

import pytest

PACKAGES = "link_sim.receivers", "link_sim.models"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there(package):
    module = importlib.import_module(package)
    assert dir(module) == module.__all__ == sorted(set(module.__all__))
    for name in module.__all__:
        assert getattr(module, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'Receivers'"):
        module.Receivers  # noqa: B018


def test_importing_the_packages_and_the_catalog_loads_no_framework():
    code = (
        "import sys, link_sim.receivers, link_sim.models, link_sim.receivers.catalog\n"
        "assert link_sim.receivers.parse_receiver('ls+ddpm-4')\n"
        "print([m for m in ('tensorflow', 'keras', 'sionna') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert shown.stdout.strip() == "[]", shown.stderr
