use alloc::{collections::BTreeMap, string::ToString, vec};

use super::*;
use crate::{
    port::ObjectEntry,
    store::{
        DataRef, ObjectName,
        data::{Footer, FooterBatch},
    },
    units::{Epoch, Lsn, Offset, PartitionId, ProducerId, Timestamp},
    wire::batch::{BatchHeader, CRC_COVERS_FROM, HEADER_BYTES, LENGTH_OVERHEAD},
};

/// What was in a store at one moment.
#[derive(Default)]
struct Shelf {
    objects: BTreeMap<ObjectKey, Bytes>,
    /// Hidden from listings.
    unlisted: Option<ObjectKey>,
    /// No answer for this one.
    silent: Option<ObjectKey>,
    /// Parts come in slices of so many bytes, with empty ones between; `None`: in one.
    sliced: Option<usize>,
}

fn error(kind: ObjectErrorKind, key: ObjectKey) -> ObjectError {
    ObjectError { kind, key: Some(key), detail: "as told".to_string() }
}

impl ObjectStore for Shelf {
    fn create(&self, key: ObjectKey, _: &[Bytes]) -> Result<(), ObjectError> {
        Err(error(ObjectErrorKind::Denied, key))
    }
    fn read_at(&self, key: ObjectKey, from: u64, len: u64) -> Result<Bytes, ObjectError> {
        let bytes = self.read(key, u64::MAX)?;
        let (from, upto) = (bytes.len().min(from as usize), bytes.len().min((from + len) as usize));
        Ok(bytes.slice(from..upto))
    }
    fn read_slices_at(&self, key: ObjectKey, from: u64, len: u64) -> Result<Vec<Bytes>, ObjectError> {
        let bytes = self.read_at(key, from, len)?;
        let Some(each) = self.sliced else { return Ok(vec![bytes]) };
        Ok(bytes.chunks(each).flat_map(|slice| [Bytes::copy_from_slice(slice), Bytes::new()]).collect())
    }
    fn read(&self, key: ObjectKey, _: u64) -> Result<Bytes, ObjectError> {
        if self.silent == Some(key) {
            return Err(error(ObjectErrorKind::Unknown, key));
        }
        self.objects.get(&key).cloned().ok_or_else(|| error(ObjectErrorKind::NotFound, key))
    }
    fn list(&self, _: ObjectKind, _: Option<ObjectKey>) -> Result<Vec<ObjectEntry>, ObjectError> {
        let listed = self.objects.iter().filter(|(key, _)| Some(**key) != self.unlisted);
        Ok(listed.map(|(key, bytes)| ObjectEntry { key: *key, len: bytes.len() as u64 }).collect())
    }
    fn remove(&self, key: ObjectKey) -> Result<(), ObjectError> {
        Err(error(ObjectErrorKind::Denied, key))
    }
}

fn stored(base: i64, records: &[u8]) -> Bytes {
    let mut header = BatchHeader {
        base_offset: Offset(base),
        batch_length: i32::try_from(HEADER_BYTES + records.len() - LENGTH_OVERHEAD).expect("small"),
        leader_epoch: 3,
        magic: 2,
        crc: 0,
        attributes: 0,
        last_offset_delta: 9,
        base_timestamp: Timestamp(base),
        max_timestamp: Timestamp(base + 5),
        producer_id: ProducerId(-1),
        producer_epoch: -1,
        base_sequence: -1,
        record_count: 10,
    };
    let mut bytes = header.encode().to_vec();
    bytes.extend_from_slice(records);
    header.crc = crc32c::crc32c(&bytes[CRC_COVERS_FROM..]);
    bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
    Bytes::from(bytes)
}

const NAME: ObjectName = ObjectName { epoch: Epoch(3), number: 1, writer: 1 };

fn crc_of(batch: &Bytes) -> u32 {
    BatchHeader::parse(batch.first_chunk().expect("a header")).crc
}

/// Two partitions of three batches with 10 records each; the second one begins at offset 1000.
fn shelf() -> (Shelf, DataRef, Vec<Bytes>) {
    shelf_that_says(|_| {})
}

