"""JPEG and WebP in a given number of bytes, without what a receiver knows anyway.

The header of a file depends on nothing but image size and quality, so it is not sent:
of JPEG one byte of quality and the scan, of WebP the frame tag and the partitions. A
first byte of 0 announces the mean colour alone, for images that do not fit otherwise.
"""

import io
from functools import lru_cache

import numpy as np
from PIL import Image

START_OF_SCAN, END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"
WEBP_HEADER, WEBP_TAG = 30, 3
QUALITIES = {"jpeg": (1, 95), "webp": (0, 100)}


def compress(codec: str, image: np.ndarray, budget: int) -> bytes | None:
    """The best quality that fits into `budget` bytes, filled up with zeros.

    codec: `jpeg` or `webp`; image: uint8 [height, width, 1 or 3]. Returns None if not
    even the mean colour fits.
    """
    encode = {"jpeg": _to_jpeg, "webp": _to_webp}[codec]
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
    restore = {"jpeg": _from_jpeg, "webp": _from_webp}[codec]
    try:
        with Image.open(io.BytesIO(restore(data, shape))) as picture:
            pixels = np.asarray(picture.convert("L" if shape[2] == 1 else "RGB"))
    except OSError:
        return None
    return pixels.reshape(shape)


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
