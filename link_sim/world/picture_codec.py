"""JPEG, WebP and BPG in a given number of bytes, without what a receiver knows anyway.

The header of a file depends on nothing but image size and quality, so it is not sent:
of JPEG one byte of quality and the scan, of WebP the frame tag and the partitions; BPG
files are sent whole, by the programs `bpgenc` and `bpgdec` where they are installed. A
first byte of 0 announces the mean colour alone, for images that do not fit otherwise.
"""

import io
import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from link_sim.scenarios.base import ScenarioError

BPG = "bpgenc", "bpgdec"
START_OF_SCAN, END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"
WEBP_HEADER, WEBP_TAG = 30, 3
QUALITIES = {"jpeg": (1, 95), "webp": (0, 100), "bpg": (0, 51)}


def compress(codec: str, image: np.ndarray, budget: int) -> bytes | None:
    """The best quality that fits into `budget` bytes, filled up with zeros.

    codec: `jpeg`, `webp` or `bpg`; image: uint8 [height, width, 1 or 3]. Returns None
    if not even the mean colour fits.
    """
    encode = {"jpeg": _to_jpeg, "webp": _to_webp, "bpg": _to_bpg}[codec]
    low, high = QUALITIES[codec]
    best = None
    while low <= high:  # sizes grow with quality, but for a byte here and there
        quality = (low + high) // 2
        data = encode(image, quality)
        if len(data) <= budget:
            best, low = data, quality + 1
        else:
            high = quality - 1
    if best is None:
        colour = np.round(image.mean(axis=(0, 1))).astype(np.uint8)
        best = b"\0" + colour.tobytes()
    return best.ljust(budget, b"\0") if len(best) <= budget else None


def decompress(codec: str, data: bytes, shape: tuple) -> np.ndarray | None:
    """The image of `compress`, uint8 of `shape`; None if the data are no image."""
    if data[0] == 0:
        colour = np.frombuffer(data[1 : 1 + shape[2]], np.uint8)
        return np.broadcast_to(colour, shape)
    restore = {"jpeg": _from_jpeg, "webp": _from_webp, "bpg": _from_bpg}[codec]
    try:
        with Image.open(io.BytesIO(restore(data, shape))) as picture:
            pixels = np.asarray(picture.convert("L" if shape[2] == 1 else "RGB"))
    except OSError:
        return None
    return pixels.reshape(shape)


def check_codec(codec: str) -> None:
    """Raises `ScenarioError` if the programs of a codec are not installed."""
    if codec == "bpg" and not all(map(shutil.which, BPG)):
        raise ScenarioError(
            f"bpg needs the programs {' and '.join(BPG)} on the path: install them, or "
            "compare jpeg and webp"
        )


def _to_bpg(image, quality):
    worst = QUALITIES["bpg"][1]
    return _through(BPG[0], _png(image), "-q", str(worst - quality))


def _from_bpg(data, shape):
    return _through(BPG[1], data)


def _through(program: str, data: bytes, *options: str) -> bytes:
    """What a program makes of a file; `OSError` if it cannot."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in.png" if options else "in.bpg")
        target = Path(folder, "out.bpg" if options else "out.png")
        source.write_bytes(data)
        command = [program, *options, "-o", str(target), str(source)]
        done = subprocess.run(command, capture_output=True)
        if done.returncode or not target.is_file():
            raise OSError(f"{program} failed: {done.stderr.decode(errors='replace')}")
        return target.read_bytes()


def _png(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(
        stream, "png"
    )
    return stream.getvalue()


def _file(codec: str, image: np.ndarray, quality: int) -> bytes:
    stream = io.BytesIO()
    pixels = image[..., 0] if image.shape[-1] == 1 else image
    Image.fromarray(pixels).save(stream, codec, quality=quality)
    return stream.getvalue()


def _scan_start(data: bytes) -> int:
    marker = data.index(START_OF_SCAN)
    return marker + 2 + int.from_bytes(data[marker + 2 : marker + 4], "big")


def _to_jpeg(image, quality):
    data = _file("jpeg", image, quality)
    return bytes([quality]) + data[_scan_start(data) : -len(END_OF_IMAGE)]


@lru_cache(maxsize=200)
def _jpeg_header(quality: int, shape) -> bytes:
    data = _file("jpeg", np.zeros(shape, np.uint8), quality)
    return data[: _scan_start(data)]


def _from_jpeg(data, shape):
    return _jpeg_header(data[0], tuple(shape)) + data[1:] + END_OF_IMAGE


def _to_webp(image, quality):
    data = _file("webp", image, quality)
    tag = WEBP_HEADER - 10
    return data[tag : tag + WEBP_TAG] + data[WEBP_HEADER:]


@lru_cache(maxsize=8)
def _webp_frame_header(shape) -> bytes:
    """Start code and dimensions."""
    data = _file("webp", np.zeros(shape, np.uint8), 0)
    return data[WEBP_HEADER - 10 + WEBP_TAG : WEBP_HEADER]


def _from_webp(data, shape):
    frame = data[:WEBP_TAG] + _webp_frame_header(tuple(shape)) + data[WEBP_TAG:]
    frame += b"\0" * (len(frame) % 2)
    chunk = b"WEBPVP8 " + len(frame).to_bytes(4, "little") + frame
    return b"RIFF" + len(chunk).to_bytes(4, "little") + chunk
