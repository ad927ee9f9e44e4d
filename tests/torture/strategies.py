"""What no one should write, and some of what one may: drawn by hypothesis."""

import io
import json

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, from_dtype

from link_sim.metrics.lpips import SHAPES
from link_sim.scenarios.loading import load_scenario
from link_sim.scenarios.sections import Section

EXAMPLES = (
    load_scenario("smoke"),
    load_scenario("semantic", ["payload.num_images=4", "sweep.points=[0.02, 0.1]"]),
    load_scenario("csi-scm", ["sweep.points=[0, 10]"]),
)
"""One scenario of each kind that works."""


def keys_of(scenario) -> list[str]:
    """The dotted keys that a scenario knows."""
    found = []
    for name in type(scenario).model_fields:
        part = getattr(scenario, name)
        inner = type(part).model_fields if isinstance(part, Section) else ()
        found += [f"{name}.{key}" for key in inner] or [name]
    return found


KEYS = ["kind", *dict.fromkeys(key for each in EXAMPLES for key in keys_of(each))]

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
WORDS = (
    "single dual awgn rayleigh tdl-a cdl-c umi cir mnist random information parity "
    "esno_db ebno_db num_steps pilot_spacing channel.speed grid.fft_size bler psnr "
    "ls lmmse perfect-csi ls+turbo lmmse+ep+ddpm-4 k-best "
    "link semantic csi bandwidth_ratio snr_db alpha scm cdl-a genie sparse score "
    "score-vamp perfect-csi+ae ls+cdiff-2 lmmse+jpeg perfect-csi+webp-at-7"
).split()
tame_numbers = st.integers(-2, 20) | st.floats(-10, 20).map(lambda x: round(x, 1))
TAME = {
    bool: st.booleans(),
    int: st.integers(0, 150),
    float: st.floats(0.1, 0.9) | st.floats(0, 1e10) | tame_numbers,
    str: st.sampled_from(WORDS),
    tuple: st.lists(tame_numbers, max_size=3) | st.lists(st.sampled_from(WORDS)),
}


def tame(scenario, key: str):
    """Values of the type that the key has, many of them possible."""
    value = scenario.model_dump()
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return TAME.get(type(value), tame_numbers | TAME[str])


@st.composite
def changes(draw, scenario) -> dict:
    """A few keys with new values, one of four of any kind."""
    own, any_kind = st.sampled_from(keys_of(scenario)), st.sampled_from(KEYS)
    keys = st.one_of(*[own] * 8, any_kind, st.text(max_size=10))
    names = draw(st.lists(keys, max_size=3, unique=True))
    return {
        name: draw(tame(scenario, name) if draw(st.integers(0, 3)) else values)
        for name in names
    }


RECEIVERS = {
    "smoke": "perfect-csi ls+pixel-bayes lmmse+ep score ls+k-best".split(),
    "semantic": "perfect-csi+ae ls+cdiff-2 score+ae lmmse+jpeg".split(),
    "csi-scm": "genie ls score sparse score-vamp".split(),
}
small = st.integers(1, 4)
POSSIBLE = {
    "users": st.integers(1, 2),
    "weights": st.just("nowhere"),
    "lpips": st.just("nowhere.npz"),
    "payload.num_images": st.integers(1, 9),
    "payload.source": st.sampled_from(["mnist", "random"]),
    "code.rate": st.floats(0.2, 0.9),
    "code.bits_per_symbol": st.sampled_from([2, 4, 6, 8]),
    "grid.symbols": st.integers(3, 14),
    "grid.fft_size": st.integers(4, 80),
    "grid.cyclic_prefix": st.integers(0, 9),
    "grid.guard_carriers": st.lists(st.integers(0, 5), min_size=2, max_size=2),
    "grid.dc_null": st.booleans(),
    "grid.pilot_symbols": st.lists(st.integers(0, 11), min_size=1, max_size=3),
    "grid.pilot_spacing": small,
    "antennas.transmit": small,
    "antennas.streams": small,
    "antennas.receive": small,
    "antennas.polarisation": st.sampled_from(["single", "dual"]),
    "channel.model": st.sampled_from("awgn rayleigh tdl-a cdl-c umi cir".split()),
    "channel.delay_spread": st.floats(1e-9, 1e-3),
    "channel.speed": st.floats(0, 300),
    "sweep.points": st.tuples(st.floats(-100, 100) | st.floats(0, 1)).map(list),
    "sweep.bandwidth_ratio": st.floats(0, 1),
    "sweep.esno_db": st.floats(-100, 100),
    "estimation.ensemble": st.sampled_from(["scm", "cdl-a", "file"]),
    "estimation.file": st.just("nowhere.npz"),
    "estimation.trained_on": st.sampled_from([["scm"], ["cdl-a"], ["cdl-a", "cdl-b"]]),
    "estimation.alpha": st.floats(0, 1),
}  # fmt: skip
"""Values of keys that are possible, if not with all others."""


@st.composite
def possible_changes(draw, scenario) -> dict:
    """A few keys with values that are possible, and receivers."""
    known = [key for key in keys_of(scenario) if key in POSSIBLE]
    names = draw(st.lists(st.sampled_from(known), max_size=3, unique=True))
    some = st.sampled_from(RECEIVERS[scenario.name])
    receivers = draw(st.lists(some, min_size=1, max_size=2, unique=True))
    return {name: draw(POSSIBLE[name]) for name in names} | {"receivers": receivers}


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
def scenario_files(draw, scenario) -> bytes:
    """A scenario with some values replaced, or cut short, or garbled."""
    text = scenario.to_toml()
    for key, value in draw(changes(scenario)).items():
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
def overrides(draw, scenario) -> list[str]:
    """Settings of the command line, as they are or as no one should write them."""
    changed = draw(changes(scenario))
    settings = [f"{key}={toml(value)}" for key, value in changed.items()]
    return settings + draw(st.lists(texts, max_size=1)) * (not draw(st.integers(0, 9)))


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


LPIPS_SHAPES = {f"conv{i}_kernel": shape for i, shape in enumerate(SHAPES, 1)}
for name in "conv{}_bias", "lin{}":
    LPIPS_SHAPES |= {name.format(i): shape[3:] for i, shape in enumerate(SHAPES, 1)}


@st.composite
def one_array_changed(draw) -> dict:
    """An array of LPIPS that does not fit, by its name, or None for it to be absent."""
    name = draw(st.sampled_from(sorted(LPIPS_SHAPES)))
    harm = draw(st.sampled_from(["none", "absent", "shape", "number", "dtype"]))
    shape, kind, number = LPIPS_SHAPES[name], "float16", 0
    if harm == "shape":
        shape = draw(array_shapes(max_dims=5, max_side=3))
    if harm == "number":
        number = draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    if harm == "dtype":
        kind = draw(st.sampled_from(["O", "U3", "complex64"]))
    array = None if harm == "absent" else np.full(shape, number).astype(kind)
    return {} if harm == "none" else {name: array}


def perceptual_weights(changed: dict) -> bytes:
    """LPIPS weights, all 0, with some arrays changed."""
    arrays = {name: np.zeros(shape, "float16") for name, shape in LPIPS_SHAPES.items()}
    arrays = {k: x for k, x in (arrays | changed).items() if x is not None}
    file = io.BytesIO()
    np.savez(file, allow_pickle=True, **arrays)
    return file.getvalue()
