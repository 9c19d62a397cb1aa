use tokio::{net::TcpListener, sync::mpsc};

use super::*;

/// Seats a connection; its seat comes back on the channel, with the thread that it is served on.
async fn connect(
    shards: &Shards,
    listener: &TcpListener,
    seats: &mpsc::UnboundedSender<(Seat, thread::ThreadId)>,
) -> TcpStream {
    let address = listener.local_addr().expect("it is bound");
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let seats = seats.clone();
    let (stream, _) = accepted.expect("accepted");
    shards
        .seat(stream, move |stream, seat| async move {
            stream.writable().await.expect("the socket is known to this thread's event queue");
            seats.send((seat, thread::current().id())).expect("the test waits for it");
        })
        .expect("seated");
    client.expect("connected")
}

#[tokio::test]
async fn connections_have_a_thread_of_their_own_as_long_as_there_are_enough() {
    let shards = Shards::start().expect("threads");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let (mut clients, mut seats, mut threads) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..shards.shards.len() {
        clients.push(connect(&shards, &listener, &sender).await);
        let (seat, thread) = receiver.recv().await.expect("served");
        assert!(seat.is_alone() && !threads.contains(&thread));
        seats.push(seat);
        threads.push(thread);
    }
    clients.push(connect(&shards, &listener, &sender).await);
    let (late, thread) = receiver.recv().await.expect("served");
    let neighbour = threads.iter().position(|known| *known == thread).expect("there is no other thread");
    assert!(!late.is_alone() && !seats[neighbour].is_alone());
    assert_eq!(seats.iter().filter(|seat| seat.is_alone()).count(), seats.len() - 1);
    drop(late);
    assert!(seats[neighbour].is_alone());
}
