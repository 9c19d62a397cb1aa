use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::ReadBuf;

use super::*;

use crate::budget::Budget;

const PATIENCE: Duration = Duration::from_secs(60);

fn reader(budget: &Budget, progress: Duration) -> FrameReader {
    FrameReader::new(budget.client([127, 0, 0, 1].into()), progress)
}

/// An ApiVersions request of this length: what is behind its body is ignored.
fn request(len: usize) -> Vec<u8> {
    let mut frame = vec![0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff];
    frame.resize(len, 7);
    frame
}

/// Gives at most so many bytes at a time, then the end.
struct Trickle {
    bytes: Vec<u8>,
    at: usize,
    step: usize,
}

impl AsyncRead for Trickle {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = self.step.min(self.bytes.len() - self.at).min(into.remaining());
        into.put_slice(&self.bytes[self.at..self.at + count]);
        self.at += count;
        Poll::Ready(Ok(()))
    }
}

fn stream(frames: &[Vec<u8>], step: usize) -> Trickle {
    let mut bytes = Vec::new();
    for frame in frames {
        bytes.extend_from_slice(&i32::try_from(frame.len()).expect("small").to_be_bytes());
        bytes.extend_from_slice(frame);
    }
    Trickle { bytes, at: 0, step }
}

#[tokio::test]
async fn frames_come_out_whole_however_the_bytes_arrive() {
    let lens = [10usize, 11, 4096, 8187, 8188, 8189, 65_532, 65_537, 200_000, 1_200_000, 10];
    for step in [1, 2, 3, 5, 4096, 1 << 20] {
        let mut stream = stream(&lens.map(request), step);
        let budget = Budget::new(16 << 20);
        let mut reader = reader(&budget, PATIENCE);
        for len in lens {
            let got = reader.next(&mut stream).await.expect("a frame");
            assert_eq!(got.memory.bytes(), len + REQUEST_BYTES, "step {step}");
        }
        assert!(matches!(reader.next(&mut stream).await, Err(Ended::Gone(None))));
        assert!(!reader.is_in_frame());
        assert_eq!(budget.used(), 0);
    }
}

#[tokio::test]
async fn a_frame_is_the_bytes_that_were_sent() {
    for len in [100, 10_000, 300_000, 5_000_000] {
        let mut frame = vec![0, 10, 0, 0, 0, 0, 0, 1, 0xff, 0xff];
        let key: Vec<u8> = (0..len.min(30_000)).map(|at: usize| b'a' + (at % 23) as u8).collect();
        frame.extend_from_slice(&i16::try_from(key.len()).expect("bounded").to_be_bytes());
        frame.extend_from_slice(&key);
        frame.resize(len + 20, 0);
        let mut stream = stream(&[frame], 4097);
        let budget = Budget::new(64 << 20);
        let got = reader(&budget, PATIENCE).next(&mut stream).await.expect("a frame");
        let inbound = session::Session::new().take(got.request).expect("well-formed").expect("for the brain");
        let evenkeel_core::port::Request::FindCoordinator(request) = *inbound.request else {
            panic!("{inbound:?}")
        };
        assert_eq!(request.key.as_bytes(), key);
    }
}

#[tokio::test]
async fn memory_is_taken_before_the_frame_is_read_and_comes_back_with_it() {
    let mut stream = stream(&[request(500_000), request(500_000)], 1 << 20);
    let budget = Budget::new(1 << 20);
    let mut reader = reader(&budget, PATIENCE);
    let first = reader.next(&mut stream).await.expect("a frame");
    assert_eq!(budget.used(), 500_000 + REQUEST_BYTES as u64);
    {
        let mut second = Box::pin(reader.next(&mut stream));
        assert!(futures_now(&mut second).is_none(), "there is no memory for it");
    }
    drop(first);
    assert!(reader.next(&mut stream).await.is_ok());
    assert_eq!(budget.used(), 0);
}

/// The attack: a hundred connections announce 100 MiB each.
#[tokio::test]
async fn an_announced_frame_holds_memory_for_what_was_sent_of_it_only() {
    let budget = Budget::new(256 << 20);
    let mut all = Vec::new();
    for sent in [0, 1000, 8000, 8191, 8192, 100_000, 2_000_000] {
        let mut bytes = (100i32 << 20).to_be_bytes().to_vec();
        bytes.extend(request(sent.max(10)));
        let before = budget.used();
        let mut stream = Stalled(Trickle { bytes, at: 0, step: 1 << 20 });
        let mut reader = reader(&budget, PATIENCE);
        assert!(futures_now(&mut Box::pin(reader.next(&mut stream))).is_none(), "it is not complete");
        let held = budget.used() - before;
        let bound = match sent {
            0..8188 => 0,
            8188..65_536 => SMALL_BYTES + REQUEST_BYTES,
            _ => REQUEST_BYTES + (4 * sent).max(STEP_BYTES),
        };
        assert!(held <= bound as u64, "{held} bytes for {sent}");
        all.push(reader);
    }
    drop(all);
    assert_eq!(budget.used(), 0);
}

