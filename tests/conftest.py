import os
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent / "acceptance"))  # for `documented`

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # see `receivers.backends`


@pytest.fixture
def eager(request):
    """Runs functions step by step, but in tests marked `graphs`.

    On small data, tracing and compiling graphs takes longer than computing.
    """
    import tensorflow as tf

    tf.config.run_functions_eagerly(not request.node.get_closest_marker("graphs"))
    yield
    tf.config.run_functions_eagerly(False)
