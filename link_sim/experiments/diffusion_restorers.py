"""The restorers of a link's receivers that draw noise, set to a batch."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from link_sim.receivers.chain import Receiver
from link_sim.receivers.images.restoration import ConditionalDDPM


class DiffusionRestorers:
    """Seed, steps and place in a batch of the diffusion restorers among receivers.

    An image gets the same noise whichever frames of its batch are received at a time.
    """

    def __init__(self, receivers: Iterable[Receiver]):
        restorers = {id(r.restorer): r.restorer for r in receivers}.values()
        self._restorers = [r for r in restorers if isinstance(r, ConditionalDDPM)]

    def reseed(self, seed: int) -> None:
        """Begins the noise of a batch."""
        for restorer in self._restorers:
            restorer.reseed(seed)

    def set_steps(self, num_steps: int | None) -> None:
        """Has all of them take so many steps; as many as before if None."""
        if num_steps is not None:
            for restorer in self._restorers:
                restorer.num_steps = num_steps

    @contextmanager
    def placed(self, place) -> Iterator[None]:
        """Has them draw the noise of images at a place in a batch.

        place: (number of the first image, images in the batch), or None for a batch.
        """
        for restorer in self._restorers:
            restorer.place = place
        yield
        for restorer in self._restorers:
            restorer.place = None
