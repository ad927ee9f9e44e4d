import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import erfc
from sionna.phy import config
from sionna.phy.utils import PlotBER, sim_ber

from link_sim.engine.batches import LiveExperiment, plain, run_batch
from link_sim.experiments.link import Link, _graph
from link_sim.receivers.catalog import DETECTORS
from link_sim.receivers.chain import Receiver
from link_sim.receivers.entries import build_block
from link_sim.scenarios.base import ScenarioError, batch_seed
from link_sim.scenarios.interference import noise_variance
from link_sim.scenarios.loading import load_scenario
from link_sim.world.sources import evaluation_digits

pytestmark = pytest.mark.usefixtures("eager")

SMALL = [
    "channel.model=rayleigh",
    "antennas.polarisation=single",
    "batch_size=4",
    "code.iterations=4",
    "grid.fft_size=26",
    "payload.num_images=8",
]


@pytest.fixture(scope="module", autouse=True)
def small_images(tmp_path_factory):
    """Eight images of 12x12 pixels, on which all links of this module run."""
    path = tmp_path_factory.mktemp("images") / "small.npz"
    digits = evaluation_digits()[:8, 8:20, 8:20]
    np.savez(path, images=digits)
    SMALL.append(f"payload.source={path}")
    yield
    SMALL.pop()


def link(*overrides, receivers=("perfect-csi",)):
    return Link(load_scenario("image", [*SMALL, *overrides]), receivers)


def counts_of(model, point, batch):
    """Counts of a batch of the link by receiver, as plain numbers."""
    return plain(model.count(model.draw(model.scenario.at(point), batch)))


def test_a_batch_is_the_same_again_and_alone_and_in_any_order():
    both = link(receivers=["ls+ep", "perfect-csi"])
    first = counts_of(both, 3.0, 5)
    other = counts_of(both, 3.0, 6)
    assert counts_of(both, 3.0, 5) == first != other
    scenario = load_scenario("image", [*SMALL, 'receivers=["perfect-csi"]'])
    alone = run_batch(scenario.to_toml(), 3.0, 5)
    assert alone["counts"]["perfect-csi"] == first["perfect-csi"]
    assert alone["seed"] == batch_seed(scenario.seed, 3.0, 5)


@pytest.mark.parametrize("model", ["awgn", "rayleigh", "cdl-c"])
def test_no_noise_and_perfect_csi_leave_no_errors(model):
    receivers = ["perfect-csi", "perfect-csi+ep"]
    overrides = f"channel.model={model}", "sweep.axis=esno_db"
    # 40 dB: above, expectation propagation in single precision loses some channels
    model = link(*overrides, receivers=receivers)
    for counts in counts_of(model, 40.0, 0).values():
        assert counts["bit_errors"] == counts["block_errors"] == 0
        assert counts["squared_error"] < 1e-12 and counts["bits"] == 4 * 1176


def test_energy_per_bit_counts_everything_that_is_sent():
    sent = link("code.rate=0.3", "grid.fft_size=40")
    sender = sent.transmitter
    config.seed = 1
    batch = 256
    x = sender(sent.draw_images(batch))[2].numpy()
    power = np.sum(np.abs(x) ** 2) / 2  # the streams share the energy
    cyclic_prefix = 1 + 7 / 40
    bits = batch * sender.images_per_frame * 1152
    no = sent.noise_variance(sent.scenario.at(4.0)).numpy()
    assert abs(np.log10(noise_variance(sent.scenario.at(4.0)) / no)) < 0.1
    ebno = power * cyclic_prefix / bits / no
    # energies of 64-QAM symbols have variance 0.381
    assert abs(ebno / 10**0.4 - 1) < 4 * np.sqrt(0.381 / (x != 0).sum())


def uncoded_errors(bits_per_symbol, model, esno_db, batch, *overrides):
    """Whether hard decisions on the LLRs are wrong, [batch, bits]; of one antenna."""
    siso = link(
        f"code.bits_per_symbol={bits_per_symbol}",
        f"channel.model={model}",
        "antennas.transmit=1",
        "antennas.streams=1",
        "antennas.receive=1",
        "sweep.axis=esno_db",
        *overrides,
    )
    config.seed = bits_per_symbol
    no = siso.noise_variance(siso.scenario.at(esno_db))
    _, c, _, h, y = siso.transmit(siso.draw_images(batch), no)
    receiver = siso.receivers[0]
    llr = receiver.detect(y, *receiver.estimate(y, no, h), no)
    return np.not_equal(llr > 0, c > 0).reshape(batch, -1)


