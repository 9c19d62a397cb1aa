use alloc::{format, vec};

use super::*;
use crate::codec::tests::refuses_near_misses;

fn sample() -> (Footer, ObjectName) {
    let batch = |base: i64, len: u32| FooterBatch {
        base_offset: Offset(base),
        last_offset_delta: 9,
        len,
        leader_epoch: 3,
        newest: Timestamp(1_000 - base),
        crc: 0x0102_0304 + len,
    };
    let footer = Footer {
        cluster_id: String::from("abc"),
        epoch: Epoch(4),
        cut: Lsn(99),
        parts: vec![
            FooterPart { partition: PartitionId(1), at: 8, batches: vec![batch(0, 100), batch(10, 70)] },
            FooterPart { partition: PartitionId(7), at: 178, batches: vec![batch(500, 70)] },
        ],
    };
    (footer, ObjectName { epoch: Epoch(4), number: 2, writer: 0xff })
}

#[test]
fn the_footer_has_the_bytes_it_always_had_and_is_found_where_the_reference_says() {
    let (footer, name) = sample();
    let (front, end, reference) = footer.encode(name);
    assert_eq!(&front[..], b"EKDATA01");
    let object = reference.object;
    assert_eq!(object.len, 8 + 240 + end.len() as u64);
    assert_eq!(object.footer_at(), 248);
    let bytes = &end[..object.footer_len as usize];
    assert_eq!(crc32c::crc32c(bytes), object.footer_crc);
    assert_eq!(Footer::trailer(&end[bytes.len()..]), Ok((object.footer_len, object.footer_crc)));
    assert_eq!(Footer::decode(bytes), Ok(footer));
    let hex: String = bytes[..65].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "020000000300616263040000006300000000000000020000000100000002000000\
         0000000000000000090000006400000003000000e80300000000000068030201"
    );
    assert_eq!(
        reference.parts,
        [
            StoredPart {
                partition: PartitionId(1),
                first: Offset(0),
                end: Offset(20),
                bytes: 170,
                newest: Timestamp(1000)
            },
            StoredPart {
                partition: PartitionId(7),
                first: Offset(500),
                end: Offset(510),
                bytes: 70,
                newest: Timestamp(500)
            },
        ]
    );
}

#[test]
fn a_cut_or_newer_footer_and_a_foreign_trailer_are_no_footer() {
    let (footer, name) = sample();
    let (_, end, reference) = footer.encode(name);
    let bytes = &end[..reference.object.footer_len as usize];
    for upto in 4..bytes.len() {
        assert_eq!(Footer::decode(&bytes[..upto]), Err(NotAnObject::Damaged), "cut at {upto}");
    }
    let mut newer = bytes.to_vec();
    newer[0] = 3;
    assert_eq!(Footer::decode(&newer), Err(NotAnObject::Format(3)));
    assert_eq!(Footer::trailer(&end[..16]), Err(NotAnObject::Damaged));
}

#[test]
fn a_footer_whose_batches_are_out_of_order_or_no_batches_is_none() {
    type Change = fn(&mut Footer);
    let wrong: [(&str, Change); 8] = [
        ("partitions exchanged", |footer| footer.parts.swap(0, 1)),
        ("a partition there twice", |footer| footer.parts[1].partition = PartitionId(1)),
        ("exchanged", |footer| footer.parts[0].batches.swap(0, 1)),
        ("one there twice", |footer| footer.parts[0].batches[1] = footer.parts[0].batches[0]),
        ("one that reaches into the next", |footer| footer.parts[0].batches[0].last_offset_delta = 10),
        ("a partition of which nothing is there", |footer| footer.parts[1].batches.clear()),
        ("one shorter than a header", |footer| footer.parts[1].batches[0].len = 60),
        ("one without bytes", |footer| footer.parts[1].batches[0].len = 0),
    ];
    for (what, change) in wrong {
        let (mut footer, name) = sample();
        change(&mut footer);
        let (_, end, reference) = footer.encode(name);
        let bytes = &end[..reference.object.footer_len as usize];
        assert_eq!(Footer::decode(bytes), Err(NotAnObject::Damaged), "{what}");
    }
}

