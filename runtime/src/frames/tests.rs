use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::ReadBuf;

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

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
    let frames: Vec<Vec<u8>> = [8usize, 9, 4096, 65_532, 65_533, 200_000, 10]
        .iter()
        .map(|len| vec![(*len % 251) as u8; *len])
        .collect();
    for step in [1, 2, 3, 5, 4096, 1 << 20] {
        let mut stream = stream(&frames, step);
        let mut reader = FrameReader::new(Budget::new(1 << 20), PATIENCE);
        for frame in &frames {
            let got = reader.next(&mut stream).await.expect("a frame");
            assert_eq!(got.bytes, frame[..], "step {step}");
        }
        assert!(matches!(reader.next(&mut stream).await, Err(Ended::Gone(None))));
        assert!(!reader.is_in_frame());
    }
}

#[tokio::test]
async fn memory_is_taken_before_the_frame_is_read_and_comes_back_with_it() {
    let frames = [vec![1; 3000], vec![2; 3000]];
    let mut stream = stream(&frames, 1 << 20);
    let budget = Budget::new(4 << 10);
    let mut reader = FrameReader::new(budget.clone(), PATIENCE);
    let first = reader.next(&mut stream).await.expect("a frame");
    assert_eq!(budget.permits.available_permits(), 1);
    {
        let mut second = Box::pin(reader.next(&mut stream));
        assert!(futures_now(&mut second).is_none(), "there is no memory for it");
    }
    drop(first);
    assert_eq!(reader.next(&mut stream).await.expect("a frame").bytes, frames[1][..]);
    assert_eq!(budget.permits.available_permits(), 4);
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
        let refused = FrameReader::new(Budget::new(1 << 40), PATIENCE).next(&mut stream).await;
        assert!(matches!(refused, Err(Ended::Refused(_))), "{prefix}");
    }
    let mut stream = Trickle { bytes: 5000i32.to_be_bytes().to_vec(), at: 0, step: 4 };
    let refused = FrameReader::new(Budget::new(4096), PATIENCE).next(&mut stream).await;
    assert!(matches!(refused, Err(Ended::OverBudget { len: 5000 })));
}

#[tokio::test]
async fn a_frame_that_begins_while_it_is_waited_for_has_its_own_time() {
    use tokio::io::AsyncWriteExt;
    for begin in [vec![0], vec![0, 0, 0, 100, 1, 2, 3]] {
        let (mut client, mut ours) = tokio::io::duplex(64);
        let mut reader = FrameReader::new(Budget::new(1 << 20), Duration::from_millis(50));
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
    let budget = Budget::new(4 << 10);
    let all = Arc::clone(&budget.permits).acquire_many_owned(4).await.expect("open");
    let (mut client, mut ours) = tokio::io::duplex(64);
    let mut reader = FrameReader::new(budget, Duration::from_millis(100));
    client.write_all(&[0, 0]).await.expect("written");
    assert!(timeout(Duration::from_millis(20), reader.next(&mut ours)).await.is_err(), "it has begun");
    client.write_all(&[0, 8, 1, 2]).await.expect("written");
    assert!(timeout(Duration::from_millis(300), reader.next(&mut ours)).await.is_err(), "no memory");
    drop(all);
    let rest = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        client.write_all(&[3, 4, 5, 6, 7, 8]).await.expect("written");
    };
    let (frame, ()) = tokio::join!(reader.next(&mut ours), rest);
    assert_eq!(frame.expect("it is in time").bytes, [1, 2, 3, 4, 5, 6, 7, 8][..]);
}
