use std::sync::atomic::AtomicUsize;

use evenkeel_core::port::{Disk, DiskError, FileEntry, FileName};

use super::*;
use crate::{disk::Files, lanes::Threads};

fn config() -> Config {
    Config { segment_bytes: 1 << 20, message_bytes_max: 100_000, ..Config::default() }
}

async fn until(driver: &Arc<Driver>, wanted: Phase) {
    driver.phase().wait_for(|phase| *phase == wanted).await;
}

fn create(name: &str) -> evenkeel_core::port::Request {
    use kafka_protocol::{
        messages::{CreateTopicsRequest, TopicName, create_topics_request::CreatableTopic},
        protocol::StrBytes,
    };
    let topic = CreatableTopic::default()
        .with_name(TopicName(StrBytes::from_string(name.to_string())))
        .with_num_partitions(1)
        .with_replication_factor(1);
    evenkeel_core::port::Request::CreateTopics(CreateTopicsRequest::default().with_topics(vec![topic]))
}

/// Many threads bring events at once; each is answered, whoever runs the brain.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_event_is_left_lying() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let disk: Arc<dyn Disk> = Arc::new(Files::open(temporary.path()).expect("opened"));
    let lanes = Box::new(Threads::start(&disk).expect("threads"));
    let driver = Driver::start(config(), 1, lanes, None);
    until(&driver, Phase::Serving).await;
    let answered = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let (driver, answered) = (Arc::clone(&driver), Arc::clone(&answered));
            tokio::spawn(async move {
                let (id, mut mailbox) = driver.connect([127, 0, 0, 1].into());
                for at in 0..100u64 {
                    let request = Box::new(create(&format!("t-{task}-{at}")));
                    let event = ClientEvent::Request { tag: Tag(at), version: 7, request };
                    driver.bring(Event::Client(id, event), task % 2 == 0);
                    // One at a time: a lost wake-up would be waited for for ever.
                    let mail = tokio::time::timeout(Duration::from_secs(30), mailbox.recv()).await;
                    assert!(
                        matches!(mail, Ok(Some(Mail::Reply(Tag(tag), _))) if tag == at),
                        "{task} {at}: {mail:?}"
                    );
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                driver.disconnect(id);
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    assert_eq!(answered.load(Ordering::Relaxed), 800);
    driver.stop();
    until(&driver, Phase::Stopped { unstored: false }).await;
}

/// The disk fails: the broker halts and says so.
#[tokio::test]
async fn a_failed_log_write_halts() {
    struct Failing(Files);
    impl Disk for Failing {
        fn space(&self) -> Result<evenkeel_core::port::Space, DiskError> {
            self.0.space()
        }
        fn list(&self) -> Result<Vec<FileEntry>, DiskError> {
            self.0.list()
        }
        fn read_at(&self, f: FileName, p: u64, into: &mut [u8]) -> Result<usize, DiskError> {
            self.0.read_at(f, p, into)
        }
        fn len(&self, f: FileName) -> Result<u64, DiskError> {
            self.0.len(f)
        }
        fn create(&self, f: FileName) -> Result<(), DiskError> {
            self.0.create(f)
        }
        fn zero(&self, f: FileName, len: u64) -> Result<(), DiskError> {
            self.0.zero(f, len)
        }
        fn write_at(&self, f: FileName, p: u64, data: &[bytes::Bytes]) -> Result<(), DiskError> {
            self.0.write_at(f, p, data)
        }
        fn sync(&self, f: FileName) -> Result<(), DiskError> {
            if f == FileName::Segment(evenkeel_core::units::SegmentSequence(1)) {
                let detail = String::from("Input/output error");
                return Err(DiskError {
                    kind: evenkeel_core::port::DiskErrorKind::Failed,
                    file: Some(f),
                    detail,
                });
            }
            self.0.sync(f)
        }
        fn sync_directory(&self) -> Result<(), DiskError> {
            self.0.sync_directory()
        }
        fn rename(&self, a: FileName, b: FileName) -> Result<(), DiskError> {
            self.0.rename(a, b)
        }
        fn remove(&self, f: FileName) -> Result<(), DiskError> {
            self.0.remove(f)
        }
    }
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let disk: Arc<dyn Disk> = Arc::new(Failing(Files::open(temporary.path()).expect("opened")));
    let driver = Driver::start(config(), 1, Box::new(Threads::start(&disk).expect("threads")), None);
    let phase = driver.phase();
    // The marker is the first log write.
    phase.wait_for(|phase| matches!(phase, Phase::Halted(Fault::LogWrite(_)))).await;
}
