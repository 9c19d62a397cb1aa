"""The checks of records.py fail where they must."""

import pytest
from records import TIMESTAMP_STEPS_MS, Ledger, check_timestamps


def ledger():
    ledger = Ledger()
    for offset, value in enumerate([b"a", b"b", b"c"]):
        ledger.send(0, value)
        ledger.confirm(0, offset, value)
    return ledger


def test_what_was_sent_is_accepted():
    ledger().check_read(0, [(0, b"a"), (1, b"b"), (2, b"c")])


@pytest.mark.parametrize(
    "read",
    [
        pytest.param([(0, b"a"), (1, b"b")], id="lost at the end"),
        pytest.param([(0, b"a"), (1, b"c")], id="lost in the middle"),
        pytest.param([(0, b"a"), (2, b"c")], id="an offset is missing"),
        pytest.param([(0, b"a"), (1, b"b"), (1, b"b"), (2, b"c")], id="read twice"),
        pytest.param([(0, b"a"), (1, b"b"), (2, b"c"), (3, b"c")], id="stored twice"),
        pytest.param([(0, b"b"), (1, b"a"), (2, b"c")], id="swapped"),
        pytest.param([(0, b"a"), (2, b"c"), (1, b"b")], id="out of order"),
    ],
)
def test_a_wrong_reading_is_refused(read):
    with pytest.raises(AssertionError):
        ledger().check_read(0, read)


def test_one_offset_confirmed_twice_is_refused():
    with pytest.raises(AssertionError):
        ledger().confirm(0, 1, b"other")


def test_the_closest_record_is_not_the_first_at_or_after_a_time():
    def closest(timestamp_ms):
        later = [step for step in sorted(TIMESTAMP_STEPS_MS) if step >= timestamp_ms]
        return TIMESTAMP_STEPS_MS.index(later[0]) if later else None

    with pytest.raises(AssertionError):
        check_timestamps(closest, 0)


def test_the_first_record_of_the_batch_is_not_the_first_at_or_after_a_time():
    with pytest.raises(AssertionError):
        check_timestamps(lambda timestamp_ms: 0 if timestamp_ms <= TIMESTAMP_STEPS_MS[-1] else None, 0)
