"""Feeds what no one should write to the program: `python tests/torture/bad_input.py`.

Scenario files, overrides, channel and image files and weights are drawn by hypothesis.
Each case must end in success or in one sentence with status 2, and what is accepted
must be read back as it was. `--cases` is their number.
"""

import argparse
import io
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, from_dtype
from typer.testing import CliRunner

sys.path.append(str(Path(__file__).parents[1] / "link_sim"))

import fake_link

import link_sim
from link_sim import cli, plots, results
from link_sim.link import Link
from link_sim.scenario import ScenarioError, load_scenario, parse_scenario
from models import pretrained

BATCHES = 12
"""After so many a run of the stand-in link is stopped, as by Ctrl-C."""
SECTIONS = {
    "": ("name", "description", "seed", "batch_size", "receivers", "kind"),
    "payload": ("source", "num_images", "sha256"),
    "code": ("rate", "iterations", "bits_per_symbol", "reliable_bits"),
    "grid": ("symbols", "fft_size", "subcarrier_spacing", "cyclic_prefix",
             "guard_carriers", "dc_null", "pilot_symbols"),
    "antennas": ("transmit", "streams", "receive", "polarisation"),
    "channel": ("model", "carrier_frequency", "delay_spread", "speed", "file"),
    "sweep": ("axis", "points", "esno_db"),
    "stop": ("max_batches", "block_errors", "relative_width", "seconds"),
}  # fmt: skip
KEYS = [f"{s}.{k}".strip(".") for s, keys in SECTIONS.items() for k in keys]

texts = st.text(max_size=20) | st.sampled_from(
    ["", "ls", "mnist", "cdl-a", "cir", "num_steps", "../x.npz", "/etc/hostname", "\0",
     "-", "a" * 300, "ls+", "inf", "[1", "1e400", "\x7f\n\"'\\", "{}", "[[1]]"]
)  # fmt: skip
numbers = st.integers() | st.floats() | st.integers(-3, 300)
values = st.recursive(
    numbers | st.booleans() | texts | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=2)
    ),
    max_leaves=5,
)
keys = st.integers(0, 9).flatmap(
    lambda i: st.sampled_from(KEYS) if i else st.text(max_size=10)
)
WORDS = (
    "single dual awgn rayleigh tdl-a cdl-c umi cir mnist random information parity "
    "esno_db ebno_db num_steps ls lmmse perfect-csi ls+turbo lmmse+ep+ddpm-4 k-best"
).split()
tame_numbers = st.integers(-2, 20) | st.floats(-10, 20).map(lambda x: round(x, 1))
TAME = {
    bool: st.booleans(),
    int: st.integers(0, 150),
    float: st.floats(0.1, 0.9) | st.floats(0, 1e10) | tame_numbers,
    str: st.sampled_from(WORDS),
    tuple: st.lists(tame_numbers, max_size=3) | st.lists(st.sampled_from(WORDS)),
}
EXAMPLE = load_scenario("smoke")


def tame(key: str):
    """Values of the type that the key has, many of them possible."""
    value = EXAMPLE.model_dump()
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return TAME.get(type(value), tame_numbers | TAME[str])


@st.composite
def changes(draw) -> dict:
    """A few keys with new values, one of four of any kind."""
    names = draw(st.lists(keys, max_size=3, unique=True))
    return {name: draw(tame(name) if draw(st.integers(0, 3)) else values)
            for name in names}  # fmt: skip


