//! Answers as they leave the broker: what they promise, and whether they may say that at all.

use evenkeel_core::{
    error_code,
    port::{FetchAnswer, FetchedPartition, FoundOffset, ListOffsetsAnswer, Response},
    units::{ConnId, Tag, TopicId},
};
use kafka_protocol::messages::{
    CreateTopicsResponse, DeleteTopicsResponse, MetadataResponse, ProduceResponse,
};

use crate::{
    batch::{self, Sequenced},
    ledger::{Asked, Known, Ledger, OpNumber, Open, PartitionKey},
    violation::{Verdict, broken},
};

impl Ledger {
    /// An answer leaves the broker.
    ///
    /// # Errors
    /// It contradicts what was promised before.
    pub fn answered(&mut self, conn: ConnId, tag: Tag, response: &Response) -> Verdict {
        // The connection may be gone for the client and not yet for the broker: nobody will be told.
        let Some(open) = self.asked.remove(&(conn, tag)) else { return Ok(()) };
        self.order += 1;
        let (erasure, since) = (open.erasure, open.since);
        self.store_unknown = self.store_unknown_until.is_some_and(|until| since <= until);
        match (open.asked.clone(), response) {
            (Asked::Produce(ops), Response::Produce(response)) => self.produced(&ops, &open, response),
            (Asked::Produce(_), Response::Silence) => Ok(()),
            (Asked::Fetch(key, from, known, enough), Response::Fetch(answer)) => {
                self.prompt(key, from, enough, since)?;
                self.fetched(key, from, known, open.start(key), answer)
            }
            (Asked::Follow(followed), Response::Fetch(answer)) => self.followed(&followed, &open, answer),
            (Asked::Time(key, time, known), Response::ListOffsets(answer)) => {
                self.found(key, time, known, open.start(key), answer)
            }
            (Asked::End(key, known), Response::ListOffsets(answer)) => self.ended(key, known, answer),
            (Asked::Metadata(name), Response::Metadata(response)) => {
                self.described(name.as_deref(), response)
            }
            (Asked::Create(name), Response::CreateTopics(response)) => self.created(&name, response),
            (Asked::Delete(topic), Response::DeleteTopics(response)) => {
                let told = response.responses.first().map(|told| told.error_code);
                match (erasure, told) {
                    (Some(id), Some(error_code::NONE)) => self.offsets.erased(id, self.order),
                    (Some(id), _) => self.offsets.not_erased(id, None),
                    (None, _) => {}
                }
                self.deleted(topic, response)
            }
            (Asked::Group(asked), Response::Group(response)) => {
                self.answered_of_group(&asked, &open, response)
            }
            (Asked::Admin(asked), response) => self.answered_of_admin(&asked, &open, response),
            (Asked::ProducerId, Response::InitProducerId(response)) => {
                if response.error_code == error_code::NONE
                    && !self.producer_ids.insert(response.producer_id.0)
                {
                    return broken(
                        "reissued-producer-id",
                        format!("{} was given out twice", response.producer_id.0),
                    );
                }
                self.allowed(response.error_code, None)
            }
            (asked, response) => broken("wrong-answer", format!("{asked:?} was answered with {response:?}")),
        }
    }

    /// Errors that may be told. One that says that a topic is not there is a promise: whatever deleted it is durable.
    pub(super) fn allowed(&mut self, error: i16, topic: Option<TopicId>) -> Verdict {
        match error {
            error_code::NONE => Ok(()),
            error_code::KAFKA_STORAGE_ERROR if self.disk_fails || self.store_unknown => Ok(()),
            error_code::UNKNOWN_TOPIC_ID | error_code::UNKNOWN_TOPIC_OR_PARTITION => {
                match topic.and_then(|id| self.topics.get_mut(&id)) {
                    Some(book) if book.must_exist() => broken(
                        "lost-topic",
                        format!("{} was acknowledged and is said not to exist", book.name),
                    ),
                    Some(book) => {
                        book.seen_gone(self.now);
                        Ok(())
                    }
                    None => Ok(()),
                }
            }
            // Not the next sequence: whether that is right is known to the producer alone.
            error_code::OUT_OF_ORDER_SEQUENCE_NUMBER => Ok(()),
            _ => broken("wrong-error", format!("error {error} without a reason")),
        }
    }

    /// Errors that may be told of a partition: it may have been lost, and its topic not.
    pub(super) fn allowed_at(&mut self, error: i16, key: PartitionKey) -> Verdict {
        match error {
            error_code::UNKNOWN_TOPIC_ID | error_code::UNKNOWN_TOPIC_OR_PARTITION
                if !self.partitions.contains_key(&key) =>
            {
                Ok(())
            }
            error => self.allowed(error, Some(key.topic)),
        }
    }

