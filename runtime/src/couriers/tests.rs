use bytes::Bytes;
use evenkeel_core::{
    port::{ObjectEntry, ObjectError, ObjectErrorKind, ObjectKind, ObjectReply, ReadBatches},
    store::{ObjectKey, ObjectName, StoredObject},
    units::{Epoch, Offset, PartitionId},
};

use super::*;

/// Panics when it is listed; says when a read begins, and ends it when it is told to.
struct Slow {
    begun: Sender<()>,
    go: Mutex<Receiver<()>>,
}

impl ObjectStore for Slow {
    fn create(&self, _: ObjectKey, _: &[Bytes]) -> Result<(), ObjectError> {
        Ok(())
    }
    fn read_at(&self, key: ObjectKey, _: u64, _: u64) -> Result<Bytes, ObjectError> {
        self.begun.send(()).expect("the test listens");
        // Ends too when nobody is left to say so.
        let _ = self.go.lock().expect("no panic").recv();
        Err(ObjectError { kind: ObjectErrorKind::NotFound, key: Some(key), detail: String::new() })
    }
    fn read(&self, key: ObjectKey, _: u64) -> Result<Bytes, ObjectError> {
        self.read_at(key, 0, 0)
    }
    fn list(&self, _: ObjectKind, _: Option<ObjectKey>) -> Result<Vec<ObjectEntry>, ObjectError> {
        panic!("a bug in a store")
    }
    fn remove(&self, _: ObjectKey) -> Result<(), ObjectError> {
        Ok(())
    }
}

fn slow() -> (Arc<dyn ObjectStore>, Receiver<()>, Sender<()>) {
    let (begun, has_begun) = channel();
    let (go, may_go) = channel();
    (Arc::new(Slow { begun, go: Mutex::new(may_go) }), has_begun, go)
}

fn batches() -> ObjectRequest {
    let name = ObjectName { epoch: Epoch(1), number: 1, writer: 1 };
    let object = StoredObject { name, len: 100, footer_len: 10, footer_crc: 0 };
    ObjectRequest::ReadBatches(ReadBatches {
        object,
        partition: PartitionId(1),
        from: Offset(0),
        newest_min: None,
        bytes_max: 1,
    })
}

fn read() -> ObjectRequest {
    ObjectRequest::Read { key: ObjectKey::Manifest(1), bytes_max: 1 }
}

fn create() -> ObjectRequest {
    ObjectRequest::Create { key: ObjectKey::Manifest(1), data: vec![] }
}

#[test]
fn a_creation_passes_any_number_of_reads_by_consumers() {
    let (store, has_begun, go) = slow();
    let couriers = Threads::start(&store, 0).expect("threads");
    let (done, ended) = channel();
    for _ in 0..2 * AT_ONCE {
        let done = done.clone();
        couriers.submit(batches(), Box::new(move |result| done.send(result).expect("the test listens")));
    }
    for _ in 0..AT_ONCE {
        has_begun.recv().expect("so many begin at once");
    }
    couriers.submit(create(), Box::new(move |result| done.send(result).expect("the test listens")));
    assert_eq!(ended.recv().expect("it does not wait"), Ok(ObjectReply::Created));
    drop(go);
    let rest: Vec<_> = ended.iter().collect();
    assert_eq!(rest.len(), 2 * AT_ONCE);
    assert!(
        rest.iter().all(|result| matches!(result, Err(error) if error.kind == ObjectErrorKind::NotFound))
    );
}

#[test]
fn what_has_not_begun_when_the_broker_halts_never_begins() {
    let (store, has_begun, go) = slow();
    let couriers = Threads::start(&store, 0).expect("threads");
    let (done, ended) = channel();
    for at in 0..AT_ONCE + 4 {
        let done = done.clone();
        couriers.submit(read(), Box::new(move |_| done.send(at).expect("the test listens")));
    }
    drop(done);
    for _ in 0..AT_ONCE {
        has_begun.recv().expect("the first ones begin");
    }
    couriers.close();
    drop(go);
    let mut all: Vec<_> = ended.iter().collect();
    all.sort_unstable();
    assert_eq!(all, (0..AT_ONCE).collect::<Vec<_>>(), "only those that were under way");
}

/// Otherwise the brain would wait for ever for the work of a thread that is no more.
#[test]
fn a_panic_on_a_courier_ends_the_process() {
    let us = std::env::current_exe().expect("a test has a path");
    let output =
        std::process::Command::new(us).args(["--exact", "couriers::tests::die", "--ignored"]).output();
    assert!(!output.expect("it runs").status.success(), "it lived on, and nobody would answer");
}

#[test]
#[ignore = "helper process of the test above"]
fn die() {
    let (store, _begun, _go) = slow();
    let couriers = Threads::start(&store, 0).expect("threads");
    let (done, ended) = channel();
    // Kept here too: a broker does not see its completion vanish either.
    let kept = done.clone();
    couriers
        .submit(ObjectRequest::NewestManifest, Box::new(move |_| done.send(()).expect("the test listens")));
    // Coming back from here is a success, which is what the test above does not want to see.
    let _ = ended.recv_timeout(Duration::from_secs(10));
    drop(kept);
}

#[tokio::test]
async fn tasks_carry_out_everything_until_they_close() {
    let (store, _begun, go) = slow();
    drop(go);
    let couriers = Tasks::start(&store, Duration::from_millis(1));
    let (done, mut ended) = tokio::sync::mpsc::unbounded_channel();
    for request in [create(), read(), batches(), create()] {
        let done = done.clone();
        couriers
            .submit(request, Box::new(move |result| done.send(result.is_ok()).expect("the test listens")));
    }
    let mut all = Vec::new();
    for _ in 0..4 {
        all.push(ended.recv().await.expect("each ends"));
    }
    all.sort_unstable();
    assert_eq!(all, [false, false, true, true]);
    couriers.close();
    couriers.submit(create(), Box::new(move |result| done.send(result.is_ok()).expect("the test listens")));
    // Nobody can send any more once the request was dropped.
    assert_eq!(ended.recv().await, None, "it never began");
}