def gray_pam_error_rate(bits_per_symbol, esno):
    """Bit error rate of square Gray QAM (Cho and Yoon 2002, eq. 16)."""
    levels = 2 ** (bits_per_symbol // 2)
    total = 0.0
    for k in range(1, bits_per_symbol // 2 + 1):
        for i in range(int((1 - 2.0**-k) * levels)):
            step = int(i * 2 ** (k - 1) / levels)
            weight = 2 ** (k - 1) - int(i * 2 ** (k - 1) / levels + 0.5)
            root = np.sqrt(3 * esno / (2 * (levels**2 - 1)))
            total = total + (-1) ** step * weight * erfc((2 * i + 1) * root) / levels
    return total / (bits_per_symbol // 2)


@pytest.mark.parametrize("bits, esno_db", [(2, 6.0), (4, 12.0), (6, 17.0), (8, 20.0)])
def test_uncoded_error_rate_over_awgn_meets_theory(bits, esno_db):
    wrong = uncoded_errors(bits, "awgn", esno_db, 100)
    expected = gray_pam_error_rate(bits, 10 ** (esno_db / 10))
    # two bits of one noise sample may err together: twice the binomial variance
    deviation = np.sqrt(2 * expected * (1 - expected) / wrong.size)
    assert abs(wrong.mean() - expected) < 4 * deviation


@pytest.mark.parametrize("bits, esno_db", [(2, 10.0), (4, 15.0), (6, 20.0), (8, 25.0)])
def test_uncoded_error_rate_over_rayleigh_fading_meets_theory(bits, esno_db):
    frames = 1000
    per_frame = uncoded_errors(bits, "rayleigh", esno_db, frames).mean(axis=1)
    gain = (np.arange(20000) + 0.5) / 20000
    esno = -np.log(gain) * 10 ** (esno_db / 10)  # quantiles of the exponential
    expected = gray_pam_error_rate(bits, esno).mean()
    if bits == 2:  # closed form for QPSK (Proakis 2001, eq. 14.3-7)
        mean = 10 ** (esno_db / 10) / 2
        closed = (1 - np.sqrt(mean / (1 + mean))) / 2
        assert abs(closed / expected - 1) < 1e-3
    assert abs(per_frame.mean() - expected) < 4 * per_frame.std() / np.sqrt(frames)


def test_the_fading_of_a_file_stays(tmp_path):
    rng, examples = np.random.default_rng(1), 5000
    a = rng.standard_normal((examples, 2)) @ [1, 1j]
    np.savez(
        tmp_path / "fading.npz",
        a=3e-5 * a.reshape(-1, 1, 1, 1, 1),
        tau=np.zeros([examples, 1]),
    )
    file, frames = f"channel.file={tmp_path / 'fading.npz'}", 3000
    per_frame = uncoded_errors(2, "cir", 8.0, frames, file).mean(axis=1)
    gain = np.abs(a) ** 2 / np.mean(np.abs(a) ** 2)
    expected = np.mean(erfc(np.sqrt(gain * 10**0.8 / 2)) / 2)
    closed = (1 - np.sqrt(10**0.8 / 2 / (1 + 10**0.8 / 2))) / 2  # 0.0643
    assert abs(expected - closed) < 4 * 0.09 / np.sqrt(examples)
    assert abs(per_frame.mean() - expected) < 4 * per_frame.std() / np.sqrt(frames)


@pytest.mark.parametrize("streams, receive, gain", [(1, 2, 2), (2, 2, 1), (2, 3, 1.5)])
def test_antennas_over_awgn_combine_what_they_receive(streams, receive, gain):
    ends = f"{{transmit={streams}, streams={streams}, receive={receive}}}"
    wrong = uncoded_errors(6, "awgn", 10.0, 100, f"antennas={ends}")
    expected = gray_pam_error_rate(6, gain * 10)
    deviation = np.sqrt(2 * expected * (1 - expected) / wrong.size)
    assert abs(wrong.mean() - expected) < 4 * deviation


def test_sionna_simulates_and_plots_the_link():
    scenario = load_scenario("image", [*SMALL, "sweep.points=[0]"])
    simulated = Link(scenario, ["perfect-csi"])
    ber, bler = sim_ber(simulated, [-5.0, 15.0], 4, 1, verbose=False)
    assert ber[0] > 0.05 > ber[1] and bler[0] == 1
    plot = PlotBER()
    plot.simulate(simulated, [15.0], 4, 1, legend="link", show_fig=False, verbose=False)
    assert plot.ber[0][0] == ber[1]
    b, b_hat = simulated(4, 15.0)
    assert b.shape == b_hat.shape == (4, 1, 1, 1176)
    ber, _ = sim_ber(simulated, [15.0], 4, 1, verbose=False, graph_mode="graph")
    assert ber[0] < 0.05


class ScaledDetector(keras.layers.Layer):
    """A user's block: Sionna's detector with a trainable temperature."""

    def __init__(self, transmitter):
        super().__init__()
        self.detector = build_block(DETECTORS, "sionna-linear", transmitter)

    def build(self, *shapes):
        self.scale = self.add_weight(shape=(), initializer=lambda *_, **__: 0.1)

    def call(self, y, h_hat, err_var, no):
        return self.scale * self.detector(y, h_hat, err_var, no)


@pytest.mark.slow
@pytest.mark.graphs
def test_a_layer_inside_a_receiver_trains_in_the_loop():
    base = link()
    mine = Receiver(base.transmitter, detector=ScaledDetector(base.transmitter))
    trained = link(receivers=[mine])
    trained.compile(
        optimizer=keras.optimizers.Adam(0.1),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
    )
    config.seed = 1
    history = trained.fit(np.full(64, -6.0), batch_size=8, epochs=3, verbose=0)
    assert len(trained.trainable_variables) == 1
    assert history.history["loss"][-1] < 0.95 * history.history["loss"][0]
    assert trained.trainable_variables[0].numpy() > 0.5  # calibrated LLRs have scale 1


def test_gradients_reach_the_transmitted_symbols():
    model = link()
    b, c, x_rg = model.transmitter(model.draw_images(1))
    h = model.channel(1)
    with tf.GradientTape() as tape:
        tape.watch(x_rg)
        y = tf.einsum("brxtmsf,btmsf->brxsf", h, x_rg)
        receiver = model.receivers[0]
        llr = receiver.detect(y, *receiver.estimate(y, 0.1, h), tf.constant(0.1))
        loss = keras.losses.binary_crossentropy(c, llr, from_logits=True)
    gradient = tape.gradient(loss, x_rg)
    used = tf.where(model.transmitter.resource_grid.build_type_grid()[0, 0] == 0)
    assert np.all(np.isfinite(gradient))
    assert np.mean(np.abs(tf.gather_nd(gradient[0, 0, 0], used)) > 0) > 0.9


def test_a_receiver_that_is_unknown_is_refused():
    with pytest.raises(ScenarioError, match="has no block 'lss'"):
        link(receivers=["lss"])


@pytest.mark.slow
def test_numbers_of_steps_are_compared_in_one_world():
    overrides = ["sweep.axis=num_steps", "sweep.esno_db=-3", "batch_size=4"]
    overrides += ["payload.source=mnist", "sweep.points=[1, 2]", "code.iterations=2"]
    overrides += ['receivers=["perfect-csi+ddpm"]']
    toml = load_scenario("image", [*SMALL, *overrides]).to_toml()
    batches = (run_batch(toml, k, 0)["counts"]["perfect-csi+ddpm"] for k in (1, 2, 1))
    one, two, again = batches
    assert one == again
    assert one["bit_errors"] == two["bit_errors"] > 0
    assert one["squared_error"] != two["squared_error"]


def test_frames_received_in_parts_are_counted_as_a_batch():
    names = 'receivers=["ls+ddpm-2", "perfect-csi"]'
    settings = ["batch_size=5", names, "payload.source=mnist", "code.iterations=2"]
    scenario = load_scenario("image", [*SMALL, *settings])
    live = LiveExperiment(scenario)
    whole = live.count(scenario.at(1.0), 2)
    live.frames_at_once = 2
    parts = live.count(scenario.at(1.0), 2)
    for name, counts in whole.items():
        assert parts[name].keys() == counts.keys()
        for key, value in counts.items():  # sums of float32, and bfloat16 in ddpm
            close = 5e-3 if "ddpm" in name else 1e-5
            far = 0.3 if "logit" in key else close  # logits cancel
            assert parts[name][key] == pytest.approx(value, rel=close, abs=far)
        assert parts[name]["bit_errors"] == counts["bit_errors"] > 0


def test_pictures_are_those_of_the_batch_and_no_more():
    names = 'receivers=["score", "score+ddpm-2"]'
    scenario = load_scenario("smoke", ["batch_size=3", names])
    live, at = LiveExperiment(scenario), scenario.at(2.0)
    whole = live.images(at, 5)
    live.frames_at_once = 2
    parts = live.images(at, 5)
    for name in ("image", *scenario.receivers):
        assert whole[name].shape[1:] == (28, 28, 1) and 3 <= len(whole[name]) <= 5
        np.testing.assert_allclose(parts[name], whole[name], atol=0.02)  # bfloat16


def test_score_knows_the_doppler_and_the_delays_of_a_file(tmp_path):
    rng, steps = np.random.default_rng(1), np.arange(42)
    period = (1 + 7 / 26) / 30e3
    shifts = 600 * np.cos(rng.uniform(0, 2 * np.pi, (50, 1, 1, 8, 1)))
    start = rng.random((50, 4, 2, 8, 1))
    a, tau = np.exp(2j * np.pi * (shifts * period * steps + start)), np.zeros((50, 8))
    settings = "channel.model=cir", "antennas.receive=4", "code.bits_per_symbol=2"

    def build(name, tau):
        np.savez(tmp_path / f"{name}.npz", a=a, tau=tau)
        file = f"channel.file={tmp_path / name}.npz"
        return link(*settings, file, receivers=["score"])

    moving = build("late", tau + 8e-6)
    assert abs(moving.receivers[0].estimator.doppler / 600 - 1) < 0.1
    h = moving.channel(4).numpy()[:, 0, :, 0]
    assert np.allclose(h, h[..., :1], atol=1e-4)  # flat: the delay is taken off
    with pytest.raises(ScenarioError, match="score can follow delays up to .*lmmse"):
        build("long", tau + np.linspace(0, 2.8e-5, 8))


@pytest.mark.parametrize("delay", [-2e-6, 20e-6])
def test_score_takes_responses_of_any_common_delay(tmp_path, delay):
    """Flat over frequency but for it: 26 subcarriers tell 13 dB less than the noise."""
    rng = np.random.default_rng(1)
    h = rng.standard_normal((50, 4, 2, 1, 1, 2)) @ [1, 1j]
    turns = np.exp(-2j * np.pi * delay * 30e3 * np.arange(26))
    np.savez(tmp_path / "h.npz", h=h * turns[:, None], spacing=30e3)
    file = f"channel.file={tmp_path / 'h.npz'}"
    settings = "channel.model=cfr", "antennas.receive=4", "code.bits_per_symbol=2"
    scored = link(*settings, file, "batch_size=16", receivers=["score"])
    world = scored.draw(scored.scenario.at(20.0), 0)
    counts = plain(scored.count(world))["score"]
    nmse = 10 * np.log10(counts["channel_error"] / counts["channel_power"])
    no = 10 * np.log10(float(scored.noise_variance(scored.scenario.at(20.0))))
    assert nmse < no - 6, (nmse, no)


def test_a_link_sample_by_sample_decides_as_the_one_in_the_frequency_domain():
    settings = "channel.domain=time", "channel.model=tdl-a", "grid.cyclic_prefix=12"
    counts = counts_of(link(*settings, "sweep.axis=esno_db"), 40.0, 0)["perfect-csi"]
    assert counts["bit_errors"] == 0 and counts["bits"] == 4 * 1176


@pytest.mark.graphs
def test_functions_of_many_links_are_traced_without_a_warning(caplog):
    for _ in range(7):
        _graph(lambda x: x + 1)(tf.constant(1.0))
    assert not caplog.records
