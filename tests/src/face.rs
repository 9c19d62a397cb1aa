//! A small S3 in this process, with one bucket, that does to a request what a test tells it to. Or it stands in front of another
//! S3 server and does it there.
//!
//! Each connection has a thread; nothing is checked that a client signs. Creation is atomic. The tests of the client
//! (`runtime/src/object/tests.rs`) use this file too, so it needs the standard library only.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write as _,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

/// What happens to a request.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It is not looked at; this is the answer.
    Answer(u16, &'static str),
    /// The connection ends before it is looked at.
    CutBefore,
    /// It is carried out, and the connection ends without an answer.
    CutAfter,
    /// It is carried out, and half of the answer's body comes.
    Truncated,
    /// It is carried out, and the answer never comes.
    Silent,
    /// The whole object comes, whatever range was asked for.
    IgnoresRange,
}

/// What happens to every request that has no [`Fault`] of its own, until something else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// It is carried out.
    Fair,
    /// It waits, as at a server that was halted, and is carried out late: perhaps for a client that has long given up.
    Frozen,
    /// Its connection ends.
    Away,
    /// It is not looked at; this is the answer.
    Answers(u16, &'static str),
    /// It is carried out, and a creation writes over what is there.
    Overwrites,
}

/// Requests so far, by what stores charge for, and bytes of bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Creations.
    pub puts: u64,
    /// Reads of wholes and parts.
    pub gets: u64,
    /// Pages of listings.
    pub lists: u64,
    /// Removals.
    pub deletes: u64,
    /// Bytes that came.
    pub bytes_in: u64,
    /// Bytes that went.
    pub bytes_out: u64,
}

/// An object that was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its key.
    pub key: String,
    /// Its bytes.
    pub len: usize,
    /// When it was there.
    pub at: Instant,
}

struct Shelf {
    objects: BTreeMap<String, Arc<Vec<u8>>>,
    made: Vec<Made>,
    faults: VecDeque<Fault>,
    weather: Weather,
    page: usize,
    delay: Duration,
    requests: u64,
    counts: Counts,
    over: bool,
}

/// What the threads share.
struct Room {
    shelf: Mutex<Shelf>,
    changed: Condvar,
    /// `host:port` of the server that has the objects; `None`: the shelf has them.
    behind: Option<String>,
}

impl Room {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().expect("no panic")
    }
}

/// The server. It ends when this is dropped.
pub struct Face {
    address: SocketAddr,
    room: Arc<Room>,
    listening: Option<JoinHandle<()>>,
}

impl Face {
    /// A server of its own, with nothing in it. Its listings have pages of 10.
    ///
    /// # Panics
    /// There is no free port, or no thread.
    #[must_use]
    pub fn start() -> Face {
        Face::begin(None)
    }

    /// In front of the server at that `host:port`, which has the objects.
    ///
    /// # Panics
    /// There is no free port, or no thread.
    #[must_use]
    pub fn before(server: &str) -> Face {
        Face::begin(Some(server.to_string()))
    }

    fn begin(behind: Option<String>) -> Face {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let shelf = Shelf {
            objects: BTreeMap::new(),
            made: Vec::new(),
            faults: VecDeque::new(),
            weather: Weather::Fair,
            page: 10,
            delay: Duration::ZERO,
            requests: 0,
            counts: Counts::default(),
            over: false,
        };
        let room = Arc::new(Room { shelf: Mutex::new(shelf), changed: Condvar::new(), behind });
        let its_room = Arc::clone(&room);
        let listening = Builder::new().spawn(move || {
            for stream in listener.incoming() {
                if its_room.shelf().over {
                    return;
                }
                let (stream, room) = (stream.expect("a connection"), Arc::clone(&its_room));
                // A client that goes away in the middle is none of our business.
                Builder::new().spawn(move || drop(serve(stream, &room))).expect("a thread");
            }
        });
        Face { address, room, listening: Some(listening.expect("a thread")) }
    }

    /// Where it is, as clients want it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Happens to the next request, or the one behind those that have a fault already.
    pub fn next(&self, fault: Fault) {
        self.room.shelf().faults.push_back(fault);
    }

    /// Happens to every request from now on.
    pub fn turn(&self, weather: Weather) {
        self.room.shelf().weather = weather;
        self.room.changed.notify_all();
    }

    /// Most objects on a page of a listing.
    pub fn set_page(&self, objects: usize) {
        self.room.shelf().page = objects;
    }

    /// Each read takes so long before its answer begins.
    pub fn set_delay(&self, delay: Duration) {
        self.room.shelf().delay = delay;
    }

    /// Puts an object of three bytes there.
    pub fn put(&self, key: &str) {
        self.room.shelf().objects.insert(key.to_string(), Arc::new(vec![b'x'; 3]));
    }

    /// Changes an object behind everybody's back. Returns what it was.
    ///
    /// # Panics
    /// There is no such object here.
    pub fn change(&self, key: &str, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut shelf = self.room.shelf();
        let object = shelf.objects.get_mut(key).expect("it is there");
        let before = object.to_vec();
        change(Arc::make_mut(object));
        before
    }

