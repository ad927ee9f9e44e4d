"""Executes the notebooks in their places, with outputs that change only with results.

    python notebooks/execute.py [NOTEBOOK …]

Without names it takes all of this folder, two at a time: most of what a notebook waits
for is compiling, which takes one core. It ends at the first cell that fails.
"""

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from subprocess import DEVNULL

import nbformat
from nbclient import NotebookClient

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # cells import Keras first
FOLDER = Path(__file__).parent
AT_A_TIME = 2
LIVE = "application/vnd.jupyter.widget-view+json"
"""Widgets: they need a running kernel, and their names change each time."""


def execute(path: Path) -> None:
    """Runs a notebook and keeps its outputs, but no times and no widgets."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(FOLDER)}},
        extra_arguments=["--IPKernelApp.capture_fd_output=False"],
    )
    client.execute(stderr=DEVNULL)  # of TensorFlow's libraries; warnings stay
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [x for x in cell.outputs if LIVE not in x.get("data", {})]
    notebook.metadata.pop("widgets", None)
    notebook.metadata.language_info = {"name": "python"}
    nbformat.write(notebook, path)


def execute_all(paths: list[Path]) -> None:
    """Executes notebooks; where one fails, those that have begun go on to their end."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(AT_A_TIME, mp_context=spawn) as pool:
        running = {pool.submit(execute, path): path for path in paths}
        try:
            for done in as_completed(running):
                done.result()
                print(running[done].name, flush=True)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


if __name__ == "__main__":
    execute_all([Path(name) for name in sys.argv[1:]] or sorted(FOLDER.glob("*.ipynb")))