def toml(value) -> str:
    """A value as TOML has it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)


@st.composite
def scenario_files(draw) -> bytes:
    """A scenario that works with some values replaced, or cut short, or garbled."""
    text = EXAMPLE.to_toml()
    for key, value in draw(changes()).items():
        section, _, name = key.rpartition(".")
        lines = [x for x in text.splitlines() if x.split(" = ")[0] != name]
        header, name = f"[{section}]", name if key in KEYS else toml(name)
        at = lines.index(header) + 1 if header in lines else 0
        text = "\n".join([*lines[:at], f"{name} = {toml(value)}", *lines[at:]])
    content = bytearray(text.encode("utf-8", "surrogatepass"))
    harm = draw(st.sampled_from(["none"] * 9 + ["cut", "garbled", "nested"]))
    position = draw(st.integers(0, len(content) - 1))
    if harm == "cut":
        return bytes(content[:position])
    if harm == "garbled":
        content[position] = draw(st.integers(0, 255))
    if harm == "nested":
        content += b"\nx = " + b"[" * draw(st.sampled_from([3, 5000]))
    return bytes(content)


@st.composite
def overrides(draw) -> list[str]:
    """Settings of the command line, as they are or as no one should write them."""
    settings = [f"{key}={toml(value)}" for key, value in draw(changes()).items()]
    return settings + draw(st.lists(texts, max_size=1)) * (not draw(st.integers(0, 9)))


def run_bad_scenario(content: bytes, extra: list[str]) -> None:
    """One case: a scenario file and overrides, through the command line, twice."""
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder) / "mine.toml", Path(folder) / "out"
        file.write_bytes(content)
        options = [part for text in extra for part in ("--set", text)]
        arguments = ["run", str(file), "--out", str(out), *options]
        for _ in range(2):
            fake_link.started = 0
            result = CliRunner().invoke(cli.app, arguments)
            answered(result)
        if result.exit_code != 2:
            stored = (out / "scenario.toml").read_text()
            assert parse_scenario(stored) == load_scenario(str(file), extra)
            assert results.load_results(out)[1]


def build_bad_link(changed: dict) -> None:
    """One case: a scenario whose link is built by Sionna, if it is accepted."""
    settings = [f"{key}={toml(value)}" for key, value in changed.items()]
    try:
        Link(load_scenario("smoke", ["batch_size=2", *settings]))
    except ScenarioError as error:
        sentence(error)


def answered(result) -> None:
    """Asserts success, the stop by `limited`, or one sentence with status 2."""
    about = f"{result.stdout}\n{result.stderr}\n{result.exception!r}"
    assert isinstance(result.exception, (SystemExit, type(None))), about
    assert result.exit_code in (0, 2, 130), about
    if result.exit_code == 2:
        assert result.stderr.count("\n") == 1, about
        assert result.stderr.startswith("link-sim: "), about


def limited(toml: str, point: float, batch: int, run_batch=fake_link.run_batch) -> dict:
    """A batch of the stand-in link, or Ctrl-C once there are enough."""
    fake_link.started += 1
    if fake_link.started > BATCHES:
        raise KeyboardInterrupt
    return run_batch(toml, point, batch)


def stand_in() -> None:
    """Has the command line use the stand-in link and draw nothing."""
    fake_link.run_batch = limited
    sys.modules["link_sim.link_batches"] = link_sim.link_batches = fake_link
    results._versions = dict
    cli._load_tensorflow = lambda console: None
    plots.save_plots = plots.save_strip = lambda *arguments: None


dtypes = st.sampled_from(["complex64", "complex128", "float64", "int8", "O", "U3"])
shapes = st.sampled_from([(3, 1, 1, 2, 1), (1, 1, 1, 1, 14), (2, 1, 1, 2, 3)])


@st.composite
def archives(draw, names) -> bytes:
    """An .npz with arrays that may fit, cut short or garbled at times."""
    found = {}
    for name in names:
        kind = np.dtype(draw(dtypes if name != "images" else st.just("uint8") | dtypes))
        shape = draw(shapes | array_shapes(max_dims=5, max_side=3, min_side=0))
        fill = st.none() if kind.kind == "O" else from_dtype(kind)
        found[name if draw(st.integers(0, 9)) else "other"] = draw(
            arrays(kind, shape, elements=fill)
        )
    file = io.BytesIO()
    np.savez(file, allow_pickle=True, **found)
    content = bytearray(file.getvalue())
    harm, position = draw(st.integers(0, 5)), draw(st.integers(0, len(content) - 1))
    if harm == 0:
        return bytes(content[:position])
    if harm == 1:
        content[position] ^= draw(st.integers(1, 255))
    return bytes(content)


@st.composite
def impulse_responses(draw) -> bytes:
    """Channel files of the right form, with any numbers."""
    examples, paths, steps = (draw(st.integers(1, 3)) for _ in range(3))
    a = arrays("complex128", (examples, 1, 1, paths, draw(st.sampled_from([1, steps]))))
    tau = arrays("float64", (examples, paths), elements=st.floats(-1e-6, 1e-3))
    file = io.BytesIO()
    np.savez(file, a=draw(a), tau=draw(tau))
    return file.getvalue()


def read_bad_channel(content: bytes) -> None:
    """One case: a channel file, whose channels have energy 1 if it is accepted."""
    from link_sim.channel import Channel

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cir.npz"
        file.write_bytes(content)
        chosen = ["channel.model=cir", f"channel.file={file}", "antennas.receive=1"]
        scenario = load_scenario("smoke", [*chosen, "grid.symbols=12"])
        try:
            h = Channel(scenario)(2).numpy()
        except ScenarioError as error:
            sentence(error)
            return
        assert np.isfinite(h).all()
        energy = (np.abs(h) ** 2).mean(axis=(1, 2, 3, 4, 5, 6))
        assert np.allclose(energy, 1, atol=1e-4), energy


def read_bad_images(content: bytes, suffix: str) -> None:
    """One case: an image file, which holds 8-bit images if it is accepted."""
    from link_sim.sources import load_images

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"images{suffix}"
        file.write_bytes(content)
        chosen = [f"payload.source={file}", "payload.num_images=1"]
        payload = load_scenario("smoke", chosen).payload
        try:
            images = load_images(payload)
        except ScenarioError as error:
            sentence(error)
            return
        assert images.dtype == np.uint8 and images.ndim == 4 and images.shape[0] == 1


def read_bad_weights(content: bytes, card: str | None) -> None:
    """One case: a file of weights and its card, which the hash protects."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "weights.npz"
        file.write_bytes(content)
        whole = {"summary": "", "sha256": pretrained._sha256(file), "architecture": {}}
        text = json.dumps(whole) if card is None else card
        file.with_suffix(".json").write_text(text, errors="replace")
        try:
            pretrained.load_model(str(file))
        except ValueError as error:
            sentence(error)
            return
        raise AssertionError("weights without an architecture were accepted")


