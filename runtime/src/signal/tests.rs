use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::timeout};

use super::*;

#[tokio::test]
async fn whoever_waits_is_woken_in_order_and_a_change_before_the_wait_counts() {
    let signal = Arc::new(Signal::new(0));
    let (sender, mut order) = mpsc::unbounded_channel();
    for at in 0..100 {
        let (signal, sender) = (Arc::clone(&signal), sender.clone());
        tokio::spawn(async move {
            let seen = signal.wait_for(|value| *value >= 2).await;
            sender.send((at, seen)).expect("the test waits for it");
        });
        tokio::task::yield_now().await;
    }
    signal.set(1);
    // Each looks, and waits again.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(order.try_recv().is_err(), "not what they wait for");
    signal.set(2);
    for at in 0..100 {
        assert_eq!(order.recv().await, Some((at, 2)));
    }
    assert_eq!(timeout(Duration::from_secs(5), signal.wait_for(|value| *value == 2)).await, Ok(2));
}
