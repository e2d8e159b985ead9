import pytest

from terminals.policy import Policy


def test_pauses_double_up_to_the_maximum_and_never_begin_before_the_first_failure():
    policy = Policy(backoff_first_ms=50, backoff_max_ms=1_000)

    assert [policy.backoff_ms(count, 0.0) for count in range(8)] == [0, 25, 50, 100, 200, 400, 500, 500]
    assert policy.backoff_ms(10_000, 0.999) < 1_000


def test_chance_spreads_them_from_half_to_whole():
    policy = Policy(backoff_first_ms=100, backoff_max_ms=100)

    assert [policy.backoff_ms(3, chance) for chance in (0.0, 0.5)] == [50, 75]


@pytest.mark.parametrize(
    "wrong",
    [
        {"request_timeout_ms": 0},
        {"settle_deadline_ms": -1},
        {"resend_count_max": -1},
        {"backoff_first_ms": 0},
        {"backoff_first_ms": 6_000},
    ],
)
def test_impossible_policies_are_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        Policy(**wrong)
