//! Manifests, indexes and data objects.

use evenkeel_core::store::{
    DataRef, Index, Manifest, NotAnObject, ObjectKey,
    data::{FRONT_BYTES, Footer, MAGIC, TRAILER_BYTES},
    delta::{Delta, Step},
};

use super::{
    super::{
        super::failure::Failure,
        batches,
        sheet::{Cell, Rows, Sheet},
        source::{Named, Source},
    },
    Details,
};

fn undecoded(why: NotAnObject) -> String {
    match why {
        NotAnObject::Damaged => {
            String::from("its checksum does not match, or it says what cannot be; nothing of it counts")
        }
        NotAnObject::Format(version) => {
            format!("it cannot be read: this version of evenkeel does not know format {version}")
        }
    }
}

/// Describes what has changed of a state.
pub(super) fn delta(bytes: &[u8], sheet: &mut Sheet) {
    let delta = match Delta::decode(bytes) {
        Ok(delta) => delta,
        Err(why) => return sheet.damage.push(undecoded(why)),
    };
    let copied: usize = delta.steps.iter().filter(|step| matches!(step, Step::Copy(_))).map(Step::len).sum();
    for (bytes, crc, (len, checksum)) in
        [("base_bytes", "base_crc", delta.base), ("result_bytes", "result_crc", delta.result)]
    {
        sheet.field(bytes, Cell::Bytes(len));
        sheet.field(crc, Cell::Hex(checksum.into()));
    }
    sheet.field("steps", delta.steps.len());
    sheet.field("copied_bytes", Cell::Bytes(copied as u64));
    sheet.field("inserted_bytes", Cell::Bytes(delta.result.0 - copied as u64));
}

/// Describes a manifest.
pub(super) fn manifest(bytes: &[u8], named: Named, details: Details, sheet: &mut Sheet) {
    let manifest = match Manifest::decode(bytes) {
        Ok(manifest) => manifest,
        Err(why) => return sheet.damage.push(undecoded(why)),
    };
    if let Named::Object(ObjectKey::Manifest(told)) = named
        && told != manifest.number
    {
        sheet.damage.push(format!("it is manifest {}, its key says {told}", manifest.number));
    }
    sheet.field("number", manifest.number);
    sheet.field("cluster_id", &manifest.cluster_id[..]);
    sheet.field("node_id", manifest.node_id);
    sheet.field("epoch", manifest.epoch);
    sheet.field("lineage", Cell::Hex(manifest.lineage));
    sheet.field("writer", Cell::Hex(manifest.writer));
    sheet.field("cut_lsn", manifest.cut);
    sheet.field("cut_at", manifest.cut_at);
    sheet.field("reserved_offsets", manifest.reserved_offsets);
    for (name, bytes, state) in
        [("state", "state_bytes", &manifest.state), ("delta", "delta_bytes", &manifest.delta)]
    {
        sheet.field(name, state.map(|state| ObjectKey::State(state.name).to_string()));
        sheet.field(bytes, state.map_or(Cell::Nothing, |state| Cell::Bytes(state.len)));
    }
    let listed: u64 = manifest.indexes.iter().map(|index| u64::from(index.objects)).sum();
    sheet.field("indexes", manifest.indexes.len());
    sheet.field("data_objects", listed + manifest.tail.len() as u64);
    if details.entries {
        let mut rows = Rows::new("index_list", &["index", "bytes", "data_objects"]);
        for index in &manifest.indexes {
            rows.row([
                Cell::from(ObjectKey::Index(index.name).to_string()),
                Cell::Bytes(index.len),
                Cell::from(index.objects),
            ]);
        }
        sheet.table(rows);
        sheet.table(parts(&manifest.tail));
    }
}

/// Describes an index.
pub(super) fn index(bytes: &[u8], details: Details, sheet: &mut Sheet) {
    let index = match Index::decode(bytes) {
        Ok(index) => index,
        Err(why) => return sheet.damage.push(undecoded(why)),
    };
    sheet.field("data_objects", index.objects.len());
    let bytes = index.objects.iter().map(|object| object.object.len).fold(0, u64::saturating_add);
    sheet.field("data_bytes", Cell::Bytes(bytes));
    if details.entries {
        sheet.table(parts(&index.objects));
    }
}