/// The same with a footer that something is changed in.
fn shelf_that_says(change: impl FnOnce(&mut Footer)) -> (Shelf, DataRef, Vec<Bytes>) {
    let batches: Vec<Bytes> =
        [0, 10, 20, 1000, 1010, 1020].iter().map(|base| stored(*base, &[7; 40][..])).collect();
    let told = |batch: &Bytes| FooterBatch {
        base_offset: Offset(i64::from_be_bytes(batch[..8].try_into().expect("8 bytes"))),
        last_offset_delta: 9,
        len: u32::try_from(batch.len()).expect("small"),
        leader_epoch: 3,
        newest: Timestamp(0),
        crc: crc_of(batch),
    };
    let part = |partition, range: &[Bytes]| FooterPart {
        partition: PartitionId(partition),
        at: 0,
        batches: range.iter().map(told).collect(),
    };
    let mut footer = Footer {
        cluster_id: "abc".to_string(),
        epoch: Epoch(3),
        cut: Lsn(9),
        parts: vec![part(1, &batches[..3]), part(2, &batches[3..])],
    };
    change(&mut footer);
    let (front, end, reference) = footer.encode(NAME);
    let mut bytes = front.to_vec();
    batches.iter().for_each(|batch| bytes.extend_from_slice(batch));
    bytes.extend_from_slice(&end);
    assert_eq!(bytes.len() as u64, reference.object.len);
    let objects = BTreeMap::from([(ObjectKey::Data(NAME), Bytes::from(bytes))]);
    (Shelf { objects, ..Shelf::default() }, reference, batches)
}

fn read(reference: &DataRef, partition: u32, from: i64, bytes_max: u64) -> ObjectRequest {
    ObjectRequest::ReadBatches(ReadBatches {
        object: reference.object,
        partition: PartitionId(partition),
        from: Offset(from),
        newest_min: None,
        bytes_max,
    })
}

#[test]
fn the_batches_from_an_offset_on_come_as_they_were_written() {
    let (shelf, reference, batches) = shelf();
    let got = |partition, from, bytes_max| perform(&shelf, &read(&reference, partition, from, bytes_max));
    assert_eq!(got(1, 0, 1000), Ok(ObjectReply::Batches(batches[..3].to_vec())));
    assert_eq!(got(1, 19, 1000), Ok(ObjectReply::Batches(batches[1..3].to_vec())));
    assert_eq!(got(2, 0, 1000), Ok(ObjectReply::Batches(batches[3..].to_vec())), "a gap in front");
    assert_eq!(got(2, 1010, 1), Ok(ObjectReply::Batches(batches[4..5].to_vec())), "one in any case");
    assert_eq!(got(2, 1000, 202), Ok(ObjectReply::Batches(batches[3..5].to_vec())), "as many as fit");
    assert_eq!(got(1, 30, 1000), Ok(ObjectReply::Batches(Vec::new())), "behind the end");
    let kind = got(3, 0, 1000).map_err(|error| error.kind);
    assert_eq!(kind, Err(ObjectErrorKind::Damaged), "a partition that should be there");
}

#[test]
fn batches_come_the_same_from_slices_of_any_size() {
    let (shelf, reference, batches) = shelf();
    let whole = shelf.objects[&ObjectKey::Data(NAME)].clone();
    for each in 1..=whole.len() {
        let sliced = Shelf { sliced: Some(each), ..shelf_of(&shelf) };
        for (partition, range) in [(1, &batches[..3]), (2, &batches[3..])] {
            let got = perform(&sliced, &read(&reference, partition, 0, 1000));
            assert_eq!(got, Ok(ObjectReply::Batches(range.to_vec())), "slices of {each} bytes");
        }
    }
}

#[test]
fn no_damaged_byte_of_an_object_is_served() {
    let (shelf, reference, batches) = shelf();
    let whole = shelf.objects[&ObjectKey::Data(NAME)].clone();
    let footer = reference.object.footer_at() as usize;
    for at in 8..footer + reference.object.footer_len as usize {
        let mut damaged = whole.to_vec();
        damaged[at] ^= 1;
        let objects = BTreeMap::from([(ObjectKey::Data(NAME), Bytes::from(damaged))]);
        let shelf = Shelf { objects, ..Shelf::default() };
        let mut refused = 0;
        for (partition, range) in [(1, &batches[..3]), (2, &batches[3..])] {
            match perform(&shelf, &read(&reference, partition, 0, 1000)) {
                Ok(reply) => assert_eq!(reply, ObjectReply::Batches(range.to_vec()), "byte {at}"),
                Err(error) => refused += u32::from(error.kind == ObjectErrorKind::Damaged),
            }
        }
        assert_eq!(refused, if at < footer { 1 } else { 2 }, "byte {at}");
    }
    for upto in 0..footer {
        let objects = BTreeMap::from([(ObjectKey::Data(NAME), whole.slice(..upto))]);
        let shelf = Shelf { objects, ..Shelf::default() };
        let kind = perform(&shelf, &read(&reference, 1, 0, 1000)).map_err(|error| error.kind);
        assert_eq!(kind, Err(ObjectErrorKind::Damaged), "cut at {upto}");
    }
}

