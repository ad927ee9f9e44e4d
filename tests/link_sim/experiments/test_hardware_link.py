import keras
import numpy as np
import pytest

from link_sim.engine.batches import plain
from link_sim.experiments.link import Link
from link_sim.scenarios.loading import load_scenario
from link_sim.world.sources import evaluation_digits

pytestmark = pytest.mark.usefixtures("eager")
HARDWARE = (
    "hardware.amplifier=rapp", "hardware.back_off_db=3",
    "hardware.phase_noise=r1-163984", "hardware.converter_bits=5",
)  # fmt: skip


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.npz"
    np.savez(path, images=evaluation_digits()[:4, 8:20, 8:20])
    return (
        "channel.model=rayleigh", "batch_size=4", "payload.num_images=4",
        "antennas={transmit=2, streams=2, receive=4}", "grid.fft_size=26",
        "code.iterations=4",
        f"payload.source={path}", "sweep={axis='esno_db', points=[30]}",
    )  # fmt: skip


def counts_of(link, batch=0):
    return plain(link.count(link.draw(link.scenario.at(30), batch)))


def test_receivers_know_the_linear_part_of_the_hardware(small):
    link = Link(load_scenario("image", [*small, *HARDWARE]), ["perfect-csi", "ls"])
    counts = counts_of(link)
    assert counts["perfect-csi"]["bit_errors"] == 0
    # error of the estimates: distortion of the pilots, about -20 dB, not the gain
    assert counts["ls"]["channel_error"] < 0.05 * counts["ls"]["channel_power"]
    assert counts_of(link) == counts


def test_perfect_hardware_changes_nothing(small):
    plain_link = Link(load_scenario("image", [*small]), ["ls"])
    perfect = Link(load_scenario("image", [*small, "hardware={}"]), ["ls"])
    expected, found = counts_of(plain_link)["ls"], counts_of(perfect)["ls"]
    for key in ("bit_errors", "channel_error", "channel_power"):
        assert found[key] == pytest.approx(expected[key], rel=1e-3)


@pytest.mark.slow
def test_a_link_with_hardware_is_saved_and_read(small):
    link = Link(load_scenario("image", [*small, *HARDWARE]), ["ls"])
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(link)
    )
    assert counts_of(again) == counts_of(link)


@pytest.mark.slow
def test_amplifiers_are_linearised_where_the_phase_moves_too():
    """Four frames: behind distortion as noise many bits are wrong, here none."""
    hardware = (
        "{amplifier='3gpp-polynomial', back_off_db=2, phase_noise='tr38803-30ghz'}"
    )
    names = "perfect-csi+bussgang", "perfect-csi+linearising-ldpc"
    own = load_scenario(
        "image-awgn",
        ["grid={fft_size=256, subcarrier_spacing=120e3, phase_pilots=8}",
         f"hardware={hardware}", "batch_size=4", f"receivers={list(names)}",
         "sweep={axis='esno_db', points=[11.5]}"],
    )  # fmt: skip
    link = Link(own, list(names))
    counts = plain(link.count(link.draw(own.at(11.5), 0)))
    errors = [int(counts[name]["bit_errors"]) for name in names]
    assert errors[0] > 100 and errors[1] == 0
