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
        write_all(&mut narrow, slices.clone()).await.expect("written");
        assert_eq!(narrow.taken, whole, "step {step}");
    }
}
