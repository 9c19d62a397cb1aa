//! Every bound that is not an operator's choice, in one place, each checked against its neighbours.

use core::time::Duration;

/// Log writes start and end on borders of this many bytes, so that an acknowledged sector is never rewritten.
pub const BLOCK_BYTES: u32 = 4096;
/// Default size of a log segment.
pub const SEGMENT_BYTES: u32 = 64 << 20;
/// Smallest segment that makes sense: a header, one small group, a seal.
pub const SEGMENT_BYTES_MIN: u32 = 4 * BLOCK_BYTES;
/// Largest segment: positions inside one are `u32`.
pub const SEGMENT_BYTES_MAX: u32 = 1 << 30;
/// Size of the segment with which a broker starts on a full disk, beside the group that recovery copies, bytes.
pub const LITTLE_ROOM_BYTES: u32 = 1 << 20;
/// Size of the file that keeps room for a start on a full disk, bytes: a small segment, and a copied group of up to 3 MiB.
pub const RESERVE_BYTES: u32 = 4 << 20;
/// Largest request frame, without its length prefix. Kafka's `socket.request.max.bytes`.
pub const FRAME_BYTES_MAX: u32 = 100 << 20;
/// Default for the largest record batch a client may send, Kafka's `message.max.bytes`.
pub const MESSAGE_BYTES: u32 = 1_048_588;
/// Upper bound of `max.message.bytes`: a batch must leave room in a group beside the records around it.
pub const MESSAGE_BYTES_MAX: u32 = 16 << 20;
/// Largest sync group, padding included.
pub const GROUP_BYTES_MAX: u32 = 32 << 20;
/// Records that are kept of a request are copied if the request is more than this many times as large: otherwise they hold it in memory,
/// and the cache counts that.
pub const DETACHED_FACTOR: u64 = 8;
/// Most records in one sync group.
pub const GROUP_RECORDS_MAX: u32 = 65_536;
/// Largest encoded head (metadata part) of one log record.
pub const RECORD_HEAD_BYTES_MAX: u32 = 64 << 10;
/// Segments prepared ahead of the one in use.
pub const SPARE_SEGMENTS: usize = 2;
/// Time after the last sync of a busy period at which its evidence is written.
pub const MARKER_DELAY: Duration = Duration::from_millis(10);
/// Checkpoints kept. The log is trimmed on the word of the oldest kept one, so one may rot.
pub const CHECKPOINTS_KEPT: usize = 2;
/// Largest checkpoint file.
pub const CHECKPOINT_BYTES_MAX: u64 = 1 << 30;
/// Batches remembered per producer and partition for duplicate detection (KIP-98, KAFKA-5494).
pub const PRODUCER_BATCHES: usize = 5;
/// Producer ids are taken from the log in blocks of this many.
pub const PRODUCER_ID_BLOCK: i64 = 1000;
/// Producer states kept over all partitions before the longest idle ones are expired early.
pub const PRODUCER_STATES_MAX: usize = 1_000_000;
/// Producers that may begin in partitions until a look for producers to expire comes early.
pub const PRODUCERS_BEGUN_MAX: usize = 100_000;
/// Time between two looks for producers to expire.
pub const PRODUCER_EXPIRY_INTERVAL: Duration = Duration::from_secs(600);
/// Most partitions of one topic.
pub const TOPIC_PARTITIONS_MAX: i32 = 10_000;
/// Most partitions in the broker.
pub const PARTITIONS_MAX: usize = 200_000;
/// Longest topic name, as in Kafka.
pub const TOPIC_NAME_BYTES_MAX: usize = 249;
/// Most incremental fetch sessions, Kafka's `max.incremental.fetch.session.cache.slots`.
pub const FETCH_SESSIONS_MAX: usize = 1000;
/// Most partitions over all fetch sessions, about 400 bytes of memory each. Beyond it a full fetch gets no session, and an incremental
/// one `FETCH_SESSION_ID_NOT_FOUND`: the client goes on with full fetches.
pub const FETCH_SESSION_PARTITIONS_MAX: usize = 250_000;
/// Most bytes in one fetch response, Kafka's `fetch.max.bytes`; the first batch may exceed it (KIP-74).
pub const FETCH_BYTES_MAX: u32 = 55 << 20;
/// Memory for answers on their way to clients that are longer than [`ANSWER_BYTES_FREE`], bytes: those that can be much longer than
/// their requests. Fetches get shorter answers as it is used up; other requests wait.
pub const ANSWERS_BYTES_MAX: u64 = 128 << 20;
/// Part of it for one client address.
pub const ANSWERS_OF_ADDRESS_BYTES_MAX: u64 = 96 << 20;
/// Part of it for one connection. A larger answer is given while its address has no other on its way.
pub const ANSWERS_OF_CONNECTION_BYTES_MAX: u64 = 64 << 20;
/// Longest answer that is not counted, bytes.
pub const ANSWER_BYTES_FREE: u64 = 8 << 10;
/// Room below which a fetch waits until other answers have been taken, bytes.
pub const FETCH_ROOM_BYTES_MIN: u64 = 1 << 20;
/// Largest answer to Metadata, bytes of memory: more than that of a broker which is full.
pub const METADATA_ANSWER_BYTES_MAX: u64 = 160 << 20;
/// Largest answer to OffsetFetch. Beyond it each group gets `POLICY_VIOLATION`: the client asks for fewer groups or partitions.
pub const OFFSETS_ANSWER_BYTES_MAX: u64 = 64 << 20;
/// Largest answer to DescribeGroups. Beyond it each group gets `POLICY_VIOLATION`: the client asks for fewer.
pub const GROUPS_ANSWER_BYTES_MAX: u64 = 64 << 20;
/// Largest answer to ListGroups: more than that of [`GROUPS_MAX`] groups.
pub const LIST_ANSWER_BYTES_MAX: u64 = 160 << 20;
/// Most bytes of batches that one answer to ListOffsets holds until its records are found. The partitions beyond get
/// `OFFSET_NOT_AVAILABLE`, and clients ask for them again.
pub const LISTED_BYTES_MAX: u64 = 48 << 20;
/// What such an answer may hold though there is no room for answers: one batch at least, so that a client that asks again gets on.
pub const LISTED_BYTES_MIN: u64 = MESSAGE_BYTES_MAX as u64;
/// Largest answer to any administrative request. Beyond it each resource gets `POLICY_VIOLATION`: the client asks for fewer.
pub const ADMIN_ANSWER_BYTES_MAX: u64 = 64 << 20;
/// Longest time a fetch may wait.
pub const FETCH_WAIT_MAX: Duration = Duration::from_secs(600);
/// Requests of one connection in the brain at once; further ones wait in the socket.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 64;
/// Most elements in one array of a request, and most tagged fields, as Kafka 4.4 bounds them.
pub const ARRAY_ELEMENTS_MAX: usize = 1_000_000;
/// Memory counted for each element of a request beside its decoded form, bytes: its part in the brain's work and in the answer.
pub const REQUEST_ELEMENT_BYTES: usize = 256;
/// Most tagged fields in one structure of a request.
pub const TAGGED_FIELDS_MAX: usize = 10_000;
/// Longest group id, member id and group instance id, in bytes.
pub const GROUP_ID_BYTES_MAX: usize = 1024;
/// Longest client id that is shown with a member; a longer one is cut.
pub const CLIENT_ID_BYTES_MAX: usize = 256;
/// Longest name of an assignor or of a protocol type.
pub const GROUP_PROTOCOL_BYTES_MAX: usize = 256;
/// Largest subscription of a member for one assignor, and largest assignment of a member.
pub const GROUP_METADATA_BYTES_MAX: usize = 56 << 10;
/// Most bytes of subscriptions for all assignors that a member names.
pub const GROUP_PROTOCOLS_BYTES_MAX: usize = 256 << 10;
/// Memory of the subscriptions of all members of all groups, and of member ids that were asked for, bytes. Beyond it a join gets
/// `GROUP_MAX_SIZE_REACHED`.
pub const MEMBERS_BYTES_MAX: usize = 96 << 20;
/// Most groups.
pub const GROUPS_MAX: usize = 100_000;
/// Longest text beside a committed offset, Kafka's `offset.metadata.max.bytes`.
pub const OFFSET_METADATA_BYTES_MAX: usize = 4096;
/// Bytes of committed offsets after which another log record begins.
pub const OFFSETS_RECORD_BYTES: usize = 48 << 10;
/// Time between two looks for committed offsets to expire.
pub const OFFSET_EXPIRY_INTERVAL: Duration = Duration::from_secs(600);
/// How long records are kept where nobody says otherwise, Kafka's default for `retention.ms`.
pub const RETENTION: Duration = Duration::from_secs(7 * 86_400);
/// Most resources whose configs one request may ask for.
pub const CONFIG_RESOURCES_MAX: usize = 10_000;
/// Most partitions in one answer to DescribeTopicPartitions, Kafka's `max.request.partition.size.limit`.
pub const PARTITIONS_TOLD_MAX: usize = 2000;
/// Timers that may fire in one turn: more than there are parked requests and groups after the longest pause.
pub const TIMERS_IN_TURN_MAX: usize = 1 << 22;
/// Offsets skipped in each partition after an accepted loss, and producer ids, so that none is given out twice; as many again for each
/// earlier loss of the directory.
pub const LOSS_SKIP_OFFSETS: i64 = 1_000_000;
/// Producers of which is remembered that they could not begin in a partition.
pub const FIRST_REFUSED_MAX: usize = 10_000;
/// Offsets stay below this, so that sums of them cannot overflow.
pub const OFFSET_MAX: i64 = i64::MAX / 4;