def sentence(error: ValueError) -> None:
    assert str(error) and "Traceback" not in str(error), error


KINDS = {
    "scenarios": (run_bad_scenario, scenario_files(), overrides()),
    "links": (build_bad_link, changes()),
    "channels": (read_bad_channel, archives(("a", "tau")) | impulse_responses()),
    "images": (
        read_bad_images,
        archives(("images",)) | st.binary(max_size=99),
        st.sampled_from([".npz", ".png", ".bmp"]),
    ),
    "weights": (
        read_bad_weights,
        archives(("000", "001")),
        st.none() | st.text(max_size=9) | values.map(toml),
    ),
}
SHARES = {
    "scenarios": 0.65, "links": 0.05, "channels": 0.1, "images": 0.1, "weights": 0.1
}  # fmt: skip


def feed(kind: str, cases: int) -> int:
    """Runs cases of one kind; how many there were."""
    check, *strategies = KINDS[kind]
    done = 0

    @settings(
        max_examples=cases,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.tuples(*strategies))
    def case(arguments):
        nonlocal done
        done += 1
        check(*arguments)

    case()
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=2000)
    chosen = parser.parse_args()
    stand_in()
    for kind, share in SHARES.items():
        cases = feed(kind, max(1, round(share * chosen.cases)))
        print(f"{kind}: {cases} cases, each a success or one sentence", flush=True)


if __name__ == "__main__":
    main()