fn parts(objects: &[DataRef]) -> Rows {
    let columns =
        ["data_object", "object_bytes", "partition", "first_offset", "end_offset", "bytes", "newest"];
    let mut rows = Rows::new("parts", &columns);
    for data in objects {
        for part in &data.parts {
            rows.row([
                Cell::from(ObjectKey::Data(data.object.name).to_string()),
                Cell::Bytes(data.object.len),
                Cell::from(part.partition),
                Cell::from(part.first),
                Cell::from(part.end),
                Cell::Bytes(part.bytes),
                Cell::from(part.newest),
            ]);
        }
    }
    rows
}

/// Describes a data object, and verifies what is in it.
pub(super) fn data(source: &Source<'_>, details: Details, sheet: &mut Sheet) -> Result<(), Failure> {
    if source.read_at(0, FRONT_BYTES)?[..] != MAGIC {
        sheet.damage.push(String::from("byte 0: it does not begin as a data object does"));
    }
    let trailer_at = source.len().saturating_sub(TRAILER_BYTES);
    let Ok((footer_len, footer_crc)) = Footer::trailer(&source.read_at(trailer_at, TRAILER_BYTES)?) else {
        sheet.damage.push(format!(
            "byte {trailer_at}: it does not end as a data object does. What is in it cannot be told"
        ));
        return Ok(());
    };
    let Some(footer_at) = trailer_at.checked_sub(footer_len.into()).filter(|at| *at >= FRONT_BYTES) else {
        sheet.damage.push(format!("byte {trailer_at}: its footer would be longer than it is"));
        return Ok(());
    };
    let bytes = source.read_at(footer_at, footer_len.into())?;
    if crc32c::crc32c(&bytes) != footer_crc {
        sheet.damage.push(format!("byte {footer_at}: the checksum of its footer does not match"));
        return Ok(());
    }
    let footer = match Footer::decode(&bytes) {
        Ok(footer) => footer,
        Err(why) => {
            sheet.damage.push(format!("byte {footer_at}: its footer: {}", undecoded(why)));
            return Ok(());
        }
    };
    sheet.field("cluster_id", &footer.cluster_id[..]);
    sheet.field("epoch", footer.epoch);
    sheet.field("cut_lsn", footer.cut);
    sheet.field("footer_byte", footer_at);
    sheet.field("partitions", footer.parts.len());
    sheet.field("batches_stored", footer.parts.iter().map(|part| part.batches.len()).sum::<usize>());
    let (mut rows, mut damage) = (batches::table(), Vec::new());
    batches::each(
        &footer,
        footer_at,
        |from, len| source.read_at(from, len),
        |batch| match &batch.header {
            Ok(header) => {
                if details.batches {
                    let (lsn, len) = (Cell::Nothing, batch.told.len);
                    batches::row(&mut rows, lsn, batch.at, len, batch.part.partition, header);
                }
            }
            Err(why) => damage.push(format!(
                "byte {}: the batch at offset {} of partition {}: {why}",
                batch.at, batch.told.base_offset, batch.part.partition
            )),
        },
    )?;
    sheet.damage.extend(damage);
    let columns = ["partition", "position", "first_offset", "end_offset", "batches", "bytes", "newest"];
    let mut parts = Rows::new("parts", &columns);
    for part in &footer.parts {
        let told = part.told();
        parts.row([
            Cell::from(part.partition),
            Cell::from(part.at),
            Cell::from(told.map(|told| told.first)),
            Cell::from(told.map(|told| told.end)),
            Cell::from(part.batches.len()),
            Cell::Bytes(part.bytes()),
            Cell::from(told.map(|told| told.newest)),
        ]);
    }
    sheet.table(parts);
    if details.batches {
        sheet.table(rows);
    }
    Ok(())
}
