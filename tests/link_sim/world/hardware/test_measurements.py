import numpy as np
import pytest
import tensorflow as tf

from link_sim.scenarios.data_files import DataFile
from link_sim.scenarios.errors import ScenarioError
from link_sim.scenarios.loading import load_scenario
from link_sim.world.hardware.amplifiers import find_amplifier
from link_sim.world.hardware.measurements import fit, read, regressors, terms


def measurement(number=6000, seed=1):
    """A signal, and what an amplifier of some of the model's terms makes of it."""
    parts = np.random.default_rng(seed).standard_normal((2, number))
    x = (parts[0] + 1j * parts[1]) / np.sqrt(2)
    late = np.roll(x, 1)
    y = x - 0.1j * x * np.abs(x) ** 2 + 0.05 * x * np.abs(late)
    return x, y + 0.05 * late * np.abs(x) ** 2


def test_terms_know_no_future_and_are_different():
    assert len(set(terms())) == len(terms()) == 70
    assert all(m + lag >= 0 for lag, m, _ in terms())


def test_a_fit_finds_the_amplifier_that_it_is_given():
    x, y = measurement()
    rest = y - regressors(x) @ fit(x, y)
    assert np.linalg.norm(rest) < 1e-3 * np.linalg.norm(y)  # of a ridge of 1e-5


def test_a_file_becomes_that_amplifier(tmp_path):
    """But for scales of input and output, and for the ridge."""
    path = tmp_path / "mine.npz"
    x, y = measurement()
    np.savez(path, x=300 * x, y=0.2j * y)
    name = load_scenario("hardware", [f"hardware.amplifier={path}"]).hardware.amplifier
    amplifier = find_amplifier(name)
    assert amplifier.memory == 11 and amplifier.reference == 1
    x_new, y_new = measurement(400, seed=2)
    found = amplifier.response(tf.constant(x_new, tf.complex64)).numpy()
    scale = np.vdot(found, y_new) / np.vdot(found, found)
    rest = y_new - scale * found
    assert np.linalg.norm(rest) < 5e-3 * np.linalg.norm(y_new)


def test_a_name_that_is_neither_is_refused():
    with pytest.raises(ScenarioError, match="'rap.npz' is not a file"):
        read(DataFile(path="rap.npz"))


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": np.ones(6000)}, "not an .npz with the input x"),
        ({"x": np.ones(6000), "y": np.ones(5999)}, "as many samples of either"),
        ({"x": np.ones(60), "y": np.ones(60)}, "5000 at least"),
        ({"x": np.ones(6000), "y": np.full(6000, np.nan)}, "finite"),
        ({"x": np.ones(6000), "y": np.repeat([1, 0], [4800, 1200])}, "last fifth"),
        ({"x": np.ones(6000), "y": np.ones(6000)}, "real or of one amplitude"),
        ({"x": np.ones(6000) * 1j, "y": np.ones(6000)}, "real or of one amplitude"),
        ({"x": measurement()[0], "y": measurement(seed=9)[1]}, "no function of x"),
    ],
)
def test_files_of_another_form_are_refused_in_one_sentence(tmp_path, arrays, said):
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays)
    with pytest.raises(ScenarioError, match=said):
        read(DataFile(path=str(path)))