/// Largest manifest that is read.
pub const MANIFEST_BYTES_MAX: u64 = 64 << 20;
/// Largest index object that is read.
pub const INDEX_BYTES_MAX: u64 = 64 << 20;
/// Default for the bytes of the manifest's own list of data objects from which on it becomes an index object.
pub const MANIFEST_TAIL_BYTES: usize = 256 << 10;
/// Default for the bytes of a state from which on cuts may tell it by what has changed.
pub const DELTA_STATE_BYTES: usize = 64 << 10;
/// Default for the size of data objects, and for the bytes of a partition that make a cut due.
pub const DATA_OBJECT_BYTES: u64 = 64 << 20;
/// Data objects that are gathered or written at once.
pub const DATA_OBJECTS_IN_FLIGHT: usize = 2;
/// Default for the number of small data objects, one behind the other, that become one.
pub const MERGED_OBJECTS: u32 = 16;
/// Most data objects that become one at once.
pub const MERGED_OBJECTS_MAX: u32 = 256;
/// Indexes that become one, because objects of theirs do, have at most so many bytes together.
pub const MERGED_INDEX_BYTES_MAX: u64 = 4 << 20;
/// Default for the time between the beginnings of two cuts, at least.
pub const CUT_PAUSE: Duration = Duration::from_secs(1);
/// Default for the time that an object stays which the newest manifest does not refer to any more.
pub const GARBAGE_DELAY: Duration = Duration::from_secs(600);
/// Default for the number of manifests that are kept.
pub const MANIFESTS_KEPT: u64 = 64;
/// Shortest time between two attempts of a request to the object store; doubled for each up to [`STORE_RETRY_MAX`].
pub const STORE_RETRY_MIN: Duration = Duration::from_millis(100);
/// Longest time between two attempts.
pub const STORE_RETRY_MAX: Duration = Duration::from_secs(10);
/// Offsets behind the end of each partition at a cut that may be given out before the next, and producer ids: at a million records a
/// second for over an hour. A restore goes on behind them.
pub const RESERVED_OFFSETS: i64 = 1 << 32;
/// Epochs skipped by a restore: those of processes that served and never reached the object store.
pub const RESERVED_EPOCHS: u32 = 1 << 16;
/// So many at most, after 65,535 restores without a cut in between.
pub const RESERVED_OFFSETS_MAX: i64 = 1 << 48;

