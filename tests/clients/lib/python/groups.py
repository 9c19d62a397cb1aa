"""What must hold of a consumer group as its members see it. No client is imported here."""

import threading


class Group:
    """Who owns which partition, what was read, and what was committed.

    Members tell of partitions after they got them and before they let them go, and of each record in the order they got it.
    They may do so from several threads. A client that keeps its position goes on from there where a partition that it let go
    comes back to it before another had it.
    """

    def __init__(self, keeps_position=False):
        self.keeps_position = keeps_position
        self.kept = {}
        self.lock = threading.RLock()
        self.owners = {}
        self.rebalances = 0
        self.repeated = 0
        self.read = {}
        self.next = {}
        self.asked = {}
        self.acked = {}

    def assigned(self, member, partitions):
        with self.lock:
            self.rebalances += 1
            for partition in partitions:
                owner = self.owners.setdefault(partition, member)
                assert owner == member, f"{member} was given partition {partition}, which {owner} has"
                # It begins where the group has committed.
                self.next[partition] = None

    def revoked(self, member, partitions):
        with self.lock:
            self.rebalances += 1
            for partition in partitions:
                owner = self.owners.pop(partition, None)
                assert owner == member, f"{member} lets go of partition {partition}, which {owner} has"
                self.kept[partition] = member, self.next.get(partition)

    def has_read(self, member, partition, offset, value):
        with self.lock:
            owner = self.owners.get(partition)
            assert owner == member, f"{member} read of partition {partition}, which {owner} has"
            expected = self.next.get(partition)
            if expected is None:
                first, last = self.acked.get(partition, 0), self.asked.get(partition, 0)
                kept = self.keeps_position and self.kept.get(partition) == (member, offset)
                assert kept or first <= offset <= last, f"partition {partition} goes on at {offset}, committed were {first} to {last}"
            else:
                assert offset == expected, f"partition {partition}: offset {offset} where {expected} was expected"
            self.next[partition] = offset + 1
            self.kept.pop(partition, None)
            read = self.read.setdefault(partition, {})
            self.repeated += offset in read
            assert read.setdefault(offset, value) == value, f"partition {partition}: offset {offset} has another record"

    def commits(self, offsets):
        """A member asks for these offsets, by partition, to be committed: the offsets of the next records to read."""
        with self.lock:
            for partition, offset in offsets.items():
                self.asked[partition] = max(offset, self.asked.get(partition, 0))

    def has_committed(self, offsets):
        """They are."""
        with self.lock:
            for partition, offset in offsets.items():
                self.acked[partition] = max(offset, self.acked.get(partition, 0))

    def to_commit(self, partitions):
        """How far these partitions were read, if that was not committed yet."""
        with self.lock:
            places = {partition: self.next.get(partition) for partition in partitions}
            return {
                partition: offset
                for partition, offset in places.items()
                if offset is not None and offset > self.acked.get(partition, 0)
            }

    def owned_by(self, member):
        with self.lock:
            return {partition for partition, owner in self.owners.items() if owner == member}

    def shares(self):
        """The number of partitions of each member that has some."""
        with self.lock:
            owners = list(self.owners.values())
            return {member: owners.count(member) for member in owners}

    def settled(self, members, partitions):
        """Whether each partition has an owner, and these members have equal shares."""
        shares = self.shares()
        return shares.keys() == set(members) and set(shares.values()) == {partitions // len(members)}

    def read_count(self):
        """How many different records were read."""
        with self.lock:
            return sum(map(len, self.read.values()))

    def confirmed_commits(self):
        """What the broker confirmed so far, by partition."""
        with self.lock:
            return dict(self.acked)

    def check_committed(self, committed, confirmed):
        """`committed` is what the broker said after it had `confirmed`. It never says less, and nothing nobody asked for."""
        with self.lock:
            for partition, offset in confirmed.items():
                told = committed.get(partition, -1)
                asked = self.asked[partition]
                assert offset <= told <= asked, f"partition {partition}: {told} committed, confirmed {offset}, asked {asked}"

    def check_read(self, confirmed):
        """`confirmed` is the value at each offset of each partition, as producers know it. All of it was read."""
        with self.lock:
            for partition, values in confirmed.items():
                read = self.read.get(partition, {})
                for offset, value in values.items():
                    assert offset in read, f"partition {partition}: confirmed offset {offset} was skipped"
                    assert read[offset] == value, f"partition {partition}: offset {offset} has another record"