#[test]
fn a_reference_survives_its_encoding_and_one_that_cannot_be_is_refused() {
    let (footer, name) = sample();
    let (_, _, reference) = footer.encode(name);
    let mut bytes = Vec::new();
    reference.encode(&mut bytes);
    assert_eq!(bytes.len(), reference.encoded_len());
    assert_eq!(DataRef::decode(&mut Reader::new(&bytes)), Ok(reference.clone()));
    let mut short = reference.clone();
    short.object.len = 20;
    let mut backwards = reference.clone();
    backwards.parts[0].end = Offset(0);
    let mut twice = reference;
    twice.parts[1].partition = PartitionId(1);
    for wrong in [short, backwards, twice] {
        let mut bytes = Vec::new();
        wrong.encode(&mut bytes);
        assert_eq!(DataRef::decode(&mut Reader::new(&bytes)), Err(Malformed));
    }
}

#[test]
fn fields_that_cannot_be_are_refused_behind_the_checksum() {
    let (footer, name) = sample();
    let (_, end, reference) = footer.encode(name);
    let footer_len = reference.object.footer_len as usize;
    refuses_near_misses(&end[..footer_len], |bytes| {
        let (_, end, reference) = Footer::decode(bytes).ok()?.encode(name);
        Some(end[..reference.object.footer_len as usize].to_vec())
    });
    refuses_near_misses(&end[footer_len..], |bytes| {
        let (len, crc) = Footer::trailer(bytes).ok()?;
        let mut out = Vec::new();
        out.put_u32(len);
        out.put_u32(crc);
        out.extend_from_slice(&END_MAGIC);
        Some(out)
    });
    let mut bytes = Vec::new();
    reference.encode(&mut bytes);
    refuses_near_misses(&bytes, |bytes| {
        let mut from = Reader::new(bytes);
        let read = DataRef::decode(&mut from).ok()?;
        from.finish().ok()?;
        let mut out = Vec::new();
        read.encode(&mut out);
        Some(out)
    });
}

#[test]
fn numbers_on_their_border_are_taken_and_those_beyond_it_are_not() {
    let read = |change: &dyn Fn(&mut Footer)| {
        let (mut footer, name) = sample();
        footer.parts.remove(0);
        change(&mut footer);
        let (_, end, reference) = footer.encode(name);
        Footer::decode(&end[..reference.object.footer_len as usize]).map(drop)
    };
    let damaged = Err(NotAnObject::Damaged);
    assert_eq!(read(&|footer| footer.parts[0].batches[0].last_offset_delta = i32::MAX as u32), Ok(()));
    assert_eq!(read(&|footer| footer.parts[0].batches[0].last_offset_delta = i32::MAX as u32 + 1), damaged);
    assert_eq!(read(&|footer| footer.parts[0].batches[0].base_offset = Offset(OFFSET_MAX)), Ok(()));
    assert_eq!(read(&|footer| footer.parts[0].batches[0].base_offset = Offset(OFFSET_MAX + 1)), damaged);
    assert_eq!(read(&|footer| footer.parts[0].batches[0].base_offset = Offset(-1)), damaged);
    assert_eq!(read(&|footer| footer.parts[0].batches[0].len = HEADER_BYTES as u32), Ok(()));
    assert_eq!(read(&|footer| footer.parts[0].batches[0].len = HEADER_BYTES as u32 - 1), damaged);
}

#[test]
fn a_reference_to_an_object_that_is_all_footer_is_taken_and_to_a_shorter_one_is_not() {
    let (footer, name) = sample();
    let (_, _, mut reference) = footer.encode(name);
    let mut read = |len: u64| {
        reference.object.len = len;
        let mut bytes = Vec::new();
        reference.encode(&mut bytes);
        DataRef::decode(&mut Reader::new(&bytes)).map(drop)
    };
    let least = FRONT_BYTES + TRAILER_BYTES + u64::from(footer.encode(name).2.object.footer_len);
    assert_eq!(read(least), Ok(()));
    assert_eq!(read(least - 1), Err(Malformed));
}