    /// Whether an object is there.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.room.shelf().objects.contains_key(key)
    }

    /// Every object whose creation succeeded, in that order; also what was removed since.
    #[must_use]
    pub fn made(&self) -> Vec<Made> {
        self.room.shelf().made.clone()
    }

    /// Requests so far that were carried out.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.room.shelf().counts
    }

    /// Requests so far, whatever became of them.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.room.shelf().requests
    }
}

impl Drop for Face {
    fn drop(&mut self) {
        self.room.shelf().over = true;
        self.room.changed.notify_all();
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
        if let Some(listening) = self.listening.take() {
            listening.join().expect("it does not panic");
        }
    }
}

struct Request {
    method: String,
    target: String,
    /// As they came, for a server behind.
    headers: Vec<(String, String)>,
    key: String,
    query: BTreeMap<String, String>,
    range: Option<(usize, usize)>,
    only_new: bool,
    body: Arc<Vec<u8>>,
}

struct Answer {
    status: u16,
    headers: String,
    body: Arc<Vec<u8>>,
}

fn answer(status: u16, body: &[u8]) -> Answer {
    whole(status, Arc::new(body.to_vec()))
}

fn whole(status: u16, body: Arc<Vec<u8>>) -> Answer {
    let headers = String::from("ETag: \"1\"\r\nLast-Modified: Thu, 26 Nov 2026 12:00:00 GMT\r\n");
    Answer { status, headers, body }
}

/// One request after the other, until either side ends it.
fn serve(mut stream: TcpStream, room: &Room) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(64 << 10, stream.try_clone()?);
    while let Some(request) = read(&mut reader)? {
        if !respond(request, &mut stream, &mut reader, room)? {
            break;
        }
    }
    Ok(())
}

/// Whether the connection goes on.
fn respond(
    mut request: Request,
    stream: &mut TcpStream,
    reader: &mut impl Read,
    room: &Room,
) -> io::Result<bool> {
    let (fault, weather) = {
        let mut shelf = room.shelf();
        shelf.requests += 1;
        let fault = shelf.faults.pop_front();
        while shelf.weather == Weather::Frozen && !shelf.over {
            shelf = room.changed.wait(shelf).expect("no panic");
        }
        if shelf.over {
            return Ok(false);
        }
        (fault, shelf.weather)
    };
    let (mut cut, mut silent) = (false, false);
    match fault {
        Some(Fault::CutBefore) => return Ok(false),
        Some(Fault::Answer(status, body)) => {
            send(stream, &request, &answer(status, body.as_bytes()), false)?;
            return Ok(true);
        }
        Some(Fault::CutAfter) => {
            carry_out(&request, room)?;
            return Ok(false);
        }
        Some(Fault::Truncated) => cut = true,
        Some(Fault::Silent) => silent = true,
        Some(Fault::IgnoresRange) => request.range = None,
        None => match weather {
            Weather::Fair | Weather::Frozen => {}
            Weather::Away => return Ok(false),
            Weather::Overwrites => request.only_new = false,
            Weather::Answers(status, body) => {
                send(stream, &request, &answer(status, body.as_bytes()), false)?;
                return Ok(true);
            }
        },
    }
    if request.method == "GET" {
        let shelf = room.shelf();
        let delay = shelf.delay;
        drop(room.changed.wait_timeout_while(shelf, delay, |shelf| !shelf.over).expect("no panic"));
    }
    let answer = carry_out(&request, room)?;
    if silent {
        // Until the client gives up.
        reader.read_to_end(&mut Vec::new())?;
        return Ok(false);
    }
    send(stream, &request, &answer, cut)?;
    Ok(!cut)
}

fn send(stream: &mut TcpStream, request: &Request, answer: &Answer, cut: bool) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {} Some Words\r\nContent-Length: {}\r\n{}\r\n",
        answer.status,
        answer.body.len(),
        answer.headers
    );
    stream.write_all(head.as_bytes())?;
    let upto = if cut { answer.body.len() / 2 } else { answer.body.len() };
    if request.method != "HEAD" {
        stream.write_all(&answer.body[..upto])?;
    }
    Ok(())
}

/// `None`: nobody said anything.
fn read(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ');
    let method = words.next().unwrap_or("").to_string();
    let target = words.next().unwrap_or("").to_string();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query = query.split('&').filter_map(|pair| pair.split_once('='));
    let query = query.map(|(name, value)| (name.to_string(), value.replace("%2F", "/"))).collect();
    let key = path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key).to_string();
    let mut request = Request {
        method,
        target,
        headers: Vec::new(),
        key,
        query,
        range: None,
        only_new: false,
        body: Arc::default(),
    };
    let mut len = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match &name.to_ascii_lowercase()[..] {
            "content-length" => len = value.parse().expect("a number"),
            "if-none-match" => request.only_new = value == "*",
            "range" => {
                let (from, last) =
                    value.strip_prefix("bytes=").and_then(|range| range.split_once('-')).expect("a range");
                request.range = Some((from.parse().expect("a number"), last.parse().expect("a number")));
            }
            // Said anew, if at all.
            "connection" => {}
            _ => request.headers.push((name.to_string(), value.to_string())),
        }
    }
    let mut body = vec![0; len];
    reader.read_exact(&mut body)?;
    request.body = Arc::new(body);
    Ok(Some(request))
}

