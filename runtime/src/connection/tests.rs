use std::{
    pin::Pin,
    task::{Context, Poll},
};

use super::*;

/// Takes at most so many bytes at a time.
struct Narrow {
    taken: Vec<u8>,
    step: usize,
}

impl AsyncWrite for Narrow {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let count = self.step.min(bytes.len());
        self.taken.extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(count))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn slices_are_written_in_full_however_little_is_taken_at_a_time() {
    let slices: Vec<Bytes> = (0..200u8).map(|at| Bytes::from(vec![at; usize::from(at % 9)])).collect();
    let whole: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
    for step in [1, 3, 7, 1000] {
        let mut narrow = Narrow { taken: Vec::new(), step };
        assert!(write_all(&mut narrow, slices.clone(), Duration::from_secs(60)).await.is_ok());
        assert_eq!(narrow.taken, whole, "step {step}");
    }
}

fn bounds(progress: Duration) -> Bounds {
    Bounds { budget: Budget::new(1 << 20), idle: Duration::from_secs(600), progress }
}

/// Disk work that never ends: the brain stays in its recovery and says nothing by itself.
#[derive(Debug)]
struct Never;

impl crate::lanes::Lanes for Never {
    fn submit(&self, _: evenkeel_core::port::DiskRequest, _: crate::lanes::Done) {}
    fn close(&self) {}
}

type Post = mpsc::UnboundedSender<Mail>;

/// A connection, the client's end of it, its mailbox, and what tells it that the broker stops.
fn connection(
    progress: Duration,
) -> (Connection<tokio::io::DuplexStream>, tokio::io::DuplexStream, Post, Arc<Signal<bool>>) {
    let (ours, theirs) = tokio::io::duplex(64);
    let driver = Driver::start(evenkeel_core::Config::default(), 1, Box::new(Never), None);
    let (post, mailbox) = mpsc::unbounded_channel();
    let stop = Arc::new(Signal::new(false));
    let bounds = bounds(progress);
    let connection = Connection {
        stream: ours,
        seat: Seat::default(),
        driver,
        id: ConnId(7),
        mailbox,
        session: Session::new(),
        reader: FrameReader::new(bounds.budget.client([127, 0, 0, 1].into()), progress),
        memory: VecDeque::new(),
        bounds,
        stopping: Arc::clone(&stop),
    };
    (connection, theirs, post, stop)
}

#[tokio::test]
async fn a_close_that_waits_behind_nothing_closes() {
    let (mut connection, _client, post, _stop) = connection(Duration::from_secs(60));
    post.send(Mail::Close).expect("the connection is there");
    let ended = timeout(Duration::from_secs(5), connection.run()).await;
    assert!(matches!(ended, Ok(End::Because(_))), "the close was lost");
}

/// A client that takes something now and then, however slowly, gets the whole answer; one that takes nothing is closed.
#[tokio::test]
async fn a_slow_client_is_served_and_a_stuck_one_is_closed() {
    use tokio::io::AsyncReadExt;
    let answer = vec![Bytes::from(vec![7; 600])];
    let (mut ours, mut client) = tokio::io::duplex(64);
    let slow = async {
        let mut taken = Vec::new();
        while taken.len() < 600 {
            tokio::time::sleep(Duration::from_millis(40)).await;
            let mut some = [0; 64];
            let got = client.read(&mut some).await.expect("read");
            taken.extend_from_slice(&some[..got]);
        }
        taken
    };
    let (written, taken) =
        tokio::join!(write_all(&mut ours, answer.clone(), Duration::from_millis(200)), slow);
    assert!(written.is_ok());
    assert_eq!(taken, [7; 600]);
    let (mut ours, _client) = tokio::io::duplex(64);
    let stuck = write_all(&mut ours, answer, Duration::from_millis(200)).await;
    assert!(matches!(stuck, Err(End::Because(_))));
}

#[tokio::test]
async fn a_connection_that_panics_is_gone_and_the_broker_is_not() {
    let (connection, _client, _post, _stop) = connection(Duration::from_secs(60));
    let (id, mut mailbox) = connection.driver.connect([127, 0, 0, 1].into());
    let gone = GoneOnPanic(Arc::clone(&connection.driver), id);
    let task = tokio::spawn(async move {
        let _gone = gone;
        panic!("a bug in a session");
    });
    assert!(task.await.is_err());
    assert!(timeout(Duration::from_secs(5), mailbox.recv()).await.expect("soon").is_none());
}