    fn produced(&mut self, ops: &[OpNumber], open: &Open, response: &ProduceResponse) -> Verdict {
        let told = response.responses.iter().flat_map(|topic| &topic.partition_responses);
        let told: Vec<_> = told.collect();
        if told.len() != ops.len() {
            return broken("wrong-answer", format!("{} batches, {} answers", ops.len(), told.len()));
        }
        for (op, told) in ops.iter().zip(told) {
            let key = self.op_mut(*op).key;
            if told.error_code == error_code::NONE {
                self.acked(*op, told.base_offset, told.log_append_time_ms)?;
                self.begins(key, told.log_start_offset, open.start(key))?;
            } else {
                if told.error_code != error_code::INVALID_PRODUCER_EPOCH || !self.is_fenced(*op) {
                    self.allowed_at(told.error_code, key)?;
                }
                // Refused means: not stored.
                let op = self.op_mut(*op);
                op.possible -= 1;
            }
        }
        Ok(())
    }

    fn acked(&mut self, number: OpNumber, offset: i64, append_time: i64) -> Verdict {
        if self.is_fenced(number) && self.op(number).is_some_and(|op| op.acked_at.is_none()) {
            return broken(
                "zombie-append",
                format!("{number:?} was taken from an epoch of its producer that was replaced"),
            );
        }
        let op = self.op_mut(number);
        let (key, sent) = (op.key, op.header.max_timestamp.0);
        if !op.stamps.allow(append_time >= 0) {
            return broken("wrong-timestamp", format!("{number:?} is said to be appended at {append_time}"));
        }
        if op.sequenced.is_some() {
            if op.append_time.is_some_and(|before| before != append_time) {
                return broken("wrong-timestamp", format!("{number:?} is told another append time"));
            }
            op.append_time = Some(append_time);
        }
        if op.sequenced.is_some()
            && let Some(before) = op.acked_at
            && before != offset
        {
            return broken(
                "duplicate",
                format!("{number:?} was acknowledged at {before} and again at {offset}"),
            );
        }
        op.acked_at = Some(offset);
        if let Some(Sequenced { producer, epoch, .. }) = op.sequenced
            && let Some(book) = self.partitions.get_mut(&key)
        {
            let newest = book.producer_epochs.entry(producer).or_insert(epoch);
            *newest = epoch.max(*newest);
        }
        let time = if append_time < 0 { sent } else { append_time };
        self.place(key, offset, number, Known::Acked, time)
    }

    /// A batch came to be known, with the newest timestamp that it has there: the broker's own where it stamps.
    fn place(
        &mut self,
        key: PartitionKey,
        offset: i64,
        number: OpNumber,
        known: Known,
        time: i64,
    ) -> Verdict {
        let Some(book) = self.partitions.get_mut(&key) else {
            return broken("phantom-topic", format!("{key:?} was never there"));
        };
        match book.facts.get(&offset) {
            Some((other, how)) if *other != number => broken(
                "inconsistent-offsets",
                format!("offset {offset} of {key:?} is {other:?} ({how:?}), now {number:?} ({known:?})"),
            ),
            Some(_) => Ok(()),
            None if book.skips.covers(offset) => broken(
                "inconsistent-offsets",
                format!(
                    "offset {offset} of {key:?} was lost, and is given out again to {number:?} ({known:?})"
                ),
            ),
            None => {
                self.lost.remove(&number);
                book.facts.insert(offset, (number, known));
                book.since.insert(offset, self.now);
                book.times.insert(offset, time);
                Ok(())
            }
        }
    }

    fn fetched(
        &mut self,
        key: PartitionKey,
        from: i64,
        known: i64,
        start: i64,
        answer: &FetchAnswer,
    ) -> Verdict {
        if answer.error_code != error_code::NONE {
            return broken("wrong-error", format!("fetch error {}", answer.error_code));
        }
        let Some(part) = answer.topics.first().and_then(|topic| topic.partitions.first()) else {
            return broken("wrong-answer", "a fetch answer without the partition");
        };
        self.read(key, from, known, start, part)?;
        if part.records.is_empty() && part.error_code == error_code::NONE && part.high_watermark > from {
            return broken(
                "poll-skip",
                format!("{key:?} from {from}: nothing, and the high watermark is {}", part.high_watermark),
            );
        }
        Ok(())
    }

