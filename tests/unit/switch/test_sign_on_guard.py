"""What the guard lets through, and what it holds back."""

from switch.protocol.limits import (
    SIGN_ON_FAILURES_MAX,
    SIGN_ON_FAILURES_PER_S,
    SIGN_ON_STRANGER_FAILURES_MAX,
    SIGN_ON_STRANGER_FAILURES_PER_S,
)
from switch.sign_on_guard import ACCEPTED_MAX, FAMILIAR_MS, SOURCES_MAX, SignOnGuard, source_of

THIEF, STORE, OTHER_STORE = "192.0.2.1", "198.51.100.1", "198.51.100.2"
NOW_MS = 5_000


def fail(guard, address, count, at_ms=NOW_MS):
    """Wrong sign-ons; how many of them were looked at."""
    looked_at = 0
    for _ in range(count):
        if guard.admits(address, at_ms):
            looked_at += 1
            guard.failed(address, at_ms)
    return looked_at


def test_an_address_that_fails_is_held_back_and_others_are_not():
    guard = SignOnGuard()

    assert fail(guard, THIEF, 10_000) == SIGN_ON_FAILURES_MAX

    assert guard.held_back_count == 10_000 - SIGN_ON_FAILURES_MAX
    assert not guard.admits(THIEF, NOW_MS)
    assert guard.admits(STORE, NOW_MS)


def test_who_waits_is_looked_at_again_at_a_steady_pace():
    guard = SignOnGuard()
    fail(guard, THIEF, 10_000)

    for second in range(1, 4):
        assert fail(guard, THIEF, 10_000, NOW_MS + second * 1_000) == SIGN_ON_FAILURES_PER_S
    assert fail(guard, THIEF, 10_000, NOW_MS + 10**9) == SIGN_ON_FAILURES_MAX


def test_sign_ons_that_succeed_cost_nothing():
    guard = SignOnGuard()
    for number in range(10 * SIGN_ON_STRANGER_FAILURES_MAX):
        assert guard.admits(STORE, NOW_MS)
        guard.succeeded(STORE, number.to_bytes(32, "big"), NOW_MS)


def test_a_crowd_of_addresses_is_held_back_and_a_store_that_is_known_is_not():
    guard = SignOnGuard()
    guard.succeeded(STORE, b"e" * 32, NOW_MS)

    looked_at = sum(fail(guard, f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 3) for n in range(3_000))

    assert looked_at == SIGN_ON_STRANGER_FAILURES_MAX
    assert not guard.admits(OTHER_STORE, NOW_MS), "nobody knows it yet"
    assert guard.admits(STORE, NOW_MS)
    assert fail(guard, STORE, 10_000) == SIGN_ON_FAILURES_MAX, "its own bound holds all the same"
    assert fail(guard, OTHER_STORE, 10_000, NOW_MS + 1_000) == min(
        SIGN_ON_FAILURES_MAX, SIGN_ON_STRANGER_FAILURES_PER_S
    )


def test_a_store_is_forgotten_after_a_week_of_silence():
    guard = SignOnGuard()
    guard.succeeded(STORE, b"e" * 32, 0)
    for n in range(SIGN_ON_STRANGER_FAILURES_MAX // 2):
        fail(guard, f"10.0.{n >> 8}.{n & 255}", 2, FAMILIAR_MS)

    assert guard.admits(STORE, FAMILIAR_MS)
    assert not guard.admits(OTHER_STORE, FAMILIAR_MS)
    assert not guard._is_familiar(source_of(STORE), FAMILIAR_MS + 1)


def test_a_copy_of_an_accepted_sign_on_is_known():
    guard = SignOnGuard()
    for number in range(ACCEPTED_MAX + 1):
        guard.succeeded(STORE, number.to_bytes(32, "big"), NOW_MS)

    assert guard.was_accepted((ACCEPTED_MAX).to_bytes(32, "big"))
    assert guard.was_accepted((1).to_bytes(32, "big"))
    assert not guard.was_accepted(bytes(32)), "the oldest one had to go"


def test_what_is_remembered_is_bounded():
    guard = SignOnGuard()
    for n in range(SOURCES_MAX + 500):
        address = f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}"
        guard.failed(address, NOW_MS)
        guard.succeeded(address, n.to_bytes(32, "big"), NOW_MS)

    assert (len(guard._buckets), len(guard._familiar)) == (SOURCES_MAX, SOURCES_MAX)


def test_a_clock_that_goes_back_fills_no_bucket():
    guard = SignOnGuard()
    fail(guard, THIEF, 10_000, 10_000)

    assert fail(guard, THIEF, 10, 0) == 0
    assert fail(guard, THIEF, 10, 10_000) == 0


def test_an_ipv6_network_is_one_sender_and_a_mapped_address_is_what_it_maps():
    assert source_of("2001:db8::1") == source_of("2001:db8::ffff:1") != source_of("2001:db8:0:1::1")
    assert source_of("::ffff:192.0.2.1") == source_of("192.0.2.1") == "192.0.2.1"
    assert source_of("fe80::1%eth0") == source_of("fe80::2")
    assert source_of("") == ""
