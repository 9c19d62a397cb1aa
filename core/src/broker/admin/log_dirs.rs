//! DescribeLogDirs: how much each partition takes in the one directory, and how much room is left there (KIP-827).

use alloc::{collections::BTreeMap, format, string::ToString, vec, vec::Vec};

use kafka_protocol::{
    messages::{
        DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName,
        describe_log_dirs_response::{DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic},
    },
    protocol::StrBytes,
};

use crate::{
    broker::{Asker, Live},
    error_code,
    port::{AdminResponse, DiskReply, DiskRequest, DiskResult, DiskStep, Lane, Notice},
    state::topic::Topic,
    turn::{Purpose, Turn},
    units::Lsn,
};

/// First version that tells of the volume.
const VOLUME_SINCE: i16 = 4;

/// Requests that wait for the disk.
#[derive(Clone, Debug, Default)]
pub(in crate::broker) struct LogDirs {
    next: u64,
    waiting: BTreeMap<u64, (Asker, DescribeLogDirsRequest)>,
}

impl LogDirs {
    pub(in crate::broker) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl Live {
    /// First the disk is asked.
    pub(super) fn describe_log_dirs(
        &mut self,
        asker: Asker,
        request: DescribeLogDirsRequest,
        turn: &mut Turn<'_>,
    ) {
        let job = self.log_dirs.next;
        self.log_dirs.next += 1;
        self.log_dirs.waiting.insert(job, (asker, request));
        turn.disk(Purpose::Space(job), DiskRequest { lane: Lane::Read, steps: vec![DiskStep::Space] });
    }

    pub(in crate::broker) fn space_known(&mut self, job: u64, result: DiskResult, turn: &mut Turn<'_>) {
        let Some((asker, request)) = self.log_dirs.waiting.remove(&job) else { return };
        let directory = DescribeLogDirsResult::default()
            .with_log_dir(StrBytes::from_string(self.config.data_directory.clone()));
        let space = match result.map(|mut replies| replies.pop()) {
            Ok(Some(DiskReply::Space(space))) => space,
            Ok(_) => unreachable!("the space was asked for"),
            Err(error) => {
                turn.tell(Notice::warn(format!("the disk does not tell how much room it has: {error}")));
                let failed = directory.with_error_code(error_code::KAFKA_STORAGE_ERROR);
                let response = DescribeLogDirsResponse::default().with_results(vec![failed]);
                self.answer_admin(asker, AdminResponse::DescribeLogDirs(response), Lsn(0), turn);
                return;
            }
        };
        let topics: Vec<DescribeLogDirsTopic> = match request.topics {
            None => self
                .state
                .topics()
                .map(|topic| self.stored(topic, (0..topic.partition_count()).collect()))
                .collect(),
            // What is not there is not in the directory.
            Some(asked) => asked
                .into_iter()
                .filter_map(|asked| {
                    Some(self.stored(self.state.topic_named(&asked.topic)?, asked.partitions))
                })
                .collect(),
        };
        let mut directory = directory.with_topics(topics);
        if asker.version >= VOLUME_SINCE {
            directory.total_bytes = i64::try_from(space.total).unwrap_or(i64::MAX);
            directory.usable_bytes = i64::try_from(space.usable).unwrap_or(i64::MAX);
        }
        let response = DescribeLogDirsResponse::default().with_results(vec![directory]);
        self.answer_admin(asker, AdminResponse::DescribeLogDirs(response), self.state.catalog_known, turn);
    }

    fn stored(&self, topic: &Topic, indexes: Vec<i32>) -> DescribeLogDirsTopic {
        let partitions = indexes.into_iter().filter_map(|index| {
            let partition = self.state.partition(topic.partition_id(index)?)?;
            let bytes = i64::try_from(partition.batches.bytes()).unwrap_or(i64::MAX);
            Some(DescribeLogDirsPartition::default().with_partition_index(index).with_partition_size(bytes))
        });
        DescribeLogDirsTopic::default()
            .with_name(TopicName(StrBytes::from_string(topic.name().to_string())))
            .with_partitions(partitions.collect())
    }
}
