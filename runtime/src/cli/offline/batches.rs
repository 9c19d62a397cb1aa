//! Record batches: those of a data object, read in bounded pieces and verified; and a row for each.

use bytes::Bytes;
use evenkeel_core::{
    store::data::{Footer, FooterBatch, FooterPart},
    units::PartitionId,
    wire::batch::BatchHeader,
};

use super::sheet::{Cell, Rows};

/// One read is about this long; a larger batch has one for itself.
const READ_BYTES: u64 = 4 << 20;

/// A batch of a data object.
pub(super) struct Batch<'a> {
    pub(super) part: &'a FooterPart,
    pub(super) told: &'a FooterBatch,
    /// Its first byte in the object.
    pub(super) at: u64,
    /// Its header, or what is wrong with it.
    pub(super) header: Result<BatchHeader, String>,
}

/// Reads all batches of a data object, and verifies each against the footer and its own checksum.
///
/// # Errors
/// What `read` gives.
pub(super) fn each<E>(
    footer: &Footer,
    footer_at: u64,
    read: impl Fn(u64, u64) -> Result<Bytes, E>,
    mut seen: impl FnMut(Batch<'_>),
) -> Result<(), E> {
    for part in &footer.parts {
        let (mut at, mut rest) = (part.at, &part.batches[..]);
        while !rest.is_empty() {
            let mut len = 0;
            let within = rest.iter().take_while(|batch| {
                let first = len == 0;
                len += u64::from(batch.len);
                first || len <= READ_BYTES
            });
            let (run, after) = rest.split_at(within.count());
            let wanted: u64 = run.iter().map(|batch| u64::from(batch.len)).sum();
            let mut bytes = read(at, wanted.min(footer_at.saturating_sub(at)))?;
            for told in run {
                let header = if bytes.len() < told.len as usize {
                    bytes.clear();
                    Err(String::from("it does not lie within the object"))
                } else {
                    told.verify(&bytes.split_to(told.len as usize))
                };
                seen(Batch { part, told, at, header });
                at += u64::from(told.len);
            }
            rest = after;
        }
    }
    Ok(())
}

/// A table of batches.
pub(super) fn table() -> Rows {
    let columns = [
        "lsn",
        "position",
        "bytes",
        "partition",
        "base_offset",
        "last_offset",
        "records",
        "codec",
        "leader_epoch",
        "producer_id",
        "producer_epoch",
        "base_sequence",
        "max_timestamp",
        "crc",
    ];
    Rows::new("batches", &columns)
}

/// The row of an intact batch.
pub(super) fn row(
    rows: &mut Rows,
    lsn: impl Into<Cell>,
    position: u64,
    bytes: u32,
    partition: PartitionId,
    header: &BatchHeader,
) {
    let codec = match header.codec() {
        0 => "none",
        1 => "gzip",
        2 => "snappy",
        3 => "lz4",
        4 => "zstd",
        _ => "unknown",
    };
    let of_producer = |number: i64| if header.is_idempotent() { Cell::from(number) } else { Cell::Nothing };
    rows.row([
        lsn.into(),
        Cell::from(position),
        Cell::from(bytes),
        Cell::from(partition),
        Cell::from(header.base_offset),
        Cell::from(header.last_offset()),
        Cell::from(header.record_count),
        Cell::from(codec),
        Cell::from(header.leader_epoch),
        of_producer(header.producer_id.0),
        of_producer(header.producer_epoch.into()),
        of_producer(header.base_sequence.into()),
        Cell::from(header.max_timestamp),
        Cell::Hex(header.crc.into()),
    ]);
}
