//! The four codecs of record batches, inflated piece by piece: gzip, snappy, lz4 and zstd, each as Kafka
//! clients frame them. The batch's own CRC has been checked, so checksums inside the frames are skipped.
//!
//! Memory is bounded by what went in or by a constant, never by a length that the bytes claim: gzip and zstd come
//! in pieces of 64 KiB, zstd keeps a window of up to 8 MiB beside them, lz4 comes in blocks of up to 4 MiB, and
//! snappy in blocks of up to 32 MiB.

use alloc::{boxed::Box, vec::Vec};

use miniz_oxide::{
    DataFormat, MZFlush, MZStatus,
    inflate::stream::{InflateState, inflate},
};
use ruzstd::{
    decoding::{BlockDecodingStrategy, FrameDecoder},
    io::Read as _,
};

/// Bytes inflated at a time from gzip and zstd.
const PIECE_BYTES: usize = 64 << 10;
/// A snappy copy element of three bytes stands for at most 64: nothing grows more than this.
const SNAPPY_GROWTH_MAX: usize = 32;
/// Largest block of snappy, inflated: librdkafka sends a batch as one block.
const SNAPPY_BLOCK_BYTES_MAX: usize = 32 << 20;
/// Snappy as the Java library frames it ("xerial"): this magic, two versions of four bytes, then blocks.
const XERIAL_MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
const XERIAL_HEADER_BYTES: usize = 16;
const LZ4_MAGIC: u32 = 0x184D_2204;
/// How far back a block of lz4 may refer into the blocks before it.
const LZ4_HISTORY_BYTES: usize = 64 << 10;
/// Each byte of a match length stands for at most 255.
const LZ4_GROWTH_MAX: usize = 256;
/// Largest window of zstd: what RFC 8878 wants every decoder to support, and what levels up to 19 use.
const ZSTD_WINDOW_BYTES_MAX: u64 = 8 << 20;

/// The bytes are not what their codec says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InflowDamage;

/// Compressed bytes on their way out.
pub(super) enum Inflow<'a> {
    Gzip {
        rest: &'a [u8],
        state: Box<InflateState>,
        ended: bool,
    },
    /// What is left, and whether it comes in blocks behind their length.
    Snappy {
        rest: &'a [u8],
        blocks: bool,
    },
    Lz4(Lz4<'a>),
    Zstd {
        rest: &'a [u8],
        frame: Box<FrameDecoder>,
    },
}

impl<'a> Inflow<'a> {
    /// Begins to inflate. `None`: an unknown codec (0 included), or the head of the frame is damaged.
    pub(super) fn open(codec: i16, bytes: &'a [u8]) -> Option<Inflow<'a>> {
        match codec {
            1 => {
                let rest = bytes.get(gzip_header_len(bytes)?..)?;
                Some(Inflow::Gzip { rest, state: InflateState::new_boxed(DataFormat::Raw), ended: false })
            }
            2 if bytes.starts_with(&XERIAL_MAGIC) => {
                Some(Inflow::Snappy { rest: bytes.get(XERIAL_HEADER_BYTES..)?, blocks: true })
            }
            2 => Some(Inflow::Snappy { rest: bytes, blocks: false }),
            3 => Lz4::open(bytes).map(Inflow::Lz4),
            4 => {
                let mut rest = bytes;
                let frame = zstd_frame(&mut rest)?;
                Some(Inflow::Zstd { rest, frame })
            }
            _ => None,
        }
    }

    /// Appends the next piece, which may be empty; false: there is none.
    pub(super) fn pull(&mut self, out: &mut Vec<u8>) -> Result<bool, InflowDamage> {
        match self {
            Inflow::Gzip { ended: true, .. } => Ok(false),
            Inflow::Gzip { rest, state, ended } => {
                *ended = pull_gzip(rest, state, out)?;
                Ok(true)
            }
            Inflow::Snappy { rest, blocks } => pull_snappy(rest, *blocks, out),
            Inflow::Lz4(lz4) => lz4.pull(out),
            Inflow::Zstd { rest, frame } => pull_zstd(rest, frame, out),
        }
    }
}

/// RFC 1952: ten bytes, then what the flags announce.
fn gzip_header_len(bytes: &[u8]) -> Option<usize> {
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    const HEADER_CRC: u8 = 2;
    let [0x1f, 0x8b, 8, flags, ..] = bytes else { return None };
    let mut at = 10;
    if flags & EXTRA != 0 {
        let len = bytes.get(at..at + 2)?;
        at += 2 + usize::from(u16::from_le_bytes([len[0], len[1]]));
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            at += 1 + bytes.get(at..)?.iter().position(|byte| *byte == 0)?;
        }
    }
    Some(if flags & HEADER_CRC != 0 { at + 2 } else { at })
}

/// Tells whether that was the end.
fn pull_gzip(rest: &mut &[u8], state: &mut InflateState, out: &mut Vec<u8>) -> Result<bool, InflowDamage> {
    let from = out.len();
    out.resize(from + PIECE_BYTES, 0);
    let step = inflate(state, rest, &mut out[from..], MZFlush::None);
    out.truncate(from + step.bytes_written);
    *rest = &rest[step.bytes_consumed..];
    match step.status {
        Ok(MZStatus::StreamEnd) => Ok(true),
        Ok(MZStatus::Ok) if step.bytes_written > 0 || step.bytes_consumed > 0 => Ok(false),
        Ok(MZStatus::Ok | MZStatus::NeedDict) | Err(_) => Err(InflowDamage),
    }
}

