"""Channels of the user for the kind `csi`: what is read, split and refused."""

import numpy as np
import pytest

from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.data_files import DataFile
from link_sim.scenarios.flat_channels import (
    flat_channels,
    held_out_examples,
    learned_examples,
)
from link_sim.scenarios.loading import load_scenario, parse_scenario
from link_sim.world.channel_files import save_channels

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.standard_normal((*shape, 2)) @ np.array([1, 1j])


def test_the_channel_is_that_at_the_carrier_and_the_first_time_step(tmp_path):
    a, tau = normal(20, 3, 2, 5, 4), RNG.uniform(0, 1e-7, (20, 5))
    paths, responses = (DataFile(path=str(tmp_path / f"{n}.npz")) for n in "ah")
    save_channels(paths.path, a, tau)
    turns = -2j * np.pi * 15e3 * np.arange(-3, 3)  # six subcarriers around the carrier
    late = tau - tau.min(axis=1, keepdims=True)
    h = np.einsum("ertpk,epf->ertfk", a, np.exp(turns * late[..., None]))
    save_channels(responses.path, h=h, spacing=15e3)
    expected = a[..., 0].sum(axis=-1)
    expected /= np.sqrt(np.mean(np.abs(expected) ** 2))
    for file in paths, responses:
        np.testing.assert_allclose(flat_channels(file).h, expected, atol=1e-5)


def test_estimators_learn_from_the_first_examples_and_are_tested_on_the_others(
    tmp_path,
):
    file = DataFile(path=str(tmp_path / "h.npz"))
    ends = {f"{end}_covariance": normal(15, n, n) for end, n in ENDS.items()}
    h = normal(15, 2, 3, 1, 1)
    np.savez(file.path, a=h, tau=np.zeros((15, 1)), **ends)
    every, first, rest = (
        f(file) for f in (flat_channels, learned_examples, held_out_examples)
    )
    assert (len(first.h), len(rest.h)) == (12, 3)
    np.testing.assert_array_equal(np.concatenate([first.h, rest.h]), every.h)
    energy = np.mean(np.abs(h) ** 2)
    for i, (given, scale) in enumerate(zip(ends.values(), (energy, 1), strict=True)):
        np.testing.assert_allclose(rest.covariances[i], given[12:] / scale)


ENDS = {"receive": 2, "transmit": 3}


def asked(path, *settings):
    settings = f"estimation.file={path}", *settings
    return load_scenario("csi-scm", ["estimation.ensemble=file", *settings])


def test_a_scenario_keeps_the_content_of_the_file(tmp_path):
    path = tmp_path / "h.npz"
    save_channels(path, normal(20, 2, 2, 1), np.zeros((20, 1)))
    scenario = asked(path, "receivers=['ls']")
    assert scenario.estimation.trained_on == ("file",)
    assert parse_scenario(scenario.to_toml()) == scenario
    scenario.check_files()
    save_channels(path, normal(20, 2, 2, 1), np.zeros((20, 1)))
    changed = scenario.model_copy(update={"batch_size": 2})
    flat_channels.cache_clear()
    with pytest.raises(ScenarioError, match="other content"):
        changed.check_files()


@pytest.mark.parametrize(
    "examples, settings, words",
    [
        (9, [], "has 9 examples: supply 10 or more"),
        (20, ["receivers=['lmmse']"], "16 examples to learn from, .* takes 18"),
        (20, ["receivers=['genie']"], "has no arrays receive_covariance and transmit"),
        (20, ["receivers=['ls']", "estimation.alpha=0.3"], "leaves no pilot on 3"),
        (
            20,
            ["receivers=['ls']", "sweep={axis='alpha',points=[1,0.2],snr_db=0}"],
            "alpha = 0.2 leaves no pilot",
        ),
    ],
)
def test_a_file_that_does_not_serve_is_answered_in_one_sentence(
    tmp_path, examples, settings, words
):
    path = tmp_path / "h.npz"
    save_channels(path, normal(examples, 3, 3, 1), np.zeros((examples, 1)))
    with pytest.raises(ScenarioError, match=words):
        asked(path, *settings).check_files()


@pytest.mark.parametrize(
    "arrays, words",
    [
        ({}, "no.npz' is not an .npz with arrays a and tau, or h and spacing"),
        ({"a": np.ones((20, 2, 2, 1)) + 0j}, "must be complex"),
        ({"a": np.full((20, 2, 2, 1, 1), np.nan + 0j)}, "NaN or infinite"),
        ({"h": np.zeros((20, 2, 2, 1, 1)) + 0j}, "no energy at the carrier"),
        (
            {"h": np.ones((20, 2, 2, 1, 1)) + 0j, "receive_covariance": np.eye(2)},
            "give both",
        ),
    ],
)
def test_other_arrays_are_refused(tmp_path, arrays, words):
    path = tmp_path / "no.npz"
    np.savez(path, **arrays)
    with pytest.raises(ScenarioError, match=words):
        flat_channels(DataFile(path=str(path)))


@pytest.mark.parametrize(
    "settings, words",
    [
        (["estimation.ensemble=file"], "go together"),
        (["estimation.file=a.npz"], "go together"),
        (["estimation.trained_on=['file']"], "use trained_on="),
    ],
)
def test_keys_that_belong_together(settings, words):
    with pytest.raises(ScenarioError, match=words):
        load_scenario("csi-scm", settings)
