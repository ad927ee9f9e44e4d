"""What can go wrong while a run is going on: `make torture`.

Each fault disturbs runs of the stand-in link through the real command line, and then
compares what they stored with an undisturbed run: every batch once, the same counts.
`python tests/torture/faults.py kill --times 100` kills a hundred times.
"""

import argparse
import os
import random
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import stored

BATCHES = 20  # a point
CLOCK = Path(__file__).with_name("clock_program.py")
MEMORY = Path(__file__).with_name("memory_program.py")


class Skipped(Exception):
    """A fault that cannot be made here, and why."""


def kill(
    folder: Path, rng: random.Random, times: int, program: Path = stored.PROGRAM
) -> str:
    """Runs are killed, half of the times while they store batches, and begun again."""
    whole, seconds = undisturbed(folder, 0.01, program)
    kills = runs = 0
    while kills < times:
        broken = folder / f"broken-{runs}"
        while kills < times:
            run = start(broken, 0.01, program=program)
            if not killed(run, broken, seconds, rng):
                break
            kills += 1
        again = stored.command(broken, BATCHES, program=program)
        stored.finish(again, env=stored.environment())
        assert stored.counts(broken) == whole
        assert stored.shown(broken) == stored.shown(folder / "undisturbed")
        runs += 1
    return f"{kills} kills of {runs} runs"


def killed(run: subprocess.Popen, out: Path, seconds: float, rng: random.Random):
    """Whether a run was killed; False if it finished first."""
    at_work, lines = rng.random() < 0.5, stored.num_lines(out)
    while at_work and run.poll() is None and stored.num_lines(out) == lines:
        time.sleep(0.001)
    try:
        assert run.wait(rng.uniform(0, 0.1 if at_work else seconds)) == 0
    except subprocess.TimeoutExpired:
        run.send_signal(signal.SIGKILL)
        run.wait()
        return True
    return False


