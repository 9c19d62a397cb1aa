use super::*;
use crate::choices::generated;

#[test]
fn stores_out_of_a_fixed_generator_hold() {
    for seed in 0..2000 {
        data_object(&generated(seed, 200 + seed % 200));
    }
}

/// A store, its first part, and a request for all of it.
fn one() -> (Stored, WrittenPart, ReadBatches) {
    let stored = Stored::plan(&mut Choices::new(&[]));
    let part = stored.data[0].parts[0].clone();
    let read = ReadBatches {
        object: stored.data[0].reference.object,
        partition: part.partition,
        from: Offset(0),
        newest_min: None,
        bytes_max: u64::MAX,
    };
    (stored, part, read)
}

#[test]
#[should_panic(expected = "damage that nobody noticed")]
fn damage_that_is_read_over_is_a_finding() {
    let (stored, part, read) = one();
    let sound = stored.shelf.image();
    let mut objects = sound.clone();
    objects.get_mut(&ObjectKey::Data(read.object.name)).expect("it is there")[part.at] ^= 1;
    // The store is asked for what is sound.
    answers(&stored.shelf, (&sound, &objects), &part, &read, &[]);
}

#[test]
#[should_panic(expected = "nothing happened to what was asked for")]
fn an_error_without_damage_is_a_finding() {
    let (stored, part, mut read) = one();
    let sound = stored.shelf.image();
    read.object.footer_crc ^= 1;
    answers(&stored.shelf, (&sound, &sound), &part, &read, &[]);
}

#[test]
fn damage_behind_the_footer_and_to_other_batches_hurts_no_read() {
    let (stored, part, read) = one();
    let key = ObjectKey::Data(read.object.name);
    let sound = stored.shelf.image();
    let mut objects = sound.clone();
    let bytes = objects.get_mut(&key).expect("it is there");
    bytes[0] ^= 1;
    *bytes.last_mut().expect("a trailer") ^= 1;
    let shelf = Shelf::holding(&objects);
    assert_eq!(batches(&shelf, &read), Ok(part.batches.clone()));
    answers(&shelf, (&sound, &objects), &part, &read, &[]);
}