    /// What a fetch says of one partition; `known` and `start` were known to be its end and its start.
    pub(super) fn read(
        &mut self,
        key: PartitionKey,
        from: i64,
        known: i64,
        start: i64,
        part: &FetchedPartition,
    ) -> Verdict {
        if part.error_code == error_code::OFFSET_OUT_OF_RANGE
            && (self.partitions.get(&key).is_some_and(|book| from < book.start.most())
                || self.may_have_let_go(key, from + 1))
        {
            return Ok(());
        }
        if part.error_code != error_code::NONE {
            return self.allowed_at(part.error_code, key);
        }
        if part.high_watermark < known {
            return broken(
                "nonmonotonic",
                format!("high watermark {} of {key:?}, {known} was told before", part.high_watermark),
            );
        }
        if from < start {
            return broken(
                "resurrected-record",
                format!("{key:?} is read from {from}, and its records in front of {start} were deleted"),
            );
        }
        self.begins(key, part.log_start_offset, start)?;
        let bytes = part.records.concat();
        let Some(batches) = batch::split(&bytes) else {
            return broken("damaged-read", format!("{key:?} from {from}: not whole, valid batches"));
        };
        let mut next = from;
        for (at, (header, records)) in batches.into_iter().enumerate() {
            let (base, last) = (header.base_offset.0, header.last_offset().0);
            let holds = at == 0 && base <= from && from <= last;
            let skips = self.jumps(key, next, base);
            let follows = holds || (at > 0 && base == next) || skips;
            if !follows || last >= part.high_watermark {
                return broken(
                    "inconsistent-offsets",
                    format!(
                        "{key:?} from {from}: {base} to {last} at {next}, visible {}",
                        part.high_watermark
                    ),
                );
            }
            next = last + 1;
            let Some(number) = batch::op_of(records) else {
                return broken("phantom", format!("{key:?} at {base}: records that nobody sent"));
            };
            match self.ops.get(&number) {
                Some(op) if op.key == key && op.is_intact(&header, records) => {}
                Some(_) | None => {
                    return broken("phantom", format!("{key:?} at {base}: not what {number:?} sent"));
                }
            }
            self.check_stamp(number, &header)?;
            self.place(key, base, number, Known::Seen, header.max_timestamp.0)?;
        }
        if let Some(book) = self.partitions.get_mut(&key) {
            book.high_watermark = book.high_watermark.max(part.high_watermark);
        }
        Ok(())
    }

    fn ended(&mut self, key: PartitionKey, known: i64, answer: &ListOffsetsAnswer) -> Verdict {
        match answer.topics.first().and_then(|topic| topic.partitions.first()).map(|part| &part.found) {
            Some(FoundOffset::At { offset, .. }) if offset.0 < known => {
                broken("nonmonotonic", format!("{key:?} ends at {offset}, {known} was told before"))
            }
            Some(FoundOffset::At { offset, .. }) => {
                if let Some(book) = self.partitions.get_mut(&key) {
                    book.high_watermark = book.high_watermark.max(offset.0);
                }
                Ok(())
            }
            Some(FoundOffset::Error(error)) => self.allowed_at(*error, key),
            Some(FoundOffset::Within { .. }) | None => broken("wrong-answer", "the end is an offset"),
        }
    }

    fn attempt_over(&mut self, name: &str) {
        if let Some(attempts) = self.creating.get_mut(name) {
            *attempts = attempts.saturating_sub(1);
        }
    }

    fn described(&mut self, created: Option<&str>, response: &MetadataResponse) -> Verdict {
        for topic in &response.topics {
            let id = TopicId(*topic.topic_id.as_bytes());
            if topic.error_code == error_code::NONE {
                let name = topic.name.as_ref().map_or("", |name| name.as_str());
                let partitions = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
                for partition in &topic.partitions {
                    self.led(partition.leader_epoch)?;
                }
                self.learn(id, name, partitions)?;
            } else {
                self.allowed(topic.error_code, None)?;
            }
        }
        if let Some(name) = created {
            self.attempt_over(name);
        } else {
            self.all_listed(response)?;
        }
        Ok(())
    }

    /// An answer that lists everything leaves nothing out; and what it leaves out is gone for ever.
    fn all_listed(&mut self, response: &MetadataResponse) -> Verdict {
        for (id, book) in &mut self.topics {
            if response.topics.iter().any(|topic| topic.topic_id.as_bytes() == &id.0) {
                continue;
            }
            if book.must_exist() {
                return broken("lost-topic", format!("{} ({id}) is not listed any more", book.name));
            }
            book.seen_gone(self.now);
        }
        Ok(())
    }

    fn created(&mut self, name: &str, response: &CreateTopicsResponse) -> Verdict {
        let Some(told) = response.topics.first() else {
            return broken("wrong-answer", "a creation without a result");
        };
        let verdict = match told.error_code {
            error_code::NONE => {
                let id = TopicId(*told.topic_id.as_bytes());
                if self.topics.contains_key(&id) {
                    return broken("reused-topic-id", format!("{name} got {id}, which was there before"));
                }
                self.learn(id, name, told.num_partitions)
            }
            error_code::TOPIC_ALREADY_EXISTS => Ok(()),
            error => self.allowed(error, None),
        };
        self.attempt_over(name);
        verdict
    }

    fn deleted(&mut self, id: TopicId, response: &DeleteTopicsResponse) -> Verdict {
        let Some(told) = response.responses.first() else {
            return broken("wrong-answer", "a deletion without a result");
        };
        let Some(book) = self.topics.get_mut(&id) else { return Ok(()) };
        match told.error_code {
            error_code::NONE => book.seen_gone(self.now),
            error_code::UNKNOWN_TOPIC_ID if book.deletions > 1 || book.deleted => book.deleted = true,
            error_code::UNKNOWN_TOPIC_ID => {
                return broken(
                    "lost-topic",
                    format!("{} was acknowledged and is said not to exist", book.name),
                );
            }
            error => {
                book.deletions -= 1;
                return self.allowed(error, None);
            }
        }
        Ok(())
    }
}