/// A request of few bytes that is large once decoded.
#[tokio::test]
async fn a_request_is_weighed_before_it_is_decoded() {
    let names = |count: usize| {
        let mut frame = vec![0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff];
        frame.extend_from_slice(&i32::try_from(count).expect("small").to_be_bytes());
        (0..count).for_each(|at| frame.extend_from_slice(&[0, 4, b'a' + (at % 26) as u8, b'a', b'b', b'c']));
        frame
    };
    let budget = Budget::new(8 << 20);
    let mut stream = stream(&[names(1), names(10_000), names(100_000)], 1 << 20);
    let mut reader = reader(&budget, PATIENCE);
    let one = reader.next(&mut stream).await.expect("a frame").memory.bytes();
    assert!(one < 2 * REQUEST_BYTES, "{one} bytes for a name");
    let many = reader.next(&mut stream).await.expect("a frame").memory.bytes();
    assert!(many > 10_000 * 256, "{many} bytes for 10,000 names");
    assert!(matches!(reader.next(&mut stream).await, Err(Ended::OverBudget { .. })));
}

/// What there is, and then nothing more.
struct Stalled(Trickle);

impl AsyncRead for Stalled {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0.at == self.0.bytes.len() {
            return Poll::Pending;
        }
        Pin::new(&mut self.0).poll_read(context, into)
    }
}

fn futures_now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    match Pin::new(future).poll(&mut Context::from_waker(std::task::Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

#[tokio::test]
async fn what_cannot_be_a_frame_is_refused_at_once() {
    for prefix in [-1i32, 0, 3, i32::MAX, (100 << 20) + 1] {
        let mut stream = Trickle { bytes: prefix.to_be_bytes().to_vec(), at: 0, step: 4 };
        let refused = reader(&Budget::new(1 << 40), PATIENCE).next(&mut stream).await;
        assert!(matches!(refused, Err(Ended::Refused(_))), "{prefix}");
    }
    let mut stream = Trickle { bytes: 1_000_000i32.to_be_bytes().to_vec(), at: 0, step: 4 };
    let refused = reader(&Budget::new(1 << 20), PATIENCE).next(&mut stream).await;
    assert!(matches!(refused, Err(Ended::OverBudget { bytes: 1_004_096 })));
}

#[tokio::test]
async fn a_frame_that_begins_while_it_is_waited_for_has_its_own_time() {
    use tokio::io::AsyncWriteExt;
    for begin in [vec![0], vec![0, 0, 0, 100, 1, 2, 3]] {
        let (mut client, mut ours) = tokio::io::duplex(64);
        let mut reader = reader(&Budget::new(1 << 20), Duration::from_millis(50));
        {
            // Between two frames there is no hurry.
            let next = reader.next(&mut ours);
            assert!(timeout(Duration::from_millis(200), next).await.is_err());
        }
        client.write_all(&begin).await.expect("written");
        let ended = timeout(Duration::from_secs(5), reader.next(&mut ours)).await;
        assert!(matches!(ended, Ok(Err(Ended::Slow))), "{ended:?}");
    }
}

#[tokio::test]
async fn waiting_for_memory_is_not_held_against_the_client() {
    use tokio::io::AsyncWriteExt;
    let budget = Budget::new(1 << 20);
    let other = budget.client([127, 0, 0, 2].into());
    let all = (other.take(896 << 10, 0).await, other.take(64 << 10, 0).await);
    let others = budget.client([127, 0, 0, 3].into());
    let rest = others.take(64 << 10, 0).await;
    let (mut client, mut ours) = tokio::io::duplex(64);
    let mut reader = reader(&budget, Duration::from_millis(100));
    client.write_all(&[0, 0]).await.expect("written");
    assert!(timeout(Duration::from_millis(20), reader.next(&mut ours)).await.is_err(), "it has begun");
    client.write_all(&[0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff]).await.expect("written");
    assert!(timeout(Duration::from_millis(300), reader.next(&mut ours)).await.is_err(), "no memory");
    drop((all, rest));
    assert!(reader.next(&mut ours).await.is_ok(), "it is in time");
}
