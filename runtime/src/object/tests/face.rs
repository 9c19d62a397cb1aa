//! A small S3 in this process, with one bucket, that does to a request what a test tells it to.
//!
//! One request a connection; nothing is checked that a client signs. Creation is atomic.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write as _,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{Builder, JoinHandle},
};

/// What happens to a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
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

#[derive(Default)]
struct Shelf {
    objects: BTreeMap<String, Vec<u8>>,
    faults: VecDeque<Fault>,
    requests: u64,
}

/// The server. It ends when this is dropped.
pub(super) struct Face {
    address: SocketAddr,
    shelf: Arc<Mutex<Shelf>>,
    over: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl Face {
    pub(super) fn start() -> Face {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (shelf, over) = (Arc::<Mutex<Shelf>>::default(), Arc::new(AtomicBool::new(false)));
        let (its_shelf, its_over) = (Arc::clone(&shelf), Arc::clone(&over));
        let listening = Builder::new().spawn(move || {
            for stream in listener.incoming() {
                if its_over.load(Ordering::Acquire) {
                    return;
                }
                let (stream, shelf) = (stream.expect("a connection"), Arc::clone(&its_shelf));
                // A client that goes away in the middle is none of our business.
                Builder::new().spawn(move || drop(serve(stream, &shelf))).expect("a thread");
            }
        });
        Face { address, shelf, over, listening: Some(listening.expect("a thread")) }
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Happens to the next request, or the one behind those that have a fault already.
    pub(super) fn next(&self, fault: Fault) {
        self.shelf.lock().expect("no panic").faults.push_back(fault);
    }

    pub(super) fn put(&self, key: &str) {
        self.shelf.lock().expect("no panic").objects.insert(key.to_string(), vec![b'x'; 3]);
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.shelf.lock().expect("no panic").objects.contains_key(key)
    }

    /// Requests so far.
    pub(super) fn requests(&self) -> u64 {
        self.shelf.lock().expect("no panic").requests
    }
}

impl Drop for Face {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
        if let Some(listening) = self.listening.take() {
            listening.join().expect("it does not panic");
        }
    }
}

struct Request {
    method: String,
    key: String,
    query: BTreeMap<String, String>,
    range: Option<(usize, usize)>,
    only_new: bool,
    body: Vec<u8>,
}

struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

fn answer(status: u16, body: &[u8]) -> Answer {
    Answer { status, headers: String::new(), body: body.to_vec() }
}

fn serve(mut stream: TcpStream, shelf: &Mutex<Shelf>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let Some(mut request) = read(&mut reader)? else { return Ok(()) };
    let fault = {
        let mut shelf = shelf.lock().expect("no panic");
        shelf.requests += 1;
        shelf.faults.pop_front()
    };
    let (mut cut, mut silent) = (false, false);
    let answer = match fault {
        Some(Fault::CutBefore) => return Ok(()),
        Some(Fault::Answer(status, body)) => answer(status, body.as_bytes()),
        Some(Fault::CutAfter) => {
            carry_out(&request, shelf);
            return Ok(());
        }
        Some(Fault::Truncated) => {
            cut = true;
            carry_out(&request, shelf)
        }
        Some(Fault::Silent) => {
            silent = true;
            carry_out(&request, shelf)
        }
        Some(Fault::IgnoresRange) => {
            request.range = None;
            carry_out(&request, shelf)
        }
        None => carry_out(&request, shelf),
    };
    if silent {
        // Until the client gives up.
        reader.read_to_end(&mut Vec::new())?;
        return Ok(());
    }
    let head = format!(
        "HTTP/1.1 {} Some Words\r\nContent-Length: {}\r\nConnection: close\r\nETag: \"1\"\r\n\
         Last-Modified: Thu, 26 Nov 2026 12:00:00 GMT\r\n{}\r\n",
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
fn read(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ');
    let method = words.next().unwrap_or("").to_string();
    let target = words.next().unwrap_or("");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = query.split('&').filter_map(|pair| pair.split_once('='));
    let query = query.map(|(name, value)| (name.to_string(), value.replace("%2F", "/"))).collect();
    let key = path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key).to_string();
    let mut request = Request { method, key, query, range: None, only_new: false, body: Vec::new() };
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
            _ => {}
        }
    }
    request.body = vec![0; len];
    reader.read_exact(&mut request.body)?;
    Ok(Some(request))
}

fn carry_out(request: &Request, shelf: &Mutex<Shelf>) -> Answer {
    let objects = &mut shelf.lock().expect("no panic").objects;
    match &request.method[..] {
        "PUT" if request.only_new && objects.contains_key(&request.key) => {
            answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
        }
        "PUT" => {
            objects.insert(request.key.clone(), request.body.clone());
            answer(200, b"")
        }
        "DELETE" => {
            objects.remove(&request.key);
            answer(204, b"")
        }
        "GET" if request.key.is_empty() => list(request, objects),
        "GET" => get(request, objects),
        other => panic!("{other} is not asked of it"),
    }
}

fn get(request: &Request, objects: &BTreeMap<String, Vec<u8>>) -> Answer {
    let Some(object) = objects.get(&request.key) else {
        return answer(404, b"<Error><Code>NoSuchKey</Code></Error>");
    };
    match request.range {
        Some((from, _)) if from >= object.len() => answer(416, b"<Error><Code>InvalidRange</Code></Error>"),
        Some((from, last)) => {
            let upto = last.saturating_add(1).min(object.len());
            let headers = format!("Content-Range: bytes {from}-{}/{}\r\n", upto - 1, object.len());
            Answer { status: 206, headers, body: object[from..upto].to_vec() }
        }
        None => answer(200, object),
    }
}

fn list(request: &Request, objects: &BTreeMap<String, Vec<u8>>) -> Answer {
    const PAGE: usize = 10;
    let asked = |name: &str| request.query.get(name).map_or("", |value| value);
    // The token is the last key of the page before.
    let after = asked("start-after").max(asked("continuation-token"));
    let found = objects.iter().filter(|(key, _)| key.starts_with(asked("prefix")) && &key[..] > after);
    let found: Vec<_> = found.collect();
    let page = &found[..found.len().min(PAGE)];
    let more = found.len() > PAGE;
    let mut body =
        format!("<ListBucketResult><IsTruncated>{more}</IsTruncated><KeyCount>{}</KeyCount>", page.len());
    if let (true, Some((last, _))) = (more, page.last()) {
        write!(body, "<NextContinuationToken>{last}</NextContinuationToken>").expect("a string");
    }
    for (key, object) in page {
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