def kill_real_link(folder: Path, rng: random.Random, times: int) -> str:
    """The same with the real link, a third as often: each start loads TensorFlow."""
    return kill(folder, rng, -(-times // 3), stored.REAL)


def pool(folder: Path, rng: random.Random, times: int) -> str:
    """A process of `--executor processes:2` is killed in mid-batch."""
    whole, _ = undisturbed(folder)
    for number in range(times):
        broken = folder / f"broken-{number}"
        run = start(broken, 0.05, "--executor", "processes:2")
        wait_for_lines(broken, rng.randint(1, BATCHES), run)
        os.kill(rng.choice(workers(run)), signal.SIGKILL)
        refused(run, "a worker process died", "finished batches are kept")
        stored.finish(stored.command(broken, BATCHES), env=stored.environment())
        assert stored.counts(broken) == whole
    return f"{times} dead workers"


def full_disk(folder: Path, rng: random.Random, times: int) -> str:
    """The disk fills up in mid-run; later there is room again."""
    whole, _ = undisturbed(folder)
    for number in range(times):
        disk = folder / f"disk-{number}"
        disk.mkdir()
        with small_disk(disk, rng.randint(6, 60)):
            run = start(disk / "run")
            refused(run, "the disk is full", "finished batches are kept")
            grow(disk)
            again = stored.command(disk / "run", BATCHES)
            stored.finish(again, env=stored.environment())
            assert stored.counts(disk / "run") == whole
    return f"{times} full disks"


def file_limit(folder: Path, rng: random.Random, times: int) -> str:
    """The counts outgrow a limit on the size of a file; later it is lifted."""
    whole, _ = undisturbed(folder)
    length = (folder / "undisturbed" / "counts.jsonl").stat().st_size
    for number in range(times):
        broken, limit = folder / f"broken-{number}", rng.randint(600, length - 1)
        command = stored.command(broken, BATCHES)
        sizes = limit, resource.RLIM_INFINITY
        run = subprocess.run(
            command,
            env=stored.environment(),
            capture_output=True,
            text=True,
            preexec_fn=lambda s=sizes: resource.setrlimit(resource.RLIMIT_FSIZE, s),
        )
        one_sentence(run.stderr, run.returncode, "the disk is full")
        stored.finish(command, env=stored.environment())
        assert stored.counts(broken) == whole
    return f"{times} limits"


def last_line(folder: Path, rng: random.Random, times: int) -> str:
    """A crash leaves the last line truncated, garbled or zero."""
    whole, _ = undisturbed(folder)
    file = folder / "undisturbed" / "counts.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    for _ in range(times):
        number = rng.randrange(len(lines))
        damage = rng.choice([truncated, garbled, zero])
        last = damage(bytearray(lines[number]), rng)
        file.write_bytes(b"".join(lines[:number]) + last)
        command = stored.command(folder / "undisturbed", BATCHES)
        stored.finish(command, env=stored.environment())
        assert stored.counts(folder / "undisturbed") == whole
    return f"{times} damaged lines"


def truncated(line: bytearray, rng: random.Random) -> bytearray:
    return line[: rng.randrange(len(line))]


def garbled(line: bytearray, rng: random.Random) -> bytearray:
    for position in rng.sample(range(len(line)), 4):
        line[position] = rng.randrange(256)
    return line


def zero(line: bytearray, rng: random.Random) -> bytearray:
    return bytearray(len(line))


def two_runs(folder: Path, rng: random.Random, times: int) -> str:
    """Two processes take one results folder."""
    whole, _ = undisturbed(folder)
    for number in range(times):
        shared = folder / f"shared-{number}"
        first = start(shared, 0.05)
        wait_for_lines(shared, rng.randint(1, 5), first)
        first.send_signal(signal.SIGSTOP)  # however long the second takes to start
        refused(start(shared), "another run is writing to", "--out")
        first.send_signal(signal.SIGCONT)
        assert first.wait() == 0
        assert stored.counts(shared) == whole
    return f"{times} second runs refused"


def clock(folder: Path, rng: random.Random, times: int) -> str:
    """Each batch sets the clock back by up to a day, and time allows a few of them."""
    whole, _ = undisturbed(folder)
    for number in range(times):
        broken, limit = folder / f"broken-{number}", rng.uniform(0.05, 0.3)
        rule, begin = ["--set", f"stop.seconds={limit}"], time.monotonic()
        command = stored.command(broken, BATCHES, *rule, program=CLOCK)
        stored.finish(command, env=stored.environment(0.02))
        passed, seconds = time.monotonic() - begin, stored.counts(broken, "seconds")
        assert stored.counts(broken).items() <= whole.items()
        assert sum(seconds.values()) < passed
        for point in {point for point, _ in whole}:
            numbers = range(sum(key[0] == point for key in seconds))
            spent = [seconds[point, number] for number in numbers]
            assert min(spent) >= 0.02 and sum(spent[:-1]) < limit <= sum(spent)
    return f"{times} runs"


def not_finite(folder: Path, rng: random.Random, times: int) -> str:
    """A receiver gives NaN at one batch: it is left out there, the others are not."""
    whole, _ = undisturbed(folder)
    for number in range(times):
        broken, batch = folder / f"broken-{number}", rng.randrange(BATCHES)
        command = stored.command(broken, BATCHES)
        run = stored.finish(command, env=stored.environment(FAKE_NAN=f"ls:{batch}"))
        assert "ls is left out at Eb/N0 [dB] = 2: it gave values that are" in run.stdout
        for key, counts in stored.counts(broken).items():
            expected = whole[key] | ({"ls": None} if key[1] == batch else {})
            assert counts == expected
    return f"{times} runs"


def memory(folder: Path, rng: random.Random, times: int) -> str:
    """The memory does not hold the 8 frames of a batch of the real link at once."""
    size, whole = ["--set", "batch_size=8"], folder / "undisturbed"
    stored.finish(stored.command(whole, BATCHES, *size, program=stored.REAL))
    times = -(-times // 3)  # each start loads TensorFlow
    for number in range(times):
        broken, held = folder / f"broken-{number}", rng.randint(1, 7)
        command = stored.command(broken, BATCHES, *size, program=MEMORY)
        run = stored.finish(command, env=stored.environment(FAKE_MEMORY=str(held)))
        assert f"going on with {2 ** (held.bit_length() - 1)} at a time" in run.stdout
        assert stored.same(stored.counts(broken), stored.counts(whole))
    return f"{times} runs"


FAULTS: dict[str, Callable[[Path, random.Random, int], str]] = {
    fault.__name__.replace("_", "-"): fault
    for fault in (
        kill, kill_real_link, pool, full_disk, file_limit, last_line, two_runs, clock,
        not_finite, memory,
    )
}  # fmt: skip


def undisturbed(
    folder: Path, seconds: float = 0.0, program: Path = stored.PROGRAM
) -> tuple[dict, float]:
    """Counts of an undisturbed run, and how long it takes in seconds."""
    out, begin = folder / "undisturbed", time.monotonic()
    command = stored.command(out, BATCHES, program=program)
    stored.finish(command, env=stored.environment(seconds))
    return stored.counts(out), time.monotonic() - begin


def start(
    out: Path, seconds: float = 0.0, *options: str, program: Path = stored.PROGRAM
) -> subprocess.Popen:
    return subprocess.Popen(
        stored.command(out, BATCHES, *options, program=program),
        env=stored.environment(seconds),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_lines(folder: Path, number: int, run: subprocess.Popen) -> None:
    while stored.num_lines(folder) < number:
        assert run.poll() is None, run.stderr.read()
        time.sleep(0.005)


def workers(run: subprocess.Popen) -> list[int]:
    """The processes of a pool, as Linux lists them."""
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    spawned = [c for c in children if b"spawn_main" in command_line(c)]
    return [int(child) for child in spawned]


def command_line(process: str) -> bytes:
    return Path(f"/proc/{process}/cmdline").read_bytes()


def refused(run: subprocess.Popen, *words: str) -> None:
    """Asserts that a run ends with status 2 and one sentence with these words."""
    one_sentence(run.communicate()[1], run.returncode, *words)


def one_sentence(errors: str, status: int, *words: str) -> None:
    assert status == 2 and errors.count("\n") == 1, errors
    assert all(word in errors for word in words), errors


@contextmanager
def small_disk(folder: Path, kilobytes: int):
    """Mounts a file system of that size on the folder, which takes root's rights."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        raise Skipped("mounting a small disk is not permitted here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def grow(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=100M", str(disk)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faults", nargs="*", choices=[[], *FAULTS], help="[all]")
    parser.add_argument("--times", type=int, default=10, help="of each fault")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    for name in chosen.faults or FAULTS:
        with tempfile.TemporaryDirectory() as folder:
            begin, rng = time.monotonic(), random.Random(chosen.seed)
            try:
                done = FAULTS[name](Path(folder), rng, chosen.times)
            except Skipped as reason:
                done = f"skipped: {reason}"
        print(f"{name}: {done} ({time.monotonic() - begin:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