const _: () = assert!(SEGMENT_BYTES.is_multiple_of(BLOCK_BYTES));
const _: () = assert!(SEGMENT_BYTES_MIN <= SEGMENT_BYTES && SEGMENT_BYTES <= SEGMENT_BYTES_MAX);
const _: () = assert!(MESSAGE_BYTES <= MESSAGE_BYTES_MAX);
const _: () = assert!(MESSAGE_BYTES_MAX + RECORD_HEAD_BYTES_MAX + 4 * BLOCK_BYTES <= GROUP_BYTES_MAX);
const _: () = assert!(GROUP_BYTES_MAX + 3 * BLOCK_BYTES <= SEGMENT_BYTES);
const _: () = assert!(GROUPS_MAX < TIMERS_IN_TURN_MAX);
const _: () = assert!(MESSAGE_BYTES_MAX < FRAME_BYTES_MAX);
const _: () = assert!(FETCH_BYTES_MAX < FRAME_BYTES_MAX);
const _: () = assert!(FETCH_BYTES_MAX as u64 <= ANSWERS_OF_CONNECTION_BYTES_MAX);
const _: () = assert!(ANSWERS_OF_CONNECTION_BYTES_MAX <= ANSWERS_OF_ADDRESS_BYTES_MAX);
const _: () = assert!(ANSWERS_OF_ADDRESS_BYTES_MAX < ANSWERS_BYTES_MAX);
const _: () = assert!(ANSWER_BYTES_FREE < FETCH_ROOM_BYTES_MIN);
const _: () = assert!(600 * PARTITIONS_MAX as u64 <= METADATA_ANSWER_BYTES_MAX);
const _: () = assert!((400 + GROUP_ID_BYTES_MAX) * GROUPS_MAX <= LIST_ANSWER_BYTES_MAX as usize);
const _: () = assert!(
    GROUP_METADATA_BYTES_MAX + 4 * GROUP_ID_BYTES_MAX + CLIENT_ID_BYTES_MAX + 1024
        < RECORD_HEAD_BYTES_MAX as usize
);
const _: () = assert!(
    OFFSETS_RECORD_BYTES + OFFSET_METADATA_BYTES_MAX + GROUP_ID_BYTES_MAX + 1024
        < RECORD_HEAD_BYTES_MAX as usize
);
