import inspect
import subprocess
import sys

import pytest

from link_sim.models.pretrained import list_pretrained
from link_sim.recipes.table import RECIPES


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_opens_as_a_function_of_a_folder_and_numbers(name):
    folder, *rest = inspect.signature(RECIPES[name].open()).parameters.values()
    assert folder.name == "folder"
    assert all(p.default is not inspect.Parameter.empty for p in rest)


def test_shipped_weights_have_a_recipe_that_says_the_same():
    shipped = list_pretrained()
    for name in shipped.keys() & RECIPES.keys():
        assert RECIPES[name].summary == shipped[name]
    assert {n for n in shipped if "encoder" not in n} <= RECIPES.keys()


def test_the_table_is_read_without_tensorflow():
    code = (
        "import sys; import link_sim.recipes.table\n"
        "assert not {'tensorflow', 'keras'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
