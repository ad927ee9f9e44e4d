"""The lines of counts.jsonl: one a batch, each with its point and its seed.

Each line ends with its CRC-32, so that one which a crash garbled is known.
"""

import json
import math
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NotRequired

from pydantic import (
    ConfigDict,
    FiniteFloat,
    NonNegativeInt,
    TypeAdapter,
    ValidationError,
)
from typing_extensions import TypedDict

from link_sim.engine.montecarlo import Line, joined

CHECK = ', "crc32": '


class _Batch(TypedDict):
    """A line of counts.jsonl; the counts of a receiver that was excluded are None."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)  # type: ignore[misc]

    point: FiniteFloat
    batch: NonNegativeInt
    seed: int
    seconds: FiniteFloat
    frames_at_once: NotRequired[int]
    counts: dict[str, dict[str, int | FiniteFloat] | None]


BATCH = TypeAdapter(_Batch)


class ResultsError(ValueError):
    """A results folder that cannot be used; one sentence with the remedy."""


def read(path: Path) -> tuple[list[Line], int]:
    """The batches in the whole lines of a file, if it exists, and their bytes.

    Lines of a batch, of receivers that were added, are one. A damaged end is left out:
    a crash damages the line in the making. Raises `ResultsError` for damage elsewhere.
    """
    pieces = path.read_bytes().split(b"\n") if path.exists() else [b""]
    found = [_decode(piece) for piece in pieces[:-1]]  # the rest has no line end
    whole = next((i for i, line in enumerate(found) if line is None), len(found))
    damaged = pieces[whole:]
    if any(found[whole:]) or sum(piece.startswith(b'{"') for piece in damaged) > 1:
        raise ResultsError(
            f"line {whole + 1} of {path} is not a batch: delete that line"
        )
    lines = [line for line in found[:whole] if line is not None]
    return merged(lines), sum(len(piece) + 1 for piece in pieces[:whole])


def encode(line: Line) -> bytes:
    """A batch as a line with its CRC-32."""
    text = json.dumps(line, allow_nan=False)
    return f"{text[:-1]}{CHECK}{zlib.crc32(text.encode())}}}\n".encode()


def _decode(text: bytes) -> Line | None:
    """The batch in a line of counts.jsonl, None if there is none; the CRC may miss."""
    batch, check, crc = text.rpartition(CHECK.encode())
    batch = batch + b"}" if check else text
    if check and crc != b"%d}" % zlib.crc32(batch):
        return None
    try:
        return dict(BATCH.validate_json(batch))
    except ValidationError:
        return None


def merged(lines: Iterable[Line]) -> list[Line]:
    """The lines with those of one batch joined."""
    batches: dict[tuple[float, int], Line] = {}
    for line in lines:
        key = line["point"], line["batch"]
        batches[key] = joined(batches[key], line) if key in batches else line
    return list(batches.values())


def agree(line: Line, other: Line) -> bool:
    """Whether lines of a batch agree on receivers of both, but for rounding of sums.

    Sums of logits are not compared: they cancel, and nothing but rounding may be left.
    """
    ours, theirs = ((x["seed"], x["counts"]) for x in (line, other))
    both = ours[1].keys() & theirs[1].keys()
    pairs = ((ours[1][name] or {}, theirs[1][name] or {}) for name in both)
    return ours[0] == theirs[0] and all(
        a.keys() == b.keys()
        and all(math.isclose(a[k], b[k], rel_tol=1e-3) for k in a if "logit" not in k)
        for a, b in pairs
    )
