"""Belief propagation on 5G LDPC codes, a block of Z bits or checks at a time."""

import numpy as np
import tensorflow as tf

LLR_MAX = 20.0
"""Bound of the channel's LLRs and of the messages to checks, Sionna's."""
MESSAGE_MAX = 16.635532
"""Bound of the messages from checks, from Sionna's clipping of phi in float32."""
NEARLY_ONE = 1 - 2.0**-24
TINY = 2.0**-24
"""Least magnitude of a tanh, so that one can be divided out of a product."""


class QuasiCyclicBP:
    """Flooding BP with kept messages and LLRs that may change between iterations.

    The check matrix of a 5G code consists of Z x Z cyclic shifts. So messages are kept
    as [edges of the base graph, Z, batch], and checks of the same degree d are updated
    at once, as [d, checks, Z, batch]:

        m_e = 2 artanh(prod_{i != e} tanh(v_i / 2))        (check to bit)
        v_e = channel + sum_{i != e} m_i                   (bit to check)

    (Ryan and Lin 2009, Channel Codes, eqs. 5.15 and 5.20). These are the iterations of
    Sionna's `LDPC5GDecoder` with its clipping, on the same graph without the bits that
    are never sent. Sionna writes the product as a sum of phi(x) = -log(tanh(x / 2)) and
    rounds phi to multiples of 1e-6, which shows in messages above 12.

    A state is `total` [blocks of bits, Z, batch], the LLRs log p(1)/p(0) of all bits
    (the blocks in an order of its own), and `messages` from the checks. For a priori
    LLRs that change between calls of `run`, add them to the channel's.

    Parameters
    ----------
    encoder : sionna.phy.fec.ldpc.LDPC5GEncoder
    """

    def __init__(self, encoder):
        self.encoder, self._z = encoder, encoder.z
        sent = encoder.n + encoder.k_ldpc - encoder.k + 2 * encoder.z
        num_checks = max(sent - encoder.k_ldpc, 4 * encoder.z)
        rows = _base_rows(encoder.pcm.tocsr(), encoder.z, num_checks)
        self._num_blocks = encoder.k_ldpc // encoder.z + len(rows)
        self._num_edges = sum(map(len, rows))
        self._lay_out(rows)
        number = self._check_blocks[:, None] * self._z + np.arange(self._z)
        self._present = (number < num_checks)[..., None]

    def _lay_out(self, rows):
        """Orders checks and bits by degree, and says where each edge comes from."""
        edges, self._groups, z = [], [], np.arange(self._z)
        for degree, members in _by_degree([len(row) for row in rows]):
            self._groups.append((len(edges), degree, len(members)))
            edges += [(r, *rows[r][i]) for i in range(degree) for r in members]
        self._check_blocks, columns, shifts = np.array(edges).T
        of_column = [np.flatnonzero(columns == c) for c in range(self._num_blocks)]
        order, self._sums = [], []
        for degree, members in _by_degree([len(e) for e in of_column]):
            order += members
            e = np.array([of_column[c] for c in members]).T.ravel()
            source = e[:, None] * self._z + (z - shifts[e, None]) % self._z
            self._sums.append((degree, len(members), source.ravel()))
        self._order, self._place = order, np.argsort(order)
        blocks = self._place[columns][:, None]
        self._bits = blocks * self._z + (z + shifts[:, None]) % self._z

    def start(self, llr):
        """The channel's LLRs of all bits: [batch, n] -> [blocks, Z, batch]."""
        code = self.encoder
        if code.num_bits_per_symbol is not None:
            llr = tf.gather(llr, code.out_int_inv, axis=-1)
        llr = tf.pad(llr, [[0, 0], [2 * code.z, 0]])  # never transmitted
        known = tf.fill([tf.shape(llr)[0], code.k_ldpc - code.k], -LLR_MAX)
        llr = tf.concat([llr[:, : code.k], known, llr[:, code.k :]], 1)
        return self.spread(tf.clip_by_value(llr, -LLR_MAX, LLR_MAX))

    def spread(self, llr):
        """LLRs of the first bits of the code, zero for the rest, as `total` has them.

        llr : [batch, up to bits of the graph] -> [blocks, Z, batch]
        """
        missing = self._num_blocks * self._z - llr.shape[-1]
        llr = tf.transpose(tf.pad(llr, [[0, 0], [0, missing]]))
        llr = tf.reshape(llr, [self._num_blocks, self._z, -1])
        return tf.gather(llr, self._order)

    def information(self, total):
        """LLRs of the information bits, clipped: [blocks, Z, batch] -> [batch, k]."""
        blocks = -(-self.encoder.k // self._z)
        llr = tf.gather(total, self._place[:blocks])
        llr = tf.reshape(llr, [blocks * self._z, -1])[: self.encoder.k]
        return tf.transpose(tf.clip_by_value(llr, -LLR_MAX, LLR_MAX))

    def codeword(self, total):
        """LLRs of the bits that are sent: [blocks, Z, batch] -> [batch, n]."""
        code = self.encoder
        llr = tf.gather(total, self._place)
        llr = tf.transpose(tf.reshape(llr, [self._num_blocks * self._z, -1]))
        after = code.k_ldpc + code.n + 2 * code.z - code.k
        llr = tf.concat([llr[:, : code.k], llr[:, code.k_ldpc : after]], 1)
        llr = llr[:, 2 * code.z :]
        if code.num_bits_per_symbol is not None:
            llr = tf.gather(llr, code.out_int, axis=-1)
        return llr

    def extrinsic(self, messages):
        """What the code adds to the channel's LLRs of the bits sent, [batch, n]."""
        return self.codeword(self._sum(messages))

    def no_messages(self, batch_size):
        """Messages before the first iteration: [edges, Z, batch]."""
        return tf.zeros([self._num_edges, self._z, batch_size])

    def run(self, channel, messages, num_iter):
        """Iterates: the channel's LLRs and the messages -> `total`, `messages`."""
        total = channel + self._sum(messages)
        state = tf.while_loop(
            lambda *state: True,
            lambda total, messages: self.iterate(channel, total, messages),
            (total, messages),
            maximum_iterations=num_iter,
        )
        return state[0], state[1]

    def iterate(self, channel, total, messages):
        """One iteration; returns `total` and `messages`."""
        to_checks = self._at_checks(total) - messages
        tanh = tf.tanh(tf.clip_by_value(to_checks, -LLR_MAX, LLR_MAX) / 2)
        tanh = tf.where(tf.abs(tanh) < TINY, TINY, tanh)
        product = tf.clip_by_value(self._products(tanh) / tanh, -NEARLY_ONE, NEARLY_ONE)
        messages = tf.math.log((1 + product) / (1 - product))
        messages = tf.clip_by_value(messages, -MESSAGE_MAX, MESSAGE_MAX)
        messages *= tf.cast(self._present, messages.dtype)
        return channel + self._sum(messages), messages

    def satisfied(self, total):
        """Whether the hard decisions of each codeword meet all checks: bool [batch]."""
        bits = tf.reshape(tf.cast(total > 0, tf.int32), [-1, tf.shape(total)[-1]])
        violated = 0
        for first, degree, count in self._groups:
            members = self._bits[first : first + degree * count]
            members = members.reshape(degree, -1)
            present = self._present[first : first + count].ravel()
            ones = tf.reduce_sum(tf.gather(bits, members[:, present]), 0)
            violated += tf.reduce_sum(ones & 1, 0)
        return violated == 0

    def _at_checks(self, total):
        """`total` of the bit at each edge."""
        batch = tf.shape(total)[-1]
        rows = tf.gather(tf.reshape(total, [-1, batch]), self._bits.ravel())
        return tf.reshape(rows, [self._num_edges, self._z, batch])

    def _products(self, tanh):
        """The product over each check, at each of its edges; LLRs are log p(1)/p(0)."""
        batch, products = tf.shape(tanh)[-1], []
        for first, degree, count in self._groups:
            shape = [degree, count, self._z, batch]
            group = tf.reshape(tanh[first : first + degree * count], shape)
            product = (-1.0) ** degree * tf.reduce_prod(group, 0, keepdims=True)
            product = tf.tile(product, [degree, 1, 1, 1])
            products.append(tf.reshape(product, [degree * count, self._z, batch]))
        return tf.concat(products, 0)

    def _sum(self, messages):
        """The sum of the messages to each bit."""
        batch, sums = tf.shape(messages)[-1], []
        rows = tf.reshape(messages, [-1, batch])
        for degree, count, source in self._sums:
            group = tf.reshape(tf.gather(rows, source), [degree, count, self._z, batch])
            sums.append(tf.reduce_sum(group, 0))
        return tf.concat(sums, 0)


def _base_rows(pcm, z: int, num_checks: int) -> list[list[tuple[int, int]]]:
    """(block of bits, shift) of each nonzero block, for each block of checks."""
    starts = range(0, num_checks, z)
    return [[divmod(c, z) for c in sorted(pcm[row].indices.tolist())] for row in starts]


def _by_degree(degrees: list[int]):
    """Each degree with the indices of its members, in rising order."""
    for degree in sorted(set(degrees)):
        yield degree, [i for i, d in enumerate(degrees) if d == degree]
