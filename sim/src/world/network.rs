//! Connections: messages of one direction stay in order; a connection may break, and a part of what was under way with it.

use evenkeel_core::{
    port::{ClientEvent, Response},
    units::{ConnId, Tag},
};

use crate::{
    client::Client,
    trace::{Kind, Lane, Scene},
    violation::{Verdict, broken},
    world::{Happening, World, scenes},
};

/// A connection as the world sees it.
#[derive(Clone, Debug)]
pub(super) struct Conn {
    /// Whose. `None`: the client has let it go, the broker does not know yet.
    client: Option<usize>,
    /// When the latest message to the broker arrives, and to the client.
    up: u64,
    down: u64,
    /// Nothing arrives at the broker from here on.
    cut_at: u64,
}

impl World {
    pub(super) fn act(&mut self, client: usize) -> Verdict {
        if self.clients[client].conn.is_none() && self.node.lets_in() {
            let conn = ConnId(self.next_conn);
            self.next_conn += 1;
            let open = Conn { client: Some(client), up: self.now, down: self.now, cut_at: u64::MAX };
            self.conns.insert(conn, open);
            self.clients[client].conn = Some(conn);
        }
        if let Some(patience) = self.clients[client].overdue(self.now) {
            self.mark("client gave up waiting");
            // What was accepted just before the disk failed to give a segment waits for one, and with it every answer that saw it.
            let hung = self.now.saturating_sub(self.ledger.slow_until) <= patience;
            if !self.shape.disk_fails() && !self.shape.store_fails() && !hung {
                // Its connection stands, so the same process has served all the while.
                return broken(
                    "unanswered",
                    format!("client {client} waits for an answer that does not come"),
                );
            }
            self.break_connection(client);
        }
        let pause = self.with_client(client, |client, desk| client.act(desk));
        self.post(client);
        if self.source.is_given() && self.clients.iter().all(Client::is_spent) {
            // The tapes say no more: nobody begins anything.
            self.operations_left = 0;
        }
        self.after(pause.max(1), Happening::Act(client));
        Ok(())
    }

    /// Sends what a client has in its outbox.
    fn post(&mut self, client: usize) {
        let outbox = std::mem::take(&mut self.clients[client].outbox);
        for outgoing in outbox {
            let Some(conn) = self.clients[client].conn else { return };
            let tag = self.clients[client].posted(&outgoing, self.now);
            self.ledger.sent(conn, tag, outgoing.asked.clone());
            *self.asked.entry(client).or_default() += 1;
            let ledger = &self.ledger;
            self.story.tell(self.now, &[10, conn.0, tag.0], || {
                scenes::ask(ledger, client, (conn, tag), &outgoing.asked)
            });
            let event =
                ClientEvent::Request { tag, version: outgoing.version, request: Box::new(outgoing.request) };
            let latency = self.network.magnitude(10, 1000);
            if let Some(open) = self.conns.get_mut(&conn) {
                open.up = (self.now + latency).max(open.up + 1);
                let at = open.up;
                self.at(at, Happening::Deliver(conn, event));
            }
            if !self.winding_down && self.network.chance(self.shape.resets) {
                self.break_connection(client);
            }
        }
    }

    /// A connection breaks: the client knows at once, the broker a little later, and some messages never arrive.
    fn break_connection(&mut self, client: usize) {
        let Some(conn) = self.clients[client].conn else { return };
        self.mark("connection reset");
        self.tell(&[11, conn.0], || {
            let text = format!("connection {} of client {client} breaks", conn.0);
            Scene::new(Lane::Client(client), Kind::Break, text)
        });
        self.clients[client].lost();
        let delay = self.network.magnitude(10, 3000);
        let at = self.now + delay;
        if let Some(open) = self.conns.get_mut(&conn) {
            open.client = None;
            open.cut_at = at;
        }
        self.at(at, Happening::Deliver(conn, ClientEvent::Closed));
    }

    pub(super) fn deliver(&mut self, conn: ConnId, event: ClientEvent) {
        let Some(open) = self.conns.get(&conn) else { return };
        let closed = event == ClientEvent::Closed;
        if open.cut_at <= self.now && !closed {
            return;
        }
        if closed {
            self.conns.remove(&conn);
            self.ledger.hung_up(conn);
        }
        if let ClientEvent::Request { tag, .. } = &event {
            let tag = *tag;
            self.note(|| scenes::arrival(conn, tag));
        }
        self.enqueue(evenkeel_core::port::Event::Client(conn, event));
    }

    /// The broker answers.
    pub(super) fn reply(&mut self, conn: ConnId, tag: Tag, response: Box<Response>) {
        let latency = self.network.magnitude(10, 1000);
        if let Some(open) = self.conns.get_mut(&conn) {
            open.down = (self.now + latency).max(open.down + 1);
            let at = open.down;
            self.at(at, Happening::Answer(conn, tag, response));
        }
    }

    pub(super) fn answer(&mut self, conn: ConnId, tag: Tag, response: &Response) -> Verdict {
        let Some(client) = self.conns.get(&conn).and_then(|open| open.client) else { return Ok(()) };
        if response.is_reported() {
            let taken = ClientEvent::Taken { last: tag };
            self.enqueue(evenkeel_core::port::Event::Client(conn, taken));
        }
        self.note(|| scenes::heard(client, conn, tag));
        self.with_client(client, |client, desk| client.hear(tag, response, desk))
    }

    /// The broker closes a connection.
    pub(super) fn close(&mut self, conn: ConnId) {
        if let Some(open) = self.conns.get(&conn) {
            let at = open.down + 1;
            self.at(at, Happening::Hangup(conn));
        }
    }

    pub(super) fn hang_up(&mut self, conn: ConnId) {
        let Some(open) = self.conns.remove(&conn) else { return };
        self.ledger.hung_up(conn);
        if let Some(client) = open.client {
            self.clients[client].lost();
        }
    }

    /// The process is gone, and all connections with it.
    pub(super) fn drop_connections(&mut self) {
        for open in std::mem::take(&mut self.conns).into_values() {
            if let Some(client) = open.client {
                self.clients[client].lost();
            }
        }
        self.ledger.forget_questions();
    }
}
