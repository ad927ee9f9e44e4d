"""Precoders: Keras layers `(h, no) -> v` for one array that serves many users.

    h : [batch, users, antennas], complex64; a user receives `y = h v s + n`
    no : scalar or [batch], noise variance per complex dimension of every user
    v : [batch, antennas, users], complex64, total power |v|^2 = 1; column k carries the
        symbols of user k, of energy 1

An estimated channel whose error has the variance `err_var` per antenna disturbs every
user like noise of that variance, since the total power is 1: give `no + err_var`.
"""
