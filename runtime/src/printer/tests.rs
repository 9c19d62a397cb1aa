use std::sync::{Condvar, Mutex};

use super::*;

/// What was printed. It blocks while it is shut, and fails while it is full.
#[derive(Clone, Default)]
struct Paper(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    text: Vec<u8>,
    shut: bool,
    full: bool,
}

impl Paper {
    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.0.lock().expect("not poisoned"));
        self.0.1.notify_all();
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().expect("not poisoned").text.clone()).expect("text")
    }
}

impl Write for Paper {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let state = self.0.0.lock().expect("not poisoned");
        let mut state = self.0.1.wait_while(state, |state| state.shut).expect("not poisoned");
        if state.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.text.extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn drained(printer: &Printer) {
    assert!(printer.drain(Duration::from_secs(30)), "nothing blocks it");
}

#[test]
fn lines_that_cannot_be_written_are_counted_and_the_next_one_says_so() {
    let paper = Paper::default();
    let mut printer = Printer::start(paper.clone()).expect("a thread");
    writeln!(printer, "before").expect("never fails");
    drained(&printer);
    paper.set(|state| state.full = true);
    for _ in 0..3 {
        printer.write_all(b"lost\n").expect("never fails");
    }
    drained(&printer);
    assert_eq!(paper.text(), "before\n");
    paper.set(|state| state.full = false);
    printer.write_all(b"after\n").expect("never fails");
    drained(&printer);
    assert_eq!(paper.text(), "before\n3 log lines were lost here: standard error did not take them\nafter\n");
}

#[test]
fn a_reader_that_takes_nothing_blocks_nobody_and_what_it_missed_is_counted() {
    let paper = Paper::default();
    paper.set(|state| state.shut = true);
    let mut printer = Printer::start(paper.clone()).expect("a thread");
    let line = [&[b'x'; 1023][..], b"\n"].concat();
    let lines = 2 * QUEUE_BYTES_MAX / line.len();
    for _ in 0..lines {
        printer.write_all(&line).expect("never fails");
    }
    assert!(!printer.drain(Duration::from_millis(1)), "it is blocked");
    paper.set(|state| state.shut = false);
    drained(&printer);
    let text = paper.text();
    let printed = text.lines().filter(|line| line.starts_with('x')).count();
    let lost: usize = text
        .lines()
        .filter_map(|line| line.strip_suffix(" log lines were lost here: standard error did not take them"))
        .map(|count| count.parse::<usize>().expect("a number"))
        .sum();
    assert_eq!(printed + lost, lines);
    assert!(printed * line.len() >= QUEUE_BYTES_MAX, "{printed}");
}

#[test]
fn there_is_one_printer_in_a_process() {
    let (first, second) = (of_process().expect("a thread"), of_process().expect("a thread"));
    assert!(Arc::ptr_eq(&first.queue, &second.queue));
    drain();
}
