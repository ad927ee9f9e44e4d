"""Several users in one grid: whose bits, channels and energies are whose."""

import numpy as np
import pytest
import tensorflow as tf
from sionna.phy import config
from sionna.phy.channel import ApplyOFDMChannel
from sionna.phy.mimo import StreamManagement
from sionna.phy.ofdm import (
    LinearDetector,
    LSChannelEstimator,
    PilotPattern,
    ResourceGrid,
    ResourceGridMapper,
)

from link_sim.engine.batches import plain
from link_sim.experiments.link import Link
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.loading import load_scenario
from link_sim.world.channel import Channel
from link_sim.world.sources import evaluation_digits

pytestmark = pytest.mark.usefixtures("eager")

TWO = [
    "antennas={transmit=1, streams=1, receive=2, users=2}",
    "channel.model=rayleigh",
    "code={bits_per_symbol=2, iterations=4}",
    "grid={fft_size=26, guard_carriers=[3, 2]}",
    "sweep.axis=esno_db",
]


@pytest.fixture(scope="module", autouse=True)
def small_images(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "small.npz"
    np.savez(path, images=evaluation_digits()[:8, 8:16, 8:16])
    TWO.extend([f"payload.source={path}", "payload.num_images=8"])
    yield
    del TWO[-2:]


def link(*overrides, receivers=("perfect-csi",)):
    return Link(load_scenario("image", [*TWO, *overrides]), receivers)


@pytest.mark.parametrize(
    "override, said",
    [
        ("antennas.users=3", "users = 3 with streams = 1 each exceed receive = 2"),
        ("antennas.power_offsets=[0, -3, 1]", "3 values for users = 2"),
        ("antennas.users=17", "antennas.users = 17"),
        ("antennas.power_offsets=[0, -90]", "antennas.power_offsets.1 = -90"),
        ("grid.guard_carriers=[3, 3]", "of each of 2 users must divide"),
        ("channel.model=awgn", "antennas.users"),
    ],
)
def test_what_cannot_be_is_answered_in_one_sentence(override, said):
    with pytest.raises(ScenarioError, match=said):
        load_scenario("image", [*TWO, override])


def test_users_are_of_the_link_alone():
    with pytest.raises(ScenarioError, match="'antennas.users' is unknown"):
        load_scenario("semantic", ["antennas.users=2"])


def test_an_older_scenario_is_one_of_one_user():
    scenario = load_scenario("image")
    text = scenario.to_toml()
    for line in ("users = 1\n", "power_offsets = []\n"):
        assert line in text
        text = text.replace(line, "")
    assert type(scenario).model_validate(scenario.model_dump()) == scenario
    assert load_scenario("image", antennas={"power_offsets": [0]}) != scenario


@pytest.mark.parametrize(
    "overrides", [(), ("grid.symbols=6", "grid.pilot_symbols=[1]")]
)
def test_codewords_go_to_the_streams_of_their_users(overrides):
    sender = link("antennas.receive=4", "antennas.transmit=2", "antennas.streams=2",
                  "grid.guard_carriers=[2, 3]", *overrides).transmitter  # fmt: skip
    config.seed, frames = 1, 2
    images = sender.images_per_frame // 2
    llr = tf.random.normal(
        [
            frames * sender.grids_per_frame,
            1,
            4,
            sender.frame_bits // sender.grids_per_frame // 2,
        ]
    ).numpy()
    before = sender.demodulate(llr).numpy().reshape(frames, 2, images, -1)
    llr[:, :, 2:] *= 2  # the streams of the second user
    after = sender.demodulate(llr).numpy().reshape(frames, 2, images, -1)
    assert np.array_equal(after[:, 0], before[:, 0])
    assert np.array_equal(after[:, 1], 2 * before[:, 1])
    second = sender.demodulate(llr[sender.grids_per_frame :], frame=1).numpy()
    assert np.array_equal(second.reshape(2, images, -1), after[1])


def test_without_noise_every_user_is_received_right():
    model = link(receivers=["perfect-csi", "ls"])
    world = model.draw(model.scenario.at(60.0), 0)
    for sums in plain(model.count(world)).values():
        assert sums["bit_errors"] == 0
        assert sums["user_1_bits"] == sums["user_2_bits"] == sums["bits"] / 2


def test_counts_of_users_add_up_to_those_of_all():
    model = link("antennas.power_offsets=[0, -10]")
    [sums] = plain(model.count(model.draw(model.scenario.at(4.0), 0))).values()
    for what in ("bits", "blocks", "bit_errors", "block_errors"):
        assert sums[what] == sums[f"user_1_{what}"] + sums[f"user_2_{what}"]
    assert sums["user_1_bit_errors"] < sums["user_2_bit_errors"]


@pytest.mark.parametrize("model", ["rayleigh", "tdl-a", "cdl-a"])
def test_energy_of_a_user_is_that_of_the_axis_times_its_offset(model):
    frames = 40 if model == "cdl-a" else 400
    channel = Channel(
        load_scenario("image", [*TWO, f"channel.model={model}",
            "antennas={transmit=1, streams=1, receive=4, users=3,"
            "power_offsets=[0, -6, 10]}", "grid.guard_carriers=[2, 2]"])
    )  # fmt: skip
    config.seed = 1
    energy = np.abs(channel(frames).numpy()) ** 2
    energy = energy.mean(axis=(1, 2, 3, 5, 6)) / 10 ** np.array([0, -0.6, 1])
    # cdl is of energy 1 in each frame, the others have 4 antennas of exponential energy
    deviation = 1e-4 if model == "cdl-a" else np.sqrt(1 / 4 / frames)
    assert np.all(np.abs(energy.mean(axis=0) - 1) < 4 * deviation)
    if model != "cdl-a":
        together = np.corrcoef(energy.T) - np.eye(3)
        assert np.abs(together).max() < 4 / np.sqrt(frames)


def test_energy_of_a_bit_is_that_of_its_user():
    model = link("sweep.axis=ebno_db")
    sender, batch = model.transmitter, 64
    config.seed = 1
    x = sender(model.draw_images(batch))[2].numpy()
    no = model.noise_variance(model.scenario.at(4.0)).numpy()
    bits = batch * sender.images_per_frame // 2 * sender.image_bits
    for user in range(2):
        sent = np.sum(np.abs(x[:, 0, user]) ** 2) * (1 + 7 / 26)
        # Sionna cuts the 355.4 elements of a grid with its prefix to an integer
        assert np.isclose(sent / bits / no, 10**0.4, rtol=0.4 / 355)


def test_users_get_different_examples_of_a_file(tmp_path):
    path = tmp_path / "three.npz"
    a = np.arange(1.0, 4)[:, None] + np.zeros(2) + 0j
    np.savez(path, a=a.reshape(3, 2, 1, 1, 1), tau=np.zeros([3, 1]))
    file = "channel.model=cir", f"channel.file={path}", "channel.normalise=none"
    channel = Channel(load_scenario("image", [*TWO, *file]))
    config.seed = 1
    h = channel(300).numpy()[:, 0, 0, 0, :, 0, 5].real.round(3)
    assert np.all(h[:, 0] != h[:, 1])
    for user in h.T:  # each example a third of the time
        shares = np.unique(user, return_counts=True)[1] / 300
        assert np.all(np.abs(shares - 1 / 3) < 4 * np.sqrt(2 / 9 / 300))
    np.savez(path, a=a[:1].reshape(1, 2, 1, 1, 1), tau=np.zeros([1, 1]))
    with pytest.raises(ScenarioError, match="1 examples for 2 users"):
        Channel(load_scenario("image", [*TWO, *file]))


def test_beside_one_that_is_switched_off_a_user_is_alone():
    model = link("antennas.power_offsets=[0, -40]")
    frames, esno_db = 500, 2.0
    config.seed = 1
    no = model.noise_variance(model.scenario.at(esno_db))
    _, c, _, h, y = model.transmit(model.draw_images(frames), no)
    receiver = model.receivers[0]
    llr = receiver.detect(y, *receiver.estimate(y, no, h), no)
    wrong = np.not_equal(llr > 0, c > 0).reshape(frames, 2, -1)
    per_frame = wrong[:, 0].mean(axis=1)
    # QPSK with maximum ratio combining of two antennas (Proakis 2001, eq. 14.4-15)
    g = 10 ** (esno_db / 10) / 2
    mu = np.sqrt(g / (1 + g))
    expected = ((1 - mu) / 2) ** 2 * (2 + mu)
    assert abs(per_frame.mean() - expected) < 4 * per_frame.std() / np.sqrt(frames)
    assert 0.45 < wrong[:, 1].mean() < 0.5


def test_a_script_of_sionna_with_two_transmitters_finds_the_same():
    model = link("antennas.power_offsets=[0, -3]", receivers=["ls"])
    own = model.transmitter.resource_grid
    config.seed = 1
    no = model.noise_variance(model.scenario.at(10.0))
    _, _, x_rg, h, y = model.transmit(model.draw_images(8), no)

    pattern, shape = own.pilot_pattern, own.pilot_pattern.mask.shape
    options = dict(
        num_ofdm_symbols=14, fft_size=26, subcarrier_spacing=30e3, num_tx=2,
        num_streams_per_tx=1, cyclic_prefix_length=7, num_guard_carriers=(3, 2),
        dc_null=True,
    )  # fmt: skip
    pilots = PilotPattern(
        tf.reshape(pattern.mask, [2, 1, *shape[2:]]),
        tf.reshape(pattern.pilots, [2, 1, -1]),
    )
    grid = ResourceGrid(**options, pilot_pattern=pilots)
    kronecker = ResourceGrid(
        **options, pilot_pattern="kronecker", pilot_ofdm_symbol_indices=[2, 11]
    ).pilot_pattern
    assert np.array_equal(kronecker.mask, pilots.mask)
    energy = [np.mean(np.abs(each.pilots) ** 2) for each in (kronecker, pilots)]
    assert np.allclose(*energy)

    streams = StreamManagement(np.ones([1, 2]), 1)
    x = tf.boolean_mask(x_rg[:, 0], ~np.asarray(grid_mask(own)), axis=1)
    x = ResourceGridMapper(grid)(tf.reshape(x, [x_rg.shape[0], 2, 1, -1]))
    assert np.allclose(x[:, :, 0], x_rg[:, 0])
    h_two = tf.transpose(h, [0, 1, 2, 4, 3, 5, 6])  # users as transmitters
    noiseless = ApplyOFDMChannel()(x, h_two)
    assert abs(np.var(y - noiseless) / no - 1) < 4 / np.sqrt(tf.size(y))

    h_hat, err_var = LSChannelEstimator(grid, "lin")(y, no)
    detector = LinearDetector(
        "lmmse", "bit", "app", grid, streams, "qam", num_bits_per_symbol=2
    )
    expected = detector(y, h_hat, err_var, no)  # [batch, users, 1, bits]
    receiver = model.receivers[0]
    found = receiver.detector(y, *receiver.estimate(y, no, h), no)
    assert np.allclose(found[:, 0], expected[:, :, 0], rtol=1e-3, atol=1e-3)


def grid_mask(grid):
    """Elements of each stream without data, [streams, symbols, fft_size]."""
    mask = np.ones(
        [grid.num_streams_per_tx, grid.num_ofdm_symbols, grid.fft_size], bool
    )
    carriers = np.asarray(grid.effective_subcarrier_ind)
    mask[:, :, carriers] = np.asarray(grid.pilot_pattern.mask)[0] == 1
    return mask
