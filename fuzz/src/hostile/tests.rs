use super::*;
use crate::choices::generated;

#[test]
fn batches_out_of_a_fixed_generator_hold() {
    for seed in 0..5000 {
        hostile(&generated(seed, 40 + seed % 100));
    }
}

#[test]
fn a_batch_that_is_right_is_taken() {
    // The first choice everywhere, and records that are made.
    let mut choices = Choices::new(&[]);
    let mut header = header(&mut choices);
    let records = records(&mut choices, header.record_count);
    header.batch_length = i32::try_from(HEADER_BYTES + records.len() - LENGTH_OVERHEAD).expect("short");
    let batch = with_checksum(header, Bytes::from(records));
    let whole = [&batch.header.encode()[..], &batch.records].concat();
    check_taken(&taken(Bytes::from(whole), 11).expect("taken"));
}