#[test]
fn an_intact_batch_in_the_place_of_another_is_not_served() {
    let (shelf, reference, batches) = shelf();
    let mut bytes = shelf.objects[&ObjectKey::Data(NAME)].to_vec();
    let other = stored(0, &[8; 40][..]);
    assert_eq!(other.len(), batches[0].len());
    bytes[8..8 + other.len()].copy_from_slice(&other);
    let objects = BTreeMap::from([(ObjectKey::Data(NAME), Bytes::from(bytes))]);
    let shelf = Shelf { objects, ..Shelf::default() };
    let error =
        perform(&shelf, &read(&reference, 1, 0, 1000)).expect_err("it is not the one that was written");
    assert_eq!(error.kind, ObjectErrorKind::Damaged);
    assert!(error.detail.contains("another batch"), "{error}");
    let behind = perform(&shelf, &read(&reference, 1, 10, 1000));
    assert_eq!(behind, Ok(ObjectReply::Batches(batches[1..3].to_vec())));
}

#[test]
fn a_whole_object_comes_with_all_it_has_and_not_with_a_damaged_byte() {
    let (shelf, reference, batches) = shelf();
    let request = ObjectRequest::ReadObject(reference.object);
    let Ok(ObjectReply::Object(parts)) = perform(&shelf, &request) else { panic!("it is whole") };
    let told: Vec<_> = parts.iter().filter_map(|(part, _)| part.told()).collect();
    assert_eq!(told, reference.parts);
    assert_eq!(parts.into_iter().flat_map(|(_, batches)| batches).collect::<Vec<_>>(), batches);
    let whole = shelf.objects[&ObjectKey::Data(NAME)].clone();
    let kind = |bytes| {
        let objects = BTreeMap::from([(ObjectKey::Data(NAME), bytes)]);
        let found = perform(&Shelf { objects, ..Shelf::default() }, &request);
        found.map(drop).map_err(|error| error.kind)
    };
    let footer_end = (reference.object.footer_at() + u64::from(reference.object.footer_len)) as usize;
    // What a batch's own checksum does not cover of its header, its length aside, the footer says.
    for at in 8..footer_end {
        let mut damaged = whole.to_vec();
        damaged[at] ^= 1;
        assert_eq!(kind(Bytes::from(damaged)), Err(ObjectErrorKind::Damaged), "byte {at}");
    }
    for upto in [0, 8, footer_end, whole.len() - 1] {
        assert_eq!(kind(whole.slice(..upto)), Err(ObjectErrorKind::Damaged), "cut at {upto}");
    }
    let longer = [&whole[..], &[0]].concat();
    assert_eq!(kind(Bytes::from(longer)), Ok(()), "what is behind it is not asked for");
}

#[test]
fn a_batch_with_other_offsets_than_its_footer_says_is_not_served() {
    // An offset is looked for in the footer: by this one, offset 9 would be passed over and the batch behind it served.
    for delta in [8, 5] {
        let (shelf, reference, _) =
            shelf_that_says(|footer| footer.parts[0].batches[0].last_offset_delta = delta);
        let kind = perform(&shelf, &read(&reference, 1, 0, 1000)).map_err(|error| error.kind);
        assert_eq!(kind, Err(ObjectErrorKind::Damaged), "{delta}");
    }
}

#[test]
fn the_newest_manifest_is_found_behind_a_listing_that_does_not_know_it_and_an_error_is_no_absence() {
    let bytes = Bytes::from_static(b"a manifest");
    let key = ObjectKey::Manifest;
    let objects = BTreeMap::from([(key(3), Bytes::new()), (key(4), bytes.clone())]);
    let found = |shelf: &Shelf| perform(shelf, &ObjectRequest::NewestManifest).map_err(|error| error.kind);
    let shelf = Shelf { objects, ..Shelf::default() };
    assert_eq!(found(&shelf), Ok(ObjectReply::Manifest(Some((4, bytes.clone())))));
    assert_eq!(
        found(&Shelf { unlisted: Some(key(4)), ..shelf_of(&shelf) }),
        Ok(ObjectReply::Manifest(Some((4, bytes))))
    );
    for silent in [4, 5] {
        let shelf = Shelf { silent: Some(key(silent)), ..shelf_of(&shelf) };
        assert_eq!(found(&shelf), Err(ObjectErrorKind::Unknown));
    }
    assert_eq!(found(&Shelf::default()), Ok(ObjectReply::Manifest(None)));
}

#[test]
fn a_manifest_of_the_last_number_is_read_but_has_no_next_to_ask_for() {
    let (last, bytes) = (ObjectKey::Manifest(u64::MAX), Bytes::from_static(b"not ours"));
    let objects = BTreeMap::from([(ObjectKey::Manifest(0), Bytes::new()), (last, bytes.clone())]);
    let found = perform(&Shelf { objects, ..Shelf::default() }, &ObjectRequest::NewestManifest);
    assert_eq!(found, Ok(ObjectReply::Manifest(Some((u64::MAX, bytes)))));
}

fn shelf_of(shelf: &Shelf) -> Shelf {
    Shelf { objects: shelf.objects.clone(), ..Shelf::default() }
}
