"""Noise and energy against the axis, for scenarios drawn at random."""

from typing import get_args

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sionna.phy import config

from link_sim.experiments.link import Link
from link_sim.scenarios.loading import load_scenario
from link_sim.scenarios.radio import VARIED, Channel
from link_sim.world.channel import Channel as FrequencyResponses
from link_sim.world.sources import evaluation_digits

pytestmark = pytest.mark.usefixtures("eager")

FRAMES = 60
GUARDS = 3
MODELS = get_args(Channel.model_fields["model"].annotation)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with images of 4x4 pixels."""
    made = tmp_path_factory.mktemp("levels")
    np.savez(made / "small.npz", images=evaluation_digits()[:4, 12:16, 12:16])
    return made


def file_of(place, model, receive, transmit, carriers):
    """Correlated channels of a file, of examples with unlike energies."""
    rng = np.random.default_rng(receive)
    path = place / f"{model}-{receive}-{transmit}-{carriers}.npz"
    wide = carriers if model == "cfr" else 3
    a = rng.standard_normal((40, receive, transmit, wide, 1, 2)) @ [1, 1j] + 1
    a *= 10 ** rng.uniform(-0.5, 0.5, (40, 1, 1, 1, 1))
    if model == "cfr":
        np.savez(path, h=a, spacing=30e3)
    else:
        np.savez(path, a=a, tau=rng.uniform(0, 3e-6, (40, 3)))
    return path


@st.composite
def choices(draw):
    """Settings of a link, and its (users, streams, transmit, receive)."""
    level = draw(st.sampled_from(["esno_db", "ebno_db"]))
    down = level == "ebno_db" and draw(st.integers(0, 3)) == 0
    users = draw(st.sampled_from([2, 3] if down else [1, 1, 2]))
    model = draw(st.sampled_from(MODELS[1:] if users > 1 else MODELS))
    dual = not down and draw(st.booleans()) and model != "site"
    streams = 1 if down else draw(st.integers(1, 2))
    transmit = streams if down else streams + draw(st.integers(0, 2))
    receive = users * streams + draw(st.integers(0, 2))
    if dual:
        transmit, receive = transmit + transmit % 2, receive + receive % 2
    normalise = [None, "frame", "none"] + ["file"] * (model in ("cir", "cfr"))
    if level == "esno_db" and model in VARIED:
        normalise.remove("none")
    carriers = users * streams * draw(st.integers(8, 14))
    nulled = draw(st.booleans())
    chosen = {
        "antennas.users": users,
        "antennas.streams": streams,
        "antennas.transmit": transmit,
        "antennas.receive": receive,
        "antennas.polarisation": "dual" if dual else "single",
        "direction": "downlink" if down else "uplink",
        "channel.model": model,
        "channel.normalise": draw(st.sampled_from(normalise)),
        "sweep.axis": level,
        "sweep.points": [draw(st.integers(-10, 30))],
        "code.bits_per_symbol": draw(st.sampled_from([2, 4, 6, 8])),
        "code.rate": round(draw(st.floats(0.2, 0.9)), 3),
        "grid.fft_size": carriers + nulled + GUARDS,
        "grid.guard_carriers": [2, GUARDS - 2],
        "grid.cyclic_prefix": draw(st.integers(0, 9)),
        "grid.dc_null": str(nulled).lower(),
        "grid.pilot_symbols": draw(st.sampled_from([[2], [2, 11], [0, 5, 9]])),
        "grid.pilot_spacing": draw(st.integers(1, 3)),
        "payload.num_images": 4,
    }
    if users > 1:
        offsets = st.lists(st.integers(-9, 9), min_size=users, max_size=users)
        chosen["antennas.power_offsets"] = draw(offsets)
    if down:
        chosen["antennas.precoder"] = draw(st.sampled_from(["mrt", "zf", "rzf"]))
    return chosen, (users, streams, transmit, receive)


def check(place, values, sizes):
    """Sent energy, received energy and noise of a link drawn at random."""
    users, streams, transmit, receive = sizes
    values |= {"payload.source": place / "small.npz"}
    model, normalise = values["channel.model"], values["channel.normalise"]
    if model in ("cir", "cfr"):
        made = file_of(place, model, receive, transmit, values["grid.fft_size"])
        values |= {"channel.file": made}
    made = [f"{key}={value}" for key, value in values.items() if value is not None]
    link = Link(load_scenario("image", made), ["perfect-csi"])
    at = link.scenario.at(values["sweep.points"][0])
    config.seed = 5
    no = link.noise_variance(at)
    b, c, x_rg, h, y = link.transmit(link.draw_images(FRAMES), no)
    down = values["direction"] == "downlink"
    sent = tf.repeat(x_rg, users, axis=0) if down else x_rg
    noise = y - tf.einsum("brxtmsf,btmsf->brxsf", h, sent)
    # N complex squares have a relative deviation of 1 / sqrt(N)
    measured = np.mean(np.abs(noise) ** 2)
    assert abs(measured / no - 1) < 5 / np.sqrt(tf.size(noise).numpy())
    level = 10 ** (at.level_db / 10)
    if at.level == "ebno_db":
        sender, grid = link.transmitter, link.scenario.grid
        energy = np.sum(np.abs(x_rg) ** 2) / streams  # they share the energy
        energy *= 1 + grid.cyclic_prefix / grid.fft_size
        bits = FRAMES * sender.images_per_frame * sender.image_bits
        symbols = np.count_nonzero(x_rg)
        assert abs(energy / bits / no / level - 1) < 5 * 0.7 / np.sqrt(symbols)
    as_sent = transmit == streams or at.level == "esno_db"
    if down or not as_sent or (normalise == "none" and model in (*VARIED, *FILES)):
        return
    used = np.any(np.asarray(x_rg[0, 0]) != 0, axis=(0, 1))
    energy = np.abs(h[:, 0, :, 0].numpy()[..., used]) ** 2
    energy = energy.reshape(FRAMES, -1, receive, users, streams, *energy.shape[3:])
    frames = energy.sum(axis=4).mean(axis=(1, 2, 4, 5))  # [frames, users]
    offsets = np.array(values.get("antennas.power_offsets", [0]))
    frames /= 10 ** (offsets / 10)
    error = frames.std(axis=0) / np.sqrt(FRAMES)
    wrong = np.abs(frames.mean(axis=0) - 1) > 5 * error + 1e-3
    assert not np.any(wrong), (frames.mean(axis=0), error)


FILES = "cir", "cfr"
DRAWN = settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@DRAWN
@given(choices())
def test_energy_and_noise_are_those_of_the_axis(place, chosen):
    check(place, *chosen)


@pytest.mark.slow
@settings(DRAWN, max_examples=80)
@given(choices())
def test_energy_and_noise_are_those_of_the_axis_in_many_links(place, chosen):
    check(place, *chosen)


@pytest.mark.parametrize("precoder", ["mrt", "zf", "rzf"])
def test_a_base_station_sends_the_energy_of_all_users(place, precoder):
    """The beams, told from what users see: as many antennas as users."""
    settings = [
        "antennas={users=3, transmit=1, streams=1, receive=3, power_offsets=[3, 0, 6]}",
        "direction=downlink", f"antennas.precoder={precoder}", "channel.model=tdl-a",
        "grid.fft_size=27", "grid.guard_carriers=[1, 1]", "payload.num_images=4",
        f"payload.source={place / 'small.npz'}",
    ]  # fmt: skip
    link = Link(load_scenario("image", settings), ["perfect-csi"])
    no = link.noise_variance(link.scenario.at(6.0))
    x_rg = link.transmitter(link.draw_images(2))[2]
    config.seed = 1
    seen = np.asarray(link.channel.send(x_rg, no)[1])
    config.seed = 1
    h = np.asarray(FrequencyResponses.__call__(link.channel, 2))[:, 0, :, 0]
    h = np.moveaxis(h, (1, 2), (-1, -2)).astype("complex128")
    seen = seen.reshape(len(h), 3, 3, *seen.shape[-2:])
    beams = np.linalg.solve(h, np.moveaxis(seen, (1, 2), (-2, -1)))
    np.testing.assert_allclose(np.sum(np.abs(beams) ** 2, axis=(-2, -1)), 3, rtol=0.01)
