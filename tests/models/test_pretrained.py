import json

import keras
import numpy as np
import pytest

from link_sim.models import pretrained


def test_arrays_round_trip_and_card(tmp_path):
    name = str(tmp_path / "table.npz")
    arrays = {"table": np.arange(6.0).reshape(2, 3)}
    pretrained.save_arrays(name, arrays, {"summary": "a table"})
    pretrained.update_card(name, quality={"psnr_db": 20.5})
    loaded = pretrained.load_arrays(name)
    assert loaded.keys() == {"table"}
    np.testing.assert_array_equal(loaded["table"], arrays["table"])
    assert pretrained.read_card(name)["quality"] == {"psnr_db": 20.5}


def test_model_round_trip_is_exact_to_float16(tmp_path):
    name = str(tmp_path / "net.npz")
    model = keras.layers.Dense(3)
    x = np.ones((2, 5), "float32")
    model(x)
    model.set_weights([w.astype("float16") for w in model.get_weights()])
    pretrained.save_model(name, model, {"summary": "a layer"})
    np.testing.assert_array_equal(pretrained.load_model(name)(x), model(x))


def test_mantissas_are_rounded_to_the_nearest(tmp_path):
    model = keras.layers.Dense(50)
    model(np.ones((1, 100), "float32"))
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal(w.shape).astype("float32") for w in model.weights]
    model.set_weights(weights)
    paths = [
        pretrained.save_model(
            str(tmp_path / f"{d}.npz"), model, {"summary": ""}, digits=d
        )
        for d in (4, 10)
    ]
    found = pretrained.load_model(str(paths[0])).get_weights()
    error = np.abs(found[0] / weights[0] - 1)
    # half a step of 1/16, and float16's own rounding
    assert 0.02 < error.max() <= 1 / 32 + 2**-11
    np.testing.assert_array_equal(found[1], weights[1].astype("float16"))  # few
    assert paths[0].stat().st_size < 0.75 * paths[1].stat().st_size


def test_missing_file_names_the_remedy(tmp_path):
    with pytest.raises(ValueError, match="no weights named 'absent'"):
        pretrained.load_arrays("absent")
    name = str(tmp_path / "table.npz")
    path = pretrained.save_arrays(name, {"a": np.zeros(1)}, {"summary": ""})
    path.unlink()
    with pytest.raises(ValueError, match="is missing: install it again"):
        pretrained.load_arrays(name)


def test_altered_file_is_refused(tmp_path):
    name = str(tmp_path / "table.npz")
    path = pretrained.save_arrays(name, {"a": np.zeros(3)}, {"summary": ""})
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match="was altered"):
        pretrained.load_arrays(name)


def test_shipped_cards_are_complete_and_files_small():
    for name, summary in pretrained.list_pretrained().items():
        card = pretrained.read_card(name)
        assert summary and "\n" not in summary
        assert json.dumps(card)
        assert card["licence"] == "Apache-2.0" and card["data"]
        assert "MNIST" not in card["data"] or "CC BY-SA 3.0" in card["data"]
        assert pretrained.load_arrays(name)
        assert pretrained.weights_path(name).stat().st_size <= 6e6
