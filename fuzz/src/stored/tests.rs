use evenkeel_core::{port::ReadBatches, units::Offset};

use super::{asked::wanted, *};
use crate::choices::generated;

#[test]
fn plans_differ_in_what_a_store_can_have() {
    let mut seen = [0; 5];
    for seed in 0..200 {
        let stored = Stored::plan(&mut Choices::new(&generated(seed, 200)));
        let Known { manifest, state, indexes } = &stored.known;
        let parts = stored.data.iter().flat_map(|object| &object.parts);
        for (count, is_there) in seen.iter_mut().zip([
            state.is_some(),
            indexes.len() > 1 && !manifest.tail.is_empty(),
            manifest.number > stored.oldest,
            manifest.number == u64::MAX - 1,
            parts.clone().any(|part| part.told.len() > 2),
        ]) {
            *count += u32::from(is_there);
        }
        let mut offsets: Vec<Offset> =
            parts.flat_map(|part| &part.told).map(|told| told.base_offset).collect();
        offsets.sort();
        assert!(offsets.windows(2).all(|two| two[0] < two[1]), "no two batches have one base offset");
    }
    assert!(seen.iter().all(|count| *count > 5), "{seen:?}");
}

#[test]
fn what_is_wanted_begins_with_the_offset_and_ends_with_the_bytes_but_is_one_batch_at_least() {
    let told = |base: i64, newest: i64| FooterBatch {
        base_offset: Offset(base),
        last_offset_delta: 9,
        len: 100,
        leader_epoch: 1,
        newest: Timestamp(newest),
        crc: 0,
    };
    let there = [told(0, 5), told(10, 3), told(20, 9)];
    let reference = Stored::plan(&mut Choices::new(&[])).data[0].reference.object;
    let read = |from: i64, newest_min: Option<i64>, bytes_max| ReadBatches {
        object: reference,
        partition: PartitionId(0),
        from: Offset(from),
        newest_min: newest_min.map(Timestamp),
        bytes_max,
    };
    assert_eq!(wanted(&there, &read(0, None, 300)), 0..3);
    assert_eq!(wanted(&there, &read(9, None, 299)), 0..2);
    assert_eq!(wanted(&there, &read(10, None, 0)), 1..2);
    assert_eq!(wanted(&there, &read(30, None, 300)), 3..3);
    assert_eq!(wanted(&there, &read(0, Some(6), 300)), 2..3);
    assert_eq!(wanted(&there, &read(10, Some(5), 300)), 2..3);
    assert_eq!(wanted(&there, &read(0, Some(10), 300)), 3..3);
}
