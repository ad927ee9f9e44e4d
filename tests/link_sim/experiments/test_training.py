import importlib.util
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras_blocks import Restorer, Scaled
from sionna.phy import config

from link_sim import Link, load_scenario
from link_sim.receivers import LSChannelEstimator, PixelBayes, Receiver
from link_sim.world.sources import evaluation_digits

pytestmark = pytest.mark.usefixtures("eager")

SMALL = [
    "channel.model=rayleigh", "antennas.transmit=1", "antennas.streams=1",
    "antennas.receive=2", "antennas.polarisation=single", "code.bits_per_symbol=2",
    "code.iterations=4", "grid.fft_size=26", "grid.pilot_symbols=[2]",
    "payload.num_images=8",
]  # fmt: skip


@pytest.fixture(scope="module")
def link(tmp_path_factory):
    """A link whose first receiver has weights in estimator and restorer."""
    path = tmp_path_factory.mktemp("images") / "small.npz"
    np.savez(path, images=evaluation_digits()[:8, 8:20, 8:20])
    scenario = load_scenario("image", [*SMALL, f"payload.source={path}"])
    sender = Link(scenario, ["perfect-csi"]).transmitter
    estimator = Scaled(LSChannelEstimator(sender.resource_grid))
    mine = Receiver(sender, estimator, restorer=Restorer(), name="mine")
    return Link(scenario, [mine, "ls"])


def fitted(link, target, **options):
    link.compile(keras.optimizers.Adam(0.05), target=target)
    return link.fit(np.full(32, 5.0), batch_size=16, verbose=0, **options).history


@pytest.mark.graphs
def test_a_link_trains_with_the_habits_of_keras(link, tmp_path, caplog):
    callbacks = [
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", save_best_only=True),
        keras.callbacks.EarlyStopping(patience=5),
        keras.callbacks.BackupAndRestore(tmp_path / "backup"),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.ReduceLROnPlateau(),
    ]
    if importlib.util.find_spec("tensorboard"):  # Keras needs it for the callback
        callbacks.append(keras.callbacks.TensorBoard(tmp_path / "board"))
    config.seed = 1
    link.save_weights(tmp_path / "first.weights.h5")
    link.compile(keras.optimizers.Adam(0.1), target="channel", metrics=["mae"])
    levels = tf.data.Dataset.from_tensor_slices(np.full(32, 25.0)).batch(8)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        history = link.fit(
            levels, epochs=3, validation_data=np.full(8, 5.0), callbacks=callbacks,
            verbose=0, shuffle=False,
        ).history  # fmt: skip
    assert not caplog.records
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    expected = {"loss", "mae", "ber", "bler", "psnr", "nmse"}
    assert {f"val_{name}" for name in expected} <= set(history)
    assert (tmp_path / "log.csv").read_text().count("\n") == 4
    assert (tmp_path / "best.keras").is_file()
    assert len(callbacks) == 5 or [*(tmp_path / "board").rglob("events.*")]
    scale = link.receivers[0].estimator.scale
    assert scale.numpy() > 0.5
    link.load_weights(tmp_path / "first.weights.h5")
    assert scale.numpy() == np.float32(0.3)
    (trained,) = link.trainable_variables  # what acts on the target
    assert trained is scale


@pytest.mark.slow
def test_an_interrupted_fit_goes_on_where_it_was(link, tmp_path):
    def stop(epoch, logs):
        if epoch == 1:
            raise KeyboardInterrupt

    link = Link(link.scenario, link.receivers[:1])  # Keras keeps the epoch it begins at
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    broken = keras.callbacks.LambdaCallback(on_epoch_begin=stop)
    link.compile(keras.optimizers.Adam(0.05), target="channel")
    with pytest.raises(KeyboardInterrupt):
        link.fit(np.full(8, 5.0), epochs=3, callbacks=[backup, broken], verbose=0)
    link.compile(keras.optimizers.Adam(0.05), target="channel")
    history = link.fit(np.full(8, 5.0), epochs=3, callbacks=[backup], verbose=0)
    assert history.epoch == [1, 2]
    assert int(link.optimizer.iterations) == 3


