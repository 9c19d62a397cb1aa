//! One run of the `log_files` target: files that no broker wrote, their checksums right, so that recovery believes them.
//!
//! Nothing is true of them, so little can be asked: an end, no panic, memory in proportion, a refusal that changes nothing,
//! and that a log which is served once is served again.

use evenkeel_core::{
    Config,
    limits::BLOCK_BYTES,
    log::{
        Refusal,
        group::{GroupHeader, GroupKind, padded_len},
        identity::Identity,
        segment::SegmentHeader,
    },
    port::{Fault, FileName},
    units::{Epoch, Lsn, SegmentSequence},
};

use crate::{
    choices::Choices,
    memory::peak_of,
    memory_disk::{Image, MemoryDisk},
    world::{World, small},
};

const SEGMENT_BYTES: u32 = 32 << 10;
const CLUSTER: &str = "fuzz";
/// What a start may hold at one time for each byte of its files, and besides: answers, the state, a spare segment.
const PEAK_PER_BYTE: usize = 24;
const PEAK_BESIDES: usize = 1 << 20;

/// Makes files and starts on them.
///
/// # Panics
/// A finding.
pub fn raw(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut image = Image::new();
    let mut chain = Chain { link: 0, salt: 7, next: Lsn(0), epoch: Epoch(1) };
    for number in 1..7 {
        if choices.is_over() {
            break;
        }
        match choices.below(8) {
            6 => drop(image.insert(FileName::Identity, identity(&mut choices))),
            7 => {
                let lsn = Lsn(u64::from(choices.byte() % 8));
                image.insert(FileName::Checkpoint(lsn), checkpoint(&mut choices));
            }
            way => {
                let number = if way == 5 { 1 + choices.byte() % 7 } else { number };
                let file = FileName::Segment(SegmentSequence(u64::from(number)));
                image.insert(file, segment(&mut choices, u64::from(number), &mut chain));
            }
        }
    }
    let config = small(SEGMENT_BYTES);
    let size: usize = image.values().map(Vec::len).sum();
    let (world, peak) = peak_of(|| World::boot(MemoryDisk::holding(&image), config.clone(), None));
    // The disk in memory holds three copies: what is there, what is synced, and what is written anew.
    assert!(peak <= PEAK_BESIDES + PEAK_PER_BYTE * size, "{peak} bytes for files of {size}");
    if world.serving {
        serves_again(world, &config);
        return;
    }
    assert_eq!(world.disk.image(), image, "a refusal changes nothing: {:?}", world.fault);
    if let Some(Fault::Refused(Refusal::Damage(damage))) = &world.fault {
        let accepting = Config { accept_loss_from: Some(damage.accept_from), ..config.clone() };
        let _ = World::boot(MemoryDisk::holding(&image), accepting, None);
    }
}

fn serves_again(world: World, config: &Config) {
    let before = world.broker.state().expect("it serves").topics().count();
    let again = World::boot(MemoryDisk::holding(&world.disk.image()), config.clone(), None);
    assert!(again.serving, "the next start: {:?}", again.fault);
    assert_eq!(again.broker.state().expect("it serves").topics().count(), before);
}

/// Where the log would go on.
struct Chain {
    link: u32,
    salt: u64,
    next: Lsn,
    epoch: Epoch,
}

fn identity(choices: &mut Choices<'_>) -> Vec<u8> {
    let epoch = Epoch(choices.of(&[1, 2, 3, 9, i32::MAX.cast_unsigned(), u32::MAX]));
    let cluster_id = String::from(choices.of(&[CLUSTER, "other"]));
    let mut bytes = Identity { node_id: choices.of(&[1, 2]), epoch, cluster_id }.encode();
    if let Some(byte) = bytes.get_mut(usize::from(choices.byte())) {
        *byte ^= 1;
    }
    bytes
}

/// A checkpoint's magic and checksum around any bytes.
fn checkpoint(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut bytes = b"EKCKPT01\0\0\0\0\x01\0\0\0".to_vec();
    bytes.extend_from_slice(choices.some_bytes(200));
    let crc = crc32c::crc32c(&bytes[12..]);
    bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn segment(choices: &mut Choices<'_>, number: u64, chain: &mut Chain) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..choices.below(8) {
        match choices.below(8) {
            0 => bytes.extend_from_slice(choices.some_bytes(100)),
            1 => bytes.resize(bytes.len() + BLOCK_BYTES as usize, 0),
            2 => bytes.extend(header(choices, number, chain)),
            _ if bytes.is_empty() => bytes.extend(header(choices, number, chain)),
            _ => bytes.extend(group(choices, chain)),
        }
        bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES as usize), 0);
    }
    if choices.byte() < 200 {
        bytes.resize(bytes.len().max(SEGMENT_BYTES as usize), 0);
    }
    bytes
}

/// The number that follows, or one near it, or a far one.
fn near(choices: &mut Choices<'_>, follows: u64) -> u64 {
    match choices.below(16) {
        13 => follows.wrapping_sub(1),
        14 => follows.wrapping_add(1),
        15 => choices.of(&[0, 1, 5, u32::MAX.into(), u64::MAX / 2, u64::MAX]),
        _ => follows,
    }
}

fn header(choices: &mut Choices<'_>, number: u64, chain: &mut Chain) -> Vec<u8> {
    chain.salt += u64::from(choices.byte() & 1);
    chain.epoch = Epoch(u32::try_from(near(choices, chain.epoch.0.into())).unwrap_or(u32::MAX));
    let header = SegmentHeader {
        sequence: SegmentSequence(near(choices, number)),
        salt: chain.salt,
        first: Lsn(near(choices, chain.next.0)),
        epoch: chain.epoch,
        previous: u32::try_from(near(choices, chain.link.into())).unwrap_or(0),
        node_id: 1,
        segment_bytes: SEGMENT_BYTES,
        cluster_id: String::from(CLUSTER),
    };
    let (bytes, link) = header.encode();
    chain.link = link;
    bytes
}

/// An empty group, or one whose heads are any bytes: no record can be made that no broker wrote.
fn group(choices: &mut Choices<'_>, chain: &mut Chain) -> Vec<u8> {
    let kind = choices.of(&[
        GroupKind::Marker,
        GroupKind::SealRoll,
        GroupKind::SealStop,
        GroupKind::Marker,
        GroupKind::Data,
    ]);
    let (records, heads) = match kind {
        GroupKind::Data => (1 + u32::from(choices.byte() % 4), choices.some_bytes(200)),
        GroupKind::Marker | GroupKind::SealRoll | GroupKind::SealStop => (0, &[][..]),
    };
    let first = near(choices, chain.next.0);
    let header = GroupHeader {
        previous: u32::try_from(near(choices, chain.link.into())).unwrap_or(0),
        salt: chain.salt,
        first: Lsn(first),
        records,
        kind,
        heads_len: u32::try_from(heads.len()).expect("short"),
        bodies_len: if records > 0 { u32::from(choices.byte()) * 64 } else { 0 },
        synced: Lsn(near(choices, chain.next.0).min(first)),
        epoch: chain.epoch,
    };
    let (mut bytes, link) = header.encode_front(heads);
    chain.link = link;
    chain.next = Lsn(first.saturating_add(records.into()));
    bytes.resize(padded_len(header.heads_len, header.bodies_len) as usize, 0);
    bytes
}

#[cfg(test)]
mod tests;
