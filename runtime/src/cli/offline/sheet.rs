//! What is known of one thing: fields and tables, for people and as JSON.
//!
//! Names are those of the JSON; people see them with spaces. People see sizes in units and JSON has bytes; both have times in
//! RFC 3339, UTC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytesize::ByteSize;
use evenkeel_core::units::{Epoch, Lsn, Offset, PartitionId, Timestamp};

use super::super::{
    failure::Failure,
    json::Json,
    output::{Output, Table},
};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// There is none.
    Nothing,
    /// Words.
    Text(String),
    /// A number.
    Number(i64),
    /// A size in bytes.
    Bytes(u64),
    /// A time.
    Time(Timestamp),
    /// A number that is only compared.
    Hex(u64),
}

impl Cell {
    /// For people.
    pub(super) fn words(&self) -> String {
        match self {
            Cell::Nothing => String::from("-"),
            Cell::Text(text) => text.clone(),
            Cell::Number(number) => number.to_string(),
            Cell::Bytes(bytes) => ByteSize(*bytes).to_string(),
            Cell::Time(time) => rfc3339(*time),
            Cell::Hex(bits) => format!("{bits:x}"),
        }
    }

    fn json(&self) -> Json {
        match self {
            Cell::Nothing => Json::Null,
            Cell::Text(text) => Json::from(&text[..]),
            Cell::Number(number) => Json::from(*number),
            Cell::Bytes(bytes) => Json::from(i64::try_from(*bytes).unwrap_or(i64::MAX)),
            Cell::Time(_) | Cell::Hex(_) => Json::Text(self.words()),
        }
    }
}

/// A time in RFC 3339. One that no calendar of this form has is shown as milliseconds.
pub(super) fn rfc3339(time: Timestamp) -> String {
    /// The year 9999.
    const LAST: u64 = 253_402_300_799_999;
    match u64::try_from(time.0) {
        Ok(millis) if millis <= LAST => {
            humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(millis)).to_string()
        }
        Ok(_) | Err(_) => format!("{} ms", time.0),
    }
}

/// The wall clock.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// How long ago that was, in whole seconds.
pub(super) fn age(at: Timestamp, now: Timestamp) -> String {
    let millis = u64::try_from(now.0.saturating_sub(at.0)).unwrap_or(0);
    humantime::format_duration(Duration::from_secs(millis / 1000)).to_string()
}

macro_rules! numbers {
    ($($kind:ty),*) => {
        $(impl From<$kind> for Cell {
            fn from(number: $kind) -> Cell {
                Cell::Number(i64::try_from(number).unwrap_or(i64::MAX))
            }
        })*
    };
}
numbers!(i16, i32, i64, u32, u64, usize);

macro_rules! units {
    ($($kind:ty),*) => {
        $(impl From<$kind> for Cell {
            fn from(unit: $kind) -> Cell {
                Cell::from(unit.0)
            }
        })*
    };
}
units!(Lsn, Epoch, Offset, PartitionId);

impl From<Timestamp> for Cell {
    fn from(time: Timestamp) -> Cell {
        Cell::Time(time)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.to_string())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::Text(text)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Cell {
        value.map_or(Cell::Nothing, Into::into)
    }
}

/// Rows with the same columns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rows {
    name: &'static str,
    columns: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Rows {
    pub(super) fn new(name: &'static str, columns: &[&'static str]) -> Rows {
        Rows { name, columns: columns.to_vec(), rows: Vec::new() }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        assert_eq!(N, self.columns.len(), "a cell for each column");
        self.rows.push(cells.into());
    }

    fn json(&self) -> Json {
        let row = |row: &Vec<Cell>| {
            let fields = self.columns.iter().zip(row);
            Json::Object(fields.map(|(name, cell)| ((*name).to_string(), cell.json())).collect())
        };
        Json::List(self.rows.iter().map(row).collect())
    }

    fn print(&self, output: &mut Output) -> Result<(), Failure> {
        let heads: Vec<String> =
            self.columns.iter().map(|name| name.replace('_', " ").to_uppercase()).collect();
        let mut table = Table::new(&heads.iter().map(String::as_str).collect::<Vec<_>>());
        for row in &self.rows {
            table.row(row.iter().map(Cell::words).collect());
        }
        table.print(output)
    }
}

