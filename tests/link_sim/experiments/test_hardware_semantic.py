"""Images as symbols through imperfect hardware."""

import numpy as np
import pytest

from link_sim.engine.batches import plain
from link_sim.experiments.semantic import SemanticLink
from link_sim.experiments.semantic_receivers import load_receiver
from link_sim.metrics.rates import estimate
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.loading import load_scenario
from link_sim.world.shared_grid import SharedGrid, noise_variance

pytestmark = pytest.mark.usefixtures("eager")

SWEEP = "sweep={axis='esno_db', points=[20], bandwidth_ratio=0.0833333}"


def scenario(*overrides):
    names = "receivers=['perfect-csi+ae', 'perfect-csi+linear+ae']"
    grid = "grid={fft_size=64, guard_carriers=[0, 0]}"
    return load_scenario("semantic", [SWEEP, "batch_size=4", names, grid, *overrides])


def received(*overrides):
    link = SemanticLink(scenario(*overrides))
    counts = plain(link.count(link.draw(link.scenario.at(20.0), 0)))
    return {name: estimate(each, "psnr").value for name, each in counts.items()}


@pytest.mark.slow
def test_hardware_costs_what_it_distorts_and_less_if_that_is_known():
    perfect = received()
    faint = received("hardware={amplifier='rapp', back_off_db=40}")
    hard = received("hardware={amplifier='3gpp-polynomial', back_off_db=0}")
    for name, psnr in perfect.items():
        assert faint[name] == pytest.approx(psnr, abs=0.05)
        assert hard[name] < psnr - 0.5
    assert hard["perfect-csi+ae"] > hard["perfect-csi+linear+ae"] + 0.1


def test_the_stated_variance_is_that_of_the_symbols():
    """Noise and distortion of an amplifier and of converters, over 10,000 symbols."""
    own = "hardware={amplifier='3gpp-polynomial', back_off_db=2, converter_bits=4}"
    at, count = scenario(own).at(20.0), 640
    grid, no = SharedGrid(at, count), noise_variance(20.0)
    rng = np.random.default_rng(3)
    parts = rng.standard_normal((2, 16, 1, count)) / np.sqrt(2)
    x = (parts[0] + 1j * parts[1]).astype("complex64")
    h, noise = grid.draw(16, no)
    y = grid.send(x, h, noise)
    x_hat, no_eff = grid.receive(
        y, grid.seen(h), np.zeros([1] * 7, "float32"), no, False
    )
    error = np.abs(x_hat - x) ** 2
    assert np.mean(error) == pytest.approx(np.mean(no_eff), rel=0.1)
    assert np.mean(no_eff) > 3 * no


@pytest.mark.parametrize(
    "settings, words",
    [
        (["hardware.kappa_transmit=0.1"], "are for links of bits"),
        (["hardware.phase_noise=r1-163984"], "are for links of bits"),
        (["hardware.converter_bits=3", "users=2"], "set users = 1"),
        (
            ["hardware.amplifier=rapp", "antennas={transmit=2, receive=2}"],
            "a stream of its own",
        ),
        (["hardware.converter_bits=3", "receivers=['ls+webp']"], "perfect hardware"),
    ],
)
def test_what_is_not_possible_gets_one_sentence(settings, words):
    with pytest.raises(ScenarioError, match=words):
        scenario(*settings)


def test_amplifiers_remember_no_more_than_the_prefix():
    settings = "hardware.amplifier=dpa-160mhz", "grid.cyclic_prefix=1"
    with pytest.raises(ScenarioError, match="raise grid.cyclic_prefix"):
        SemanticLink(scenario(*settings))


@pytest.mark.parametrize(
    "name, words",
    [
        ("perfect-csi+cddm-0+ae", "the number in 'cddm-0'"),
        ("ls+x+ae", "there is no 'x'"),
        ("ls+linear+webp", "there is nothing between ls and webp"),
        ("ls+linear+cddm+ae", "is not known here"),
    ],
)
def test_names_say_what_stands_between(name, words):
    with pytest.raises(ScenarioError, match=words):
        SemanticLink(scenario(f"receivers=['{name}']"))


def test_denoisers_know_the_symbols_of_one_encoder():
    cifar = scenario("payload.source=cifar10")
    assert load_receiver(cifar, "ls+cddm+cdiff-2").symbols is not None
    words = "knows symbols of 'semantic-encoder-cifar10', and vae is for those of"
    with pytest.raises(ScenarioError, match=words):
        load_receiver(cifar, "ls+cddm+vae")


def drawn(rng) -> dict:
    """A section `hardware`, each key in it or not, in its range or beyond."""
    kinds = "rapp", "modified-rapp", "saleh", "3gpp-polynomial", "apa-200mhz-b", "valve"
    drawn = {
        "amplifier": repr(str(rng.choice(kinds))),
        "back_off_db": round(rng.uniform(-12, 20), 1),
        "predistortion": str(rng.random() < 0.5).lower(),
        "oversampling": int(rng.choice([1, 2, 3, 4, 4])),
        "transmit_iq": [round(rng.uniform(-2, 2), 2), round(rng.uniform(-10, 10), 1)],
        "receive_iq": [round(rng.uniform(-3, 7), 2), round(rng.uniform(-20, 47), 1)],
        "converter_bits": int(rng.integers(0, 13)),
        "kappa_receive": round(rng.uniform(0, 0.1), 3),
        "phase_noise": "'r1-163984'",
        "carrier_offset": round(rng.uniform(-100, 100), 1),
        "transmit_converter_bits": int(rng.integers(1, 13)),
        "sampling_offset": round(rng.uniform(-200, 200), 1),
    }
    likely = [0.95, 0.8, 0.3, 0.5, 0.5, 0.5, 0.7, 0.05, 0.05, 0.05, 0.5, 0.5]
    return {
        key: value
        for (key, value), share in zip(drawn.items(), likely, strict=True)
        if rng.random() < share
    }


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(24))
def test_any_hardware_gets_right_numbers_or_a_sentence(seed):
    """The error of 10,240 symbols of unit energy is the stated one, or 15 % off it:
    Gaussian symbols of few grids stand for all; and the images have numbers. Mirrored
    images of transmitter and receiver may cancel, where the statement counts both."""
    rng = np.random.default_rng([seed, 24])
    keys = drawn(rng)
    section = ", ".join(f"{key}={value}" for key, value in keys.items())
    try:
        link = SemanticLink(scenario(f"hardware={{{section}}}"))
        at, count = link.scenario.at(20.0), 640
        grid, no = SharedGrid(at, count), noise_variance(20.0)
        parts = rng.standard_normal((2, 16, 1, count)) / np.sqrt(2)
        x = (parts[0] + 1j * parts[1]).astype("complex64")
        h, noise = grid.draw(16, no)
        seen = grid.seen(h), np.zeros([1] * 7, "float32"), no, False
        x_hat, no_eff = grid.receive(grid.send(x, h, noise), *seen)
        counts = plain(link.count(link.draw(at, 0)))
    except ScenarioError as refusal:
        assert "\n" not in str(refusal) and len(str(refusal)) < 300
        return
    ratio = np.mean(np.abs(x_hat - x) ** 2) / np.mean(no_eff)
    least = 0.5 if {"transmit_iq", "receive_iq"} <= keys.keys() else 0.85
    assert least < ratio < 1.15
    for each in counts.values():
        assert 5 < estimate(each, "psnr").value < 50
