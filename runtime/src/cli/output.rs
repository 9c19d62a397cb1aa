//! What is printed: lines, tables and JSON on standard output. If nobody reads it any more, the command ends quietly.

use std::io::{BufWriter, ErrorKind, StdoutLock, Write, stdout};

use super::{
    failure::{Failure, reason},
    json::Json,
};

/// Standard output.
pub(super) struct Output {
    out: BufWriter<StdoutLock<'static>>,
}

impl Output {
    pub(super) fn new() -> Output {
        Output { out: BufWriter::with_capacity(64 << 10, stdout().lock()) }
    }

    /// Bytes as they are.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes).map_err(|error| unwritten(&error))
    }

    /// A line.
    pub(super) fn line(&mut self, line: &str) -> Result<(), Failure> {
        self.bytes(line.as_bytes())?;
        self.bytes(b"\n")
    }

    /// A value on a line of its own.
    pub(super) fn json(&mut self, value: &Json) -> Result<(), Failure> {
        self.line(&value.to_string())
    }

    /// Things that were asked for by name: a list in JSON, or one after the other with an empty line between.
    pub(super) fn each<T>(
        &mut self,
        things: &[T],
        json: bool,
        as_json: impl Fn(&T) -> Json,
        print: impl Fn(&T, &mut Output) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if json {
            return self.json(&Json::list(things.iter().map(as_json)));
        }
        for (at, thing) in things.iter().enumerate() {
            if at > 0 {
                self.line("")?;
            }
            print(thing, self)?;
        }
        Ok(())
    }

    /// What was written so far reaches whoever reads.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().and_then(|()| self.out.get_mut().flush()).map_err(|error| unwritten(&error))
    }
}

fn unwritten(error: &std::io::Error) -> Failure {
    if error.kind() == ErrorKind::BrokenPipe {
        Failure::Unread
    } else {
        Failure::Wrong(format!("cannot write to standard output: {}", reason(error)))
    }
}

/// A table for people: columns as wide as they must be, numbers to the right.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(heads: &[&str]) -> Table {
        Table { rows: vec![heads.iter().map(ToString::to_string).collect()] }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        assert_eq!(cells.len(), self.rows[0].len(), "a cell for each column");
        self.rows.push(cells);
    }

    pub(super) fn print(&self, output: &mut Output) -> Result<(), Failure> {
        self.lines().iter().try_for_each(|line| output.line(line))
    }

    fn lines(&self) -> Vec<String> {
        let columns = 0..self.rows[0].len();
        let widest = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max();
        let widths: Vec<usize> = columns.clone().map(|column| widest(column).unwrap_or(0)).collect();
        let is_number = |cell: &str| cell == "-" || cell.parse::<i64>().is_ok();
        let numbers: Vec<bool> =
            columns.map(|column| self.rows[1..].iter().all(|row| is_number(&row[column]))).collect();
        let line = |row: &Vec<String>| {
            let mut line = String::new();
            for ((cell, width), number) in row.iter().zip(&widths).zip(&numbers) {
                let pad = " ".repeat(width - cell.chars().count());
                let (before, behind) = if *number { (&pad[..], "") } else { ("", &pad[..]) };
                line.push_str(&format!("{before}{cell}{behind}  "));
            }
            line.trim_end().to_string()
        };
        self.rows.iter().map(line).collect()
    }
}

/// A number, or a dash where there is none.
pub(super) fn or_dash(number: Option<i64>) -> String {
    number.map_or_else(|| String::from("-"), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_numbers_stand_to_the_right() {
        let mut table = Table::new(&["TOPIC", "END", "OWNER"]);
        table.row(vec!["a".into(), or_dash(Some(5)), "x".into()]);
        table.row(vec!["longer".into(), or_dash(None), "-".into()]);
        table.row(vec!["b".into(), or_dash(Some(12345)), "-".into()]);
        assert_eq!(
            table.lines(),
            ["TOPIC     END  OWNER", "a           5  x", "longer      -  -", "b       12345  -"]
        );
        assert_eq!(Table::new(&["NAME"]).lines(), ["NAME"]);
    }
}
