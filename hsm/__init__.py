"""Where keys live, and what may be done with them. Stands alone: imports nothing else of ours.

The road of a key, in the order to read:

1. `_memory`: a page of locked memory. The only place in a process where a key may lie in clear; its slots lend their
   bytes to libcrypto and are wiped after use. `_cipher` is what libcrypto does with them.
2. `backend`: the keeper. Three kinds of keys never leave it: KEK (wraps other keys), SIGN (heads of journals), LOG
   (chains the key log). All other keys are made inside, leave wrapped under a KEK (RFC 3394), and are unwrapped into a
   slot where they are needed. Two keepers, tested alike, whose blobs and answers are equal:
   - `software`: one sealed file (`_keystore`), opened by a passphrase or by the custodians' components (`_seal`);
   - `pkcs11`: a token or HSM, with one thread that owns it (`_token`); secrets go between token and slot without a
     stop in Python (`_cryptoki`).
3. `keyring`: issuer master keys by purpose, version and state (`key_states`), each a wrapped blob with its check value,
   changed by two `people` only; `key_log`: who did what, each line sealed with the one before. `components`: keys on
   paper, for custodians. `tr31`: keys on their way to and from partners.
4. `cards`, `bar_code`, `stripe`, `sun`: keys and values of our cards as the issuer sees them (docs/card-formats.md).

Standards as pure functions over any buffer, each named after its text: `an10922`, `card_values` (CVV, PVV),
`check_value`, `dukpt`, `kdf`, `pin_block`, `sun`, `tr31`. Keys that they derive come back as bytes, in ordinary memory:
personalisation and tests use them, transactions do not.

What is promised, and what not: no key, PIN or passphrase stands in an error, a log, a repr, a core dump or swap. A
process that uses keys has them in its memory, and who controls that process can use them; the transactions' keys are
there so that checking a card takes a microsecond and not a journey to the HSM. KEKs of a token are never there.

`errors` names what can go wrong with keys, `keyring_errors` with their keeping, `data_errors` with what comes in. Time
comes in as an argument; chance is libcrypto's or the token's.
"""
