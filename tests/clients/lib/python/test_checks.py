"""The checks of records.py fail where they must."""

import pytest
from groups import Group
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


def group():
    """Two members of a group; partition 0 went from a to b at offset 2."""
    group = Group()
    group.assigned("a", [0, 1])
    for offset, value in enumerate([b"x", b"y", b"z"]):
        group.has_read("a", 0, offset, value)
    group.commits({0: 2})
    group.has_committed({0: 2})
    group.commits({0: 3})
    group.revoked("a", [0])
    group.assigned("b", [0])
    return group


@pytest.mark.parametrize("resumed", [2, 3])
def test_a_group_goes_on_where_a_commit_was_asked_for(resumed):
    told = group()
    told.has_read("b", 0, resumed, b"z")
    assert (told.repeated, told.owned_by("a"), told.settled("ab", 2)) == (3 - resumed, {1}, True)
    told.check_committed({0: resumed}, told.confirmed_commits())
    told.check_read({0: {0: b"x", 1: b"y", 2: b"z"}})


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda group: group.assigned("b", [1]), id="two owners"),
        pytest.param(lambda group: group.revoked("b", [1]), id="another owner"),
        pytest.param(lambda group: group.has_read("a", 0, 3, b"z"), id="read by a member that lost it"),
        pytest.param(lambda group: group.has_read("b", 0, 1, b"y"), id="begun before what was committed"),
        pytest.param(lambda group: group.has_read("b", 0, 4, b"z"), id="begun behind what was committed"),
        pytest.param(lambda group: group.has_read("b", 0, 2, b"other"), id="another record"),
        pytest.param(lambda group: [group.has_read("b", 0, n, b"z") for n in [2, 4]], id="skipped"),
        pytest.param(lambda group: [group.has_read("b", 0, n, b"z") for n in [2, 2]], id="read twice by its owner"),
        pytest.param(lambda group: group.check_committed({}, {0: 2}), id="commit lost"),
        pytest.param(lambda group: group.check_committed({0: 1}, {0: 2}), id="commit gone back"),
        pytest.param(lambda group: group.check_committed({0: 4}, {0: 2}), id="commit nobody asked for"),
        pytest.param(lambda group: group.check_read({0: {3: b"z"}}), id="never read"),
        pytest.param(lambda group: group.check_read({0: {1: b"z"}}), id="read otherwise"),
    ],
)
def test_a_group_that_goes_wrong_is_refused(wrong):
    told = group()
    with pytest.raises(AssertionError):
        wrong(told)


@pytest.mark.parametrize("keeps_position", [False, True])
def test_a_member_goes_on_at_its_own_position_only_if_its_client_says_so(keeps_position):
    told = Group(keeps_position)
    told.assigned("a", [0])
    told.has_read("a", 0, 0, b"x")
    told.revoked("a", [0])
    told.assigned("a", [0])
    if keeps_position:
        told.has_read("a", 0, 1, b"y")
    else:
        with pytest.raises(AssertionError):
            told.has_read("a", 0, 1, b"y")


def test_the_position_of_another_member_is_nobodys():
    told = Group(keeps_position=True)
    told.assigned("a", [0])
    told.has_read("a", 0, 0, b"x")
    told.revoked("a", [0])
    told.assigned("b", [0])
    with pytest.raises(AssertionError):
        told.has_read("b", 0, 1, b"y")


def test_a_group_with_a_partition_too_few_or_a_member_without_any_is_not_settled():
    told = group()
    assert not told.settled("abc", 3)
    assert not told.settled("a", 2)
    told.revoked("b", [0])
    assert not told.settled("ab", 2)