fn carry_out(request: &Request, room: &Room) -> io::Result<Answer> {
    let answer = match &room.behind {
        Some(server) => forward(request, server)?,
        None => at_the_shelf(request, &mut room.shelf()),
    };
    let mut shelf = room.shelf();
    let counts = &mut shelf.counts;
    match &request.method[..] {
        "PUT" => counts.puts += 1,
        "DELETE" => counts.deletes += 1,
        _ if request.key.is_empty() => counts.lists += 1,
        _ => counts.gets += 1,
    }
    counts.bytes_in += request.body.len() as u64;
    counts.bytes_out += answer.body.len() as u64;
    if request.method == "PUT" && answer.status == 200 {
        shelf.made.push(Made { key: request.key.clone(), len: request.body.len(), at: Instant::now() });
    }
    Ok(answer)
}

fn at_the_shelf(request: &Request, shelf: &mut Shelf) -> Answer {
    let (objects, page) = (&mut shelf.objects, shelf.page);
    match &request.method[..] {
        "PUT" if request.only_new && objects.contains_key(&request.key) => {
            answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
        }
        "PUT" => {
            objects.insert(request.key.clone(), Arc::clone(&request.body));
            answer(200, b"")
        }
        "DELETE" => {
            objects.remove(&request.key);
            answer(204, b"")
        }
        "GET" if request.key.is_empty() => list(request, objects, page),
        "GET" => get(request, objects),
        other => panic!("{other} is not asked of it"),
    }
}

/// Asks the server behind, in a way in which its answer ends with the connection.
fn forward(request: &Request, server: &str) -> io::Result<Answer> {
    let mut head = format!("{} {} HTTP/1.0\r\n", request.method, request.target);
    let mut say = |name: &str, value: &dyn std::fmt::Display| {
        write!(head, "{name}: {value}\r\n").expect("a string");
    };
    request.headers.iter().for_each(|(name, value)| say(name, value));
    say("Content-Length", &request.body.len());
    if request.only_new {
        say("If-None-Match", &"*");
    }
    if let Some((from, last)) = request.range {
        say("Range", &format_args!("bytes={from}-{last}"));
    }
    head.push_str("\r\n");
    let mut stream = TcpStream::connect(server)?;
    stream.write_all(head.as_bytes())?;
    stream.write_all(&request.body)?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("no answer"))?;
    let mut headers = String::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, _)) = line.split_once(": ") else { break };
        if !["content-length", "connection"].contains(&&name.to_ascii_lowercase()[..]) {
            headers.push_str(&line);
        }
    }
    let mut body = Vec::new();
    reader.read_to_end(&mut body)?;
    Ok(Answer { status, headers, body: Arc::new(body) })
}

fn get(request: &Request, objects: &BTreeMap<String, Arc<Vec<u8>>>) -> Answer {
    let Some(object) = objects.get(&request.key) else {
        return answer(404, b"<Error><Code>NoSuchKey</Code></Error>");
    };
    match request.range {
        Some((from, _)) if from >= object.len() => answer(416, b"<Error><Code>InvalidRange</Code></Error>"),
        Some((from, last)) => {
            let upto = last.saturating_add(1).min(object.len());
            let mut part = answer(206, &object[from..upto]);
            write!(part.headers, "Content-Range: bytes {from}-{}/{}\r\n", upto - 1, object.len())
                .expect("a string");
            part
        }
        None => whole(200, Arc::clone(object)),
    }
}

fn list(request: &Request, objects: &BTreeMap<String, Arc<Vec<u8>>>, page: usize) -> Answer {
    let asked = |name: &str| request.query.get(name).map_or("", |value| value);
    // The token is the last key of the page before.
    let after = asked("start-after").max(asked("continuation-token"));
    let found = objects.iter().filter(|(key, _)| key.starts_with(asked("prefix")) && &key[..] > after);
    let found: Vec<_> = found.collect();
    let on_page = &found[..found.len().min(page)];
    let more = found.len() > page;
    let mut body =
        format!("<ListBucketResult><IsTruncated>{more}</IsTruncated><KeyCount>{}</KeyCount>", on_page.len());
    if let (true, Some((last, _))) = (more, on_page.last()) {
        write!(body, "<NextContinuationToken>{last}</NextContinuationToken>").expect("a string");
    }
    for (key, object) in on_page {
        write!(
            body,
            "<Contents><Key>{key}</Key><LastModified>2026-11-26T12:00:00.000Z</LastModified><ETag>1</ETag><Size>{}</Size>\
             </Contents>",
            object.len()
        )
        .expect("a string");
    }
    body.push_str("</ListBucketResult>");
    answer(200, body.as_bytes())
}
