"""What all precoders are: layers `(h, no) -> v` that say what they cost."""

from keras import ops

from link_sim.receivers.layer import ReceiverLayer


class Precoder(ReceiverLayer):
    """Beams of total power 1 for all users; see `link_sim.receivers.precoding`.

    A subclass says `beams(h, no) -> v`, with `no` as float [batch or 1, 1, 1], what it
    cannot serve, and its multiplications.
    """

    def call(self, h, no):
        self.check(*h.shape[1:])
        no = ops.cast(ops.convert_to_tensor(no), "float32")
        return self.beams(h, ops.reshape(no, (-1, 1, 1)))

    def check(self, users: int, antennas: int) -> None:
        """Raises `ValueError` where it cannot serve so many users."""

    def beams(self, h, no):
        raise NotImplementedError

    def multiplications(self, users: int, antennas: int) -> int:
        """Real multiplications per channel, four a complex one."""
        raise NotImplementedError
