//! A client of the simulator on a node of its own, talking to the broker over simulated TCP.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use evenkeel_core::units::{ConnId, Tag};
use evenkeel_sim::{
    client::{Client, Desk},
    dice::Dice,
    ledger::Ledger,
    shape::Shape,
    violation::Verdict,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    BROKER,
    wire::{self, Sent},
};

/// What all clients share: the ledger, and how much is still to be done.
pub(crate) struct Table {
    pub(crate) ledger: Ledger,
    pub(crate) shape: Shape,
    pub(crate) operations_left: u64,
    pub(crate) next_op: u64,
    pub(crate) next_conn: u64,
    /// Answers heard.
    pub(crate) heard: u64,
    /// Connections that were made.
    pub(crate) connected: u64,
    origin: Instant,
}

impl Table {
    pub(crate) fn new(shape: Shape) -> Table {
        let operations_left = shape.operations;
        let mut ledger = Ledger::default();
        ledger.disk_fails = shape.disk_fails();
        let origin = Instant::now();
        Table { ledger, shape, operations_left, next_op: 0, next_conn: 0, heard: 0, connected: 0, origin }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_micros()).expect("a run is short")
    }

    fn desk<T>(&mut self, act: impl FnOnce(&mut Desk<'_>) -> T) -> T {
        let now = self.now();
        act(&mut Desk {
            ledger: &mut self.ledger,
            shape: &self.shape,
            now,
            operations_left: &mut self.operations_left,
            next_op: &mut self.next_op,
        })
    }
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics with it")
}

/// Plays one client until nothing is left to do and everything is answered.
pub(crate) async fn play(table: Arc<Mutex<Table>>, mut client: Client, mut dice: Dice) -> Verdict {
    loop {
        if is_done(&table, &client) {
            return Ok(());
        }
        let address: SocketAddr = BROKER.parse().expect("an address");
        let Ok(Ok(stream)) = timeout(Duration::from_secs(1), TcpStream::connect(address)).await else {
            sleep(Duration::from_micros(dice.magnitude(1_000, 100_000))).await;
            continue;
        };
        let conn = {
            let mut table = locked(&table);
            table.next_conn += 1;
            table.connected += 1;
            ConnId(table.next_conn)
        };
        client.conn = Some(conn);
        let verdict = talk(&table, &mut client, &mut dice, stream, conn).await;
        locked(&table).ledger.hung_up(conn);
        client.lost();
        verdict?;
    }
}

fn is_done(table: &Mutex<Table>, client: &Client) -> bool {
    {
        let table = locked(table);
        client.is_idle(&table.ledger) && table.operations_left == 0
    }
}

/// As long as the connection holds.
async fn talk(
    table: &Mutex<Table>,
    client: &mut Client,
    dice: &mut Dice,
    mut stream: TcpStream,
    conn: ConnId,
) -> Verdict {
    let mut asked: BTreeMap<i32, Sent> = BTreeMap::new();
    let mut buffer = BytesMut::new();
    let mut act_at = Instant::now();
    loop {
        let now = locked(table).now();
        if client.overdue(now).is_some() || is_done(table, client) {
            return Ok(());
        }
        tokio::select! {
            biased;
            got = stream.read_buf(&mut buffer) => {
                if !matches!(got, Ok(1..)) {
                    return Ok(());
                }
                while let Some(frame) = cut(&mut buffer) {
                    hear(table, client, &mut asked, conn, frame)?;
                }
            }
            () = sleep_until(act_at) => {
                let (pause, frames) = act(table, client, &mut asked, conn);
                for frame in frames {
                    if !send(&mut stream, frame, dice).await {
                        return Ok(());
                    }
                }
                act_at = Instant::now() + Duration::from_micros(pause.max(1));
            }
        }
    }
}

fn cut(buffer: &mut BytesMut) -> Option<Bytes> {
    let len = i32::from_be_bytes(*buffer.first_chunk::<4>()?);
    let len = usize::try_from(len).expect("a broker sends no negative length");
    if buffer.len() < 4 + len {
        return None;
    }
    buffer.advance(4);
    Some(buffer.split_to(len).freeze())
}

fn act(
    table: &Mutex<Table>,
    client: &mut Client,
    asked: &mut BTreeMap<i32, Sent>,
    conn: ConnId,
) -> (u64, Vec<Bytes>) {
    let mut table = locked(table);
    let pause = table.desk(|desk| client.act(desk));
    let mut frames = Vec::new();
    for outgoing in std::mem::take(&mut client.outbox) {
        let now = table.now();
        let tag = client.posted(&outgoing, now);
        table.ledger.sent(conn, tag, outgoing.asked.clone());
        let correlation = i32::try_from(tag.0).expect("a run is short");
        let (sent, frame) = wire::encode(correlation, outgoing.version, &outgoing.request);
        if !outgoing.silent {
            asked.insert(correlation, sent);
        }
        frames.push(frame);
    }
    (pause, frames)
}

fn hear(
    table: &Mutex<Table>,
    client: &mut Client,
    asked: &mut BTreeMap<i32, Sent>,
    conn: ConnId,
    frame: Bytes,
) -> Verdict {
    // In the order of the questions: the oldest is answered first.
    let correlation = wire::correlation(&frame).expect("an answer has an id");
    let (oldest, sent) = asked.pop_first().expect("nobody answers what was not asked");
    assert_eq!(correlation, oldest, "answers come in the order of the questions");
    let response = wire::decode(sent, frame).expect("an answer in the form that was asked for");
    let tag = Tag(u64::try_from(correlation).expect("not negative"));
    let mut table = locked(table);
    table.heard += 1;
    table.ledger.answered(conn, tag, &response)?;
    table.desk(|desk| client.hear(tag, &response, desk))
}

/// In pieces of any size, so that frames arrive cut anywhere. False: the connection is gone.
async fn send(stream: &mut TcpStream, frame: Bytes, dice: &mut Dice) -> bool {
    let mut rest = frame;
    while !rest.is_empty() {
        let len = if dice.chance(500) { rest.len() as u64 } else { dice.magnitude(1, rest.len() as u64) };
        let piece = rest.split_to(usize::try_from(len).expect("small").clamp(1, rest.len()));
        let sending = async {
            stream.write_all(&piece).await?;
            stream.flush().await
        };
        if !matches!(timeout(Duration::from_secs(5), sending).await, Ok(Ok(()))) {
            return false;
        }
        if !rest.is_empty() && dice.chance(100) {
            sleep(Duration::from_micros(dice.magnitude(1, 20_000))).await;
        }
    }
    true
}