/// All that is known of one thing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sheet {
    fields: Vec<(&'static str, Cell)>,
    tables: Vec<Rows>,
    /// What is worth a look and no damage.
    pub(super) notes: Vec<String>,
    /// What is damaged: where it ends, and why.
    pub(super) damage: Vec<String>,
}

impl Sheet {
    pub(super) fn field(&mut self, name: &'static str, value: impl Into<Cell>) {
        self.fields.push((name, value.into()));
    }

    pub(super) fn table(&mut self, rows: Rows) {
        self.tables.push(rows);
    }

    /// One object: the fields, each table as a list of objects, `notes` and `damage` as lists of texts.
    pub(super) fn json(&self) -> Json {
        let texts = |texts: &[String]| Json::list(texts.iter().map(|text| &text[..]));
        let fields = self.fields.iter().map(|(name, cell)| ((*name).to_string(), cell.json()));
        let tables = self.tables.iter().map(|rows| (rows.name.to_string(), rows.json()));
        let remarks =
            [("notes".to_string(), texts(&self.notes)), ("damage".to_string(), texts(&self.damage))];
        Json::Object(fields.chain(tables).chain(remarks).collect())
    }

    /// The fields alone.
    pub(super) fn fields_json(&self) -> Json {
        Json::Object(self.fields.iter().map(|(name, cell)| ((*name).to_string(), cell.json())).collect())
    }

    pub(super) fn print(&self, output: &mut Output) -> Result<(), Failure> {
        self.print_fields(output)?;
        for rows in self.tables.iter().filter(|rows| !rows.rows.is_empty()) {
            output.line("")?;
            rows.print(output)?;
        }
        if !self.notes.is_empty() || !self.damage.is_empty() {
            output.line("")?;
        }
        self.notes.iter().try_for_each(|note| output.line(&format!("note: {note}")))?;
        self.damage.iter().try_for_each(|damage| output.line(&format!("DAMAGED: {damage}")))
    }

    pub(super) fn print_fields(&self, output: &mut Output) -> Result<(), Failure> {
        let width = self.fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        self.fields.iter().try_for_each(|(name, cell)| {
            output.line(&format!("{:width$}  {}", name.replace('_', " "), cell.words()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_as_far_as_it_goes() {
        assert_eq!(rfc3339(Timestamp(1_795_658_181_752)), "2026-11-26T01:56:21.752Z");
        assert_eq!(rfc3339(Timestamp(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(Timestamp(253_402_300_799_999)), "9999-12-31T23:59:59.999Z");
        assert_eq!(rfc3339(Timestamp(253_402_300_800_000)), "253402300800000 ms");
        assert_eq!(rfc3339(Timestamp(-1)), "-1 ms");
        assert_eq!(age(Timestamp(1000), Timestamp(95_999)), "1m 34s");
        assert_eq!(age(Timestamp(1000), Timestamp(0)), "0s");
    }

    #[test]
    fn json_has_exact_numbers_and_people_have_units() {
        let mut sheet = Sheet::default();
        sheet.field("kind", "thing");
        sheet.field("file_bytes", Cell::Bytes(3 << 20));
        let mut rows = Rows::new("parts", &["first_lsn", "salt"]);
        rows.row([Cell::from(Lsn(4)), Cell::Hex(u64::MAX)]);
        sheet.table(rows);
        sheet.damage.push(String::from("here"));
        assert_eq!(
            sheet.json().to_string(),
            r#"{"kind":"thing","file_bytes":3145728,"parts":[{"first_lsn":4,"salt":"ffffffffffffffff"}],"notes":[],"damage":["here"]}"#
        );
        assert_eq!(Cell::Bytes(3 << 20).words(), "3.0 MiB");
    }
}
