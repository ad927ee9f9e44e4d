import itertools
import time

import keras
import numpy as np

from link_sim.models import pretrained
from link_sim.recipes.publishing import Progress, publish, train_in_cycles


def test_progress_says_step_of_total_loss_and_time_left(capsys, monkeypatch):
    minutes = itertools.count(0.0, 60.0)
    monkeypatch.setattr(time, "monotonic", lambda: next(minutes))
    report = Progress(total=400, done=100)
    for step in (100, 200):
        report(step, 0.5)
    assert capsys.readouterr().out.splitlines() == [
        "step 200 of 400: loss 0.5000",
        "step 300 of 400: loss 0.5000, about 1 min left",
    ]


def test_cycles_go_on_from_one_another(tmp_path, capsys):
    layer = keras.layers.Dense(1, use_bias=False)
    layer.build((None, 1))
    seeds = []

    def batch(step, seed):
        seeds.append(seed)
        x = np.ones((4, 1), "float32")
        return (x,), 3 * x, None

    cycles = [(2, 0.1, batch), (1, 0.01, batch)]
    seconds = train_in_cycles(layer, cycles, tmp_path, seed=5)
    assert seconds > 0 and set(seeds) == {5, 6}
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["step 2 of 3", "step 3 of 3"]
    assert {path.name for path in tmp_path.iterdir()} == {"cycle-0", "cycle-1"}


def test_what_is_published_has_cost_and_quality_in_its_card(tmp_path):
    arrays, found = {"a": np.arange(3)}, []

    def measure(path):
        found.append(pretrained.load_arrays(path)["a"])
        return {"sum": 3}

    publish(tmp_path, "ddpm", arrays, {"data": "none"}, 120.0, measure)
    card = pretrained.read_card(str(tmp_path / "ddpm.npz"))
    assert card["summary"].startswith("Conditional DDPM")
    assert card["cost"]["minutes"] == 2 and card["quality"] == {"sum": 3}
    assert np.array_equal(found[0], arrays["a"])