@pytest.mark.slow
def test_half_precision_learns(link):
    """Layers of the user's compute in half, blocks of ours do not; loss is scaled."""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        sender, restorer = link.transmitter, Restorer()
        mine = Receiver(sender, restorer=restorer, name="mine")
        half = Link(link.scenario, [mine])
        half.compile(keras.optimizers.Adam(0.05), target="image")
        levels = np.full(48, 5.0)
        history = half.fit(
            levels, batch_size=16, epochs=3, verbose=0, validation_data=levels[:8]
        ).history
    finally:
        keras.config.set_dtype_policy("float32")
    assert restorer.compute_dtype == "float16" and mine.compute_dtype == "float32"
    assert isinstance(half.optimizer, keras.optimizers.LossScaleOptimizer)
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    assert history["val_psnr"][-1] > history["val_psnr"][0]


@pytest.mark.slow
@pytest.mark.graphs
def test_a_generator_of_levels_is_data(link):
    def levels():
        while True:
            yield (np.random.default_rng(0).uniform(0, 5, 8),)

    link.compile(target="channel")
    link.fit(levels(), steps_per_epoch=2, verbose=0, shuffle=False)
    assert int(link.optimizer.iterations) == 2


@pytest.mark.slow
@pytest.mark.graphs
def test_a_restorer_learns_from_images(link):
    link.receivers[0].estimator.trainable = False
    losses = fitted(link, "image", epochs=3)["loss"]
    link.receivers[0].estimator.trainable = True
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    "target, sentence",
    [
        ("information_bits", "LDPCDecoder lets no gradient .* to the estimator: use"),
        ("pixels", "target = 'pixels' is not known: use channel, coded_bits"),
    ],
)
def test_what_cannot_be_learned_is_answered_in_one_sentence(link, target, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        fitted(link, target)
    assert "\n" not in str(error.value)


def test_nothing_to_train_and_targets_of_the_user_are_refused(link):
    link.receivers[0].estimator.trainable = False
    with pytest.raises(ValueError, match="nothing that acts on target = 'channel'"):
        fitted(link, "channel")
    link.receivers[0].estimator.trainable = True
    with pytest.raises(ValueError, match="give Eb/N0 values alone"):
        link.fit(np.ones(4), np.ones(4), verbose=0)


@pytest.mark.slow
@pytest.mark.graphs
def test_symbols_are_found_where_there_is_no_noise(link):
    link.receivers[0].estimator.scale.assign(1.0)
    link.compile(target="symbols")
    values = link.evaluate(np.full(8, 60.0), verbose=0, return_dict=True)
    assert values["loss"] < 1e-4  # channels fade, and x_hat is soft
    assert values["ber"] == values["bler"] == 0


@pytest.mark.slow
@pytest.mark.graphs
def test_a_fresh_process_reads_exactly_the_same_link(link, tmp_path):
    link.compile(keras.optimizers.Adam(), target="channel")
    link.fit(np.full(4, 5.0), verbose=0)
    link.save(tmp_path / "link.keras")
    config.seed = 3
    np.savez(tmp_path / "link.npz", **link.predict(np.full(4, 5.0), verbose=0))
    llr = 4 * np.random.default_rng(0).standard_normal((2, 28, 28, 1, 8), "float32")
    inputs = keras.Input((28, 28, 1, 8))
    model = keras.Model(inputs, keras.layers.Rescaling(2.0)(PixelBayes()(inputs)))
    model.save(tmp_path / "restorer.keras")
    image = model.predict(llr, verbose=0)
    np.savez(tmp_path / "restorer.npz", llr=llr, image=image)
    program = Path(__file__).with_name("keras_program.py")
    ended = subprocess.run(
        [sys.executable, program, tmp_path], capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    differences, compiled = ended.stdout.split("\n")[:2], ended.stdout.split("\n")[2]
    assert [float(x) for x in differences] == [0, 0]
    assert compiled == "channel 2"
    assert "Warning" not in ended.stderr


@pytest.mark.slow
@pytest.mark.graphs
def test_xla_compiles_a_step(link):
    link.compile("adam", target="channel", jit_compile=True)
    assert np.isfinite(link.fit(np.full(8, 5.0), verbose=0).history["loss"][0])