fn pull_snappy(rest: &mut &[u8], blocks: bool, out: &mut Vec<u8>) -> Result<bool, InflowDamage> {
    if rest.is_empty() {
        return Ok(false);
    }
    let block = if blocks {
        let (len, behind) = rest.split_first_chunk::<4>().ok_or(InflowDamage)?;
        let (block, behind) =
            behind.split_at_checked(u32::from_be_bytes(*len) as usize).ok_or(InflowDamage)?;
        *rest = behind;
        block
    } else {
        core::mem::take(rest)
    };
    let len = snap::raw::decompress_len(block).map_err(|_| InflowDamage)?;
    if len > block.len().saturating_mul(SNAPPY_GROWTH_MAX).min(SNAPPY_BLOCK_BYTES_MAX) {
        return Err(InflowDamage);
    }
    let from = out.len();
    out.resize(from + len, 0);
    let written = snap::raw::Decoder::new().decompress(block, &mut out[from..]).map_err(|_| InflowDamage)?;
    out.truncate(from + written);
    Ok(true)
}

fn pull_zstd(
    rest: &mut &[u8],
    frame: &mut Box<FrameDecoder>,
    out: &mut Vec<u8>,
) -> Result<bool, InflowDamage> {
    if frame.is_finished() && frame.can_collect() == 0 {
        if rest.is_empty() {
            return Ok(false);
        }
        // Frames may follow each other. A new decoder: an old one would reserve the window that this one claims.
        *frame = zstd_frame(rest).ok_or(InflowDamage)?;
    }
    while !frame.is_finished() && frame.can_collect() == 0 {
        frame.decode_blocks(&mut *rest, BlockDecodingStrategy::UptoBlocks(1)).map_err(|_| InflowDamage)?;
    }
    let from = out.len();
    out.resize(from + PIECE_BYTES, 0);
    let written = frame.read(&mut out[from..]).map_err(|_| InflowDamage)?;
    out.truncate(from + written);
    Ok(true)
}

fn zstd_frame(rest: &mut &[u8]) -> Option<Box<FrameDecoder>> {
    let mut frame = Box::new(FrameDecoder::new());
    frame.set_max_window_size(ZSTD_WINDOW_BYTES_MAX);
    frame.reset(rest).ok()?;
    Some(frame)
}

/// The lz4 frame format: a descriptor, then blocks behind their length.
pub(super) struct Lz4<'a> {
    rest: &'a [u8],
    block_bytes_max: usize,
    block_checksum: bool,
    /// The last bytes that came out, for blocks that refer to them.
    history: Vec<u8>,
}

impl<'a> Lz4<'a> {
    fn open(bytes: &'a [u8]) -> Option<Lz4<'a>> {
        const DICTIONARY: u8 = 1;
        const CONTENT_SIZE: u8 = 1 << 3;
        const BLOCK_CHECKSUM: u8 = 1 << 4;
        let (magic, rest) = bytes.split_first_chunk::<4>()?;
        let [flags, block_size, ..] = *rest else { return None };
        if u32::from_le_bytes(*magic) != LZ4_MAGIC || flags >> 6 != 1 || flags & DICTIONARY != 0 {
            return None;
        }
        let block_bytes_max = match block_size >> 4 & 7 {
            size @ 4..=7 => 1 << (8 + 2 * size),
            _ => return None,
        };
        // Descriptor: the two bytes above, the content size if there, and one byte of checksum. The checksum is
        // not looked at: Kafka's clients before 0.10 computed it over the wrong bytes (KIP-57).
        let len = 2 + if flags & CONTENT_SIZE != 0 { 8 } else { 0 } + 1;
        Some(Lz4 {
            rest: rest.get(len..)?,
            block_bytes_max,
            block_checksum: flags & BLOCK_CHECKSUM != 0,
            history: Vec::new(),
        })
    }

    fn pull(&mut self, out: &mut Vec<u8>) -> Result<bool, InflowDamage> {
        const STORED: u32 = 1 << 31;
        let (len, behind) = self.rest.split_first_chunk::<4>().ok_or(InflowDamage)?;
        let len = u32::from_le_bytes(*len);
        if len == 0 {
            return Ok(false); // Left where it is, to be found again.
        }
        let (block, behind) = behind.split_at_checked((len & !STORED) as usize).ok_or(InflowDamage)?;
        self.rest = behind.get(if self.block_checksum { 4 } else { 0 }..).ok_or(InflowDamage)?;
        let from = out.len();
        if len & STORED != 0 {
            if block.len() > self.block_bytes_max {
                return Err(InflowDamage);
            }
            out.extend_from_slice(block);
        } else {
            out.resize(from + self.block_bytes_max.min(block.len().saturating_mul(LZ4_GROWTH_MAX)), 0);
            let written = lz4_flex::block::decompress_into_with_dict(block, &mut out[from..], &self.history)
                .map_err(|_| InflowDamage)?;
            out.truncate(from + written);
        }
        let fresh = &out[from..];
        if fresh.len() >= LZ4_HISTORY_BYTES {
            self.history.clear();
        } else {
            let excess = (self.history.len() + fresh.len()).saturating_sub(LZ4_HISTORY_BYTES);
            self.history.drain(..excess);
        }
        self.history.extend_from_slice(&fresh[fresh.len().saturating_sub(LZ4_HISTORY_BYTES)..]);
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
