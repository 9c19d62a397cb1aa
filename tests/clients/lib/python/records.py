"""Records to send, and what must hold of those that come back. No client is imported here."""

import time
from dataclasses import dataclass, field

# max.message.bytes, the broker's default limit of one record batch.
BATCH_BYTES_MAX = 1_048_588

# The longest value whose batch the broker takes: alone in its batch, no key, no headers, uncompressed.
# 61 bytes of batch header; of the record 3 length, 1 attributes, 1 timestamp delta, 1 offset delta, 1 key length,
# 3 value length, 1 header count.
VALUE_BYTES_MAX = BATCH_BYTES_MAX - 61 - 11


@dataclass(frozen=True)
class Record:
    """What a producer gives and a consumer must get back. Headers are (str, bytes or None) pairs, in order."""

    key: bytes | None
    value: bytes | None
    headers: tuple = ()
    timestamp_ms: int | None = None


@dataclass
class Deadline:
    """A bound on a wait for a condition."""

    seconds: float = 90
    since: float = field(default_factory=time.monotonic)

    def check(self, waiting_for):
        assert time.monotonic() - self.since < self.seconds, f"after {self.seconds} s still waiting for {waiting_for}"


def awkward_records():
    """Records at the edges of what the format can say."""
    now_ms = int(time.time() * 1000)
    every_byte = bytes(range(256))
    return [
        Record(b"key", b"value", (), now_ms),
        Record(None, b"null key", (), now_ms - 1),
        Record(b"", b"empty key", (), now_ms + 1),
        Record(b"null value", None, (), now_ms),
        Record(b"empty value", b"", (), now_ms),
        Record(None, None, (), now_ms),
        Record(every_byte, every_byte[::-1], (), now_ms),
        Record(b"old", b"1970", (), 1),
        Record(b"ahead", b"ten minutes", (), now_ms + 600_000),
        Record(b"header", b"one", (("name", b"value"),), now_ms),
        Record(b"header", b"the same key again", (("a", b"1"), ("b", b"2"), ("a", b"3"), ("a", b"1")), now_ms),
        Record(b"header", b"not UTF-8", (("bytes", every_byte), ("broken", b"\xc3\x28\xff\xfe")), now_ms),
        Record(b"header", b"empty and null", (("empty", b""), ("null", None), ("", b"empty name")), now_ms),
        Record(b"header", b"a name beyond ASCII", (("schlüssel-鍵-🔑", "wert-値".encode()),), now_ms),
        Record(b"header", b"many", tuple((f"header-{n}", str(n).encode()) for n in range(200)), now_ms),
        Record(b"header", None, (("tombstone", b"yes"),), now_ms),
    ]


def many_records(rng, count, value_bytes_max=200):
    """Records of which some compress well and some do not, numbered by their key."""
    return [
        Record(
            str(n).encode(),
            rng.randbytes(rng.randint(0, value_bytes_max)) if n % 2 else b"even" * rng.randint(0, value_bytes_max // 4),
        )
        for n in range(count)
    ]


class Ledger:
    """Deliveries the broker confirmed: which record is at which offset of which partition."""

    def __init__(self):
        self.sent = {}
        self.confirmed = {}

    def send(self, partition, value):
        """Notes that `value` is about to be sent, in this order, to this partition."""
        self.sent.setdefault(partition, []).append(value)

    def confirm(self, partition, offset, value):
        """Notes a confirmed delivery."""
        at = self.confirmed.setdefault(partition, {})
        assert offset not in at, f"offset {offset} of partition {partition} confirmed for two records"
        at[offset] = value

    def confirmed_count(self):
        return sum(map(len, self.confirmed.values()))

    def check_read(self, partition, read):
        """`read` is every (offset, value) of the partition as a consumer got it, in the order it got them."""
        offsets = [offset for offset, _ in read]
        assert offsets == list(range(len(read))), f"partition {partition}: {first_difference(offsets)}"
        for offset, value in self.confirmed.get(partition, {}).items():
            assert offset < len(read), f"partition {partition}: confirmed offset {offset} is missing"
            assert read[offset][1] == value, f"partition {partition}: offset {offset} has another record"
        values = [value for _, value in read]
        assert values == self.sent[partition], f"partition {partition}: not the records sent, once each, in order"


def first_difference(offsets):
    for expected, offset in enumerate(offsets):
        if offset != expected:
            return f"offset {offset} where {expected} was expected"
    return "no difference"


def check_timestamps(lookup, base_ms):
    """Checks lookups by timestamp in a partition whose records have TIMESTAMP_STEPS_MS from `base_ms` on.

    `lookup` takes milliseconds and answers an offset, or None beyond the end.
    """
    steps = TIMESTAMP_STEPS_MS
    for wanted in sorted({step + by for step in steps for by in (-1, 0, 1)}):
        expected = next((offset for offset, step in enumerate(steps) if step >= wanted), None)
        assert lookup(base_ms + wanted) == expected, f"first record at or after {wanted} ms"


# One batch, some of it out of order: the answer is the first record at or after the time, not the closest.
TIMESTAMP_STEPS_MS = [0, 1_000, 2_000, 5_000, 3_000, 4_000, 5_000, 8_000, 6_000, 10_000]
