"""Keras knows our classes by name as soon as `link_sim` is imported."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from link_sim.receivers.registration import CLASSES

ROOT = Path(__file__).parents[1]
DECORATED = r"^@keras\.saving\.register_keras_serializable\([^)]*\)\nclass (\w+)"


def test_the_table_names_every_registered_class():
    found = {}
    for folder in ("link_sim", "models", "receivers"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            names = re.findall(DECORATED, path.read_text(), re.MULTILINE)
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            module = module if folder == "link_sim" else f"link_sim.{module}"
            found |= {module: set(names)} if names else {}
    assert {module: set(names) for module, names in CLASSES.items()} == found


@pytest.mark.parametrize(
    "first, second",
    [
        ("link_sim", "keras"),
        pytest.param("keras", "link_sim", marks=pytest.mark.slow),
    ],
)
def test_either_may_be_imported_first(first, second):
    code = (
        f"import {first}, importlib.util\n"
        f"importlib.util.find_spec('{second}')  # to look is not to import\n"
        f"import {second}, keras, sys\n"
        "config = {'preset': 'pixel-bayes-mnist'}\n"
        "block = {'module': 'x', 'class_name': 'PixelBayes', 'config': config,\n"
        "         'registered_name': 'link_sim>PixelBayes'}\n"
        "assert 'sionna' not in sys.modules\n"
        "print(keras.saving.deserialize_keras_object(block).preset)\n"
        "from link_sim.models.pretrained import load_model\n"
        "load_model('digit-classifier')  # of a class that nothing has imported\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stdout.strip() == "pixel-bayes-mnist", ended.stderr[-2000:]


def test_every_class_is_where_the_table_says():
    for module, names in CLASSES.items():
        for name in names:
            assert getattr(importlib.import_module(module), name).from_config
