#[path = "../../../tests/src/face.rs"]
#[allow(
    clippy::disallowed_methods,
    dead_code,
    unreachable_pub,
    reason = "the tests of the whole binary have it from a library and use more of it, and it lives in no simulated time"
)]
mod face;
mod suite;

use std::{env, fs, os::unix::fs::PermissionsExt};

use evenkeel_core::{
    port::{ObjectReply, ObjectRequest},
    store::{ObjectName, perform},
    units::Epoch,
};
use object_store::aws::AmazonS3Builder;

use self::face::{Face, Fault};
use super::*;

/// More than one page of a listing on a server that gives a thousand at a time.
const PAGES: u32 = 1050;

fn open(place: &StorePlace) -> Objects {
    Objects::open(place, Deadlines::default()).expect("it opens")
}

fn at(face: &Face, deadlines: Deadlines) -> Objects {
    let builder = AmazonS3Builder::new()
        .with_bucket_name("bucket")
        .with_endpoint(face.endpoint())
        .with_access_key_id("somebody")
        .with_secret_access_key("a secret");
    Objects::around(deadlines, || place::s3_client(builder, "a/cluster", &deadlines)).expect("it opens")
}

fn directory(path: &FilePath) -> StorePlace {
    StorePlace::Directory { path: path.to_path_buf(), create: false }
}

fn bytes(text: &'static str) -> [Bytes; 1] {
    [Bytes::from_static(text.as_bytes())]
}

#[test]
fn memory_conforms() {
    suite::conforms(&open(&StorePlace::Memory), PAGES);
}

#[test]
fn a_directory_conforms() {
    let folder = tempfile::tempdir().expect("a folder");
    suite::conforms(&open(&directory(folder.path())), 200);
    // And another process finds it all.
    let again = open(&directory(folder.path()));
    assert_eq!(again.list(ObjectKind::Index, None).expect("it lists").len(), 200);
}

#[test]
fn the_small_s3_of_these_tests_conforms() {
    let face = Face::start();
    suite::conforms(&at(&face, Deadlines::default()), 100);
}

/// A server that is not ours, with a bucket that is there. The environment says how to reach it.
fn a_real_server_conforms(place: impl Fn(&str, &str) -> StorePlace, bucket: &str) {
    suite::conforms(&open(&place(bucket, "one/cluster")), PAGES);
    // The other clusters of the bucket are not seen, nor the one without a prefix.
    suite::conforms(&open(&place(bucket, "one/clusters")), 10);
    suite::conforms(&open(&place(bucket, "")), 10);

    let nowhere = open(&place("no-such-bucket", ""));
    let unknown = |error: ObjectError| assert_eq!(error.kind, ObjectErrorKind::Unknown, "{error}");
    unknown(nowhere.read(ObjectKey::Manifest(1), 1).expect_err("no bucket"));
    unknown(nowhere.read_at(ObjectKey::Manifest(1), 0, 1).expect_err("no bucket"));
    unknown(nowhere.create(ObjectKey::Manifest(1), &[]).expect_err("no bucket"));
    unknown(nowhere.list(ObjectKind::Manifest, None).expect_err("no bucket"));
    unknown(nowhere.remove(ObjectKey::Manifest(1)).expect_err("no bucket"));
    unknown(perform(&nowhere, &ObjectRequest::NewestManifest).expect_err("no bucket"));
}

fn told(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

#[test]
#[ignore = "tests/stores/run starts the server that it needs"]
fn a_real_s3_server_conforms() {
    let endpoint = told("EVENKEEL_TEST_S3_ENDPOINT");
    let place = |bucket: &str, prefix: &str| StorePlace::s3(bucket, prefix, Some(&endpoint), None);
    a_real_server_conforms(
        |bucket, prefix| place(bucket, prefix).expect("sound"),
        &told("EVENKEEL_TEST_S3_BUCKET"),
    );
}

#[test]
#[ignore = "tests/stores/azure/run starts the server that it needs"]
fn a_real_server_of_another_kind_conforms() {
    let url = told("EVENKEEL_TEST_STORE");
    let (scheme, bucket) = url.split_once("://").expect("SCHEME://BUCKET");
    let place = |bucket: &str, prefix: &str| StorePlace::parse(&format!("{scheme}://{bucket}/{prefix}"));
    a_real_server_conforms(|bucket, prefix| place(bucket, prefix).expect("sound"), bucket);
}

const ERROR: &str = "<Error><Code>InternalError</Code></Error>";
const SLOW: &str = "<Error><Code>SlowDown</Code></Error>";
const CONFLICT: &str = "<Error><Code>ConditionalRequestConflict</Code></Error>";
const DENIED: &str = "<Error><Code>AccessDenied</Code></Error>";
const NO_BUCKET: &str = "<Error><Code>NoSuchBucket</Code></Error>";

/// Every kind of call, on a store where manifest 1 is there and manifest 2 is not.
fn every_call(store: &Objects, call: usize) -> Option<Result<(), ObjectError>> {
    let (there, new) = (ObjectKey::Manifest(1), ObjectKey::Manifest(2));
    Some(match call {
        0 => store.create(new, &bytes("new")),
        1 => store.read(there, 100).map(drop),
        2 => store.read_at(there, 1, 1).map(drop),
        3 => store.list(ObjectKind::Manifest, None).map(drop),
        4 => store.remove(there),
        _ => return None,
    })
}

#[test]
fn each_failure_of_a_server_is_what_it_is_and_no_call_is_repeated() {
    use ObjectErrorKind::{Denied, Exists, Unknown};
    for (fault, kind, of_create) in [
        (Fault::Answer(500, ERROR), Unknown, Unknown),
        (Fault::Answer(503, SLOW), Unknown, Unknown),
        (Fault::Answer(429, SLOW), Unknown, Unknown),
        (Fault::Answer(400, "<Error><Code>RequestTimeout</Code></Error>"), Unknown, Unknown),
        (Fault::Answer(401, DENIED), Denied, Denied),
        (Fault::Answer(403, DENIED), Denied, Denied),
        (Fault::Answer(404, NO_BUCKET), Unknown, Unknown),
        (Fault::Answer(404, "<html>a proxy</html>"), Unknown, Unknown),
        (Fault::Answer(301, ""), Unknown, Unknown),
        // Another creation is under way: lost, as far as one can tell.
        (Fault::Answer(409, CONFLICT), Unknown, Exists),
        (Fault::Answer(412, CONFLICT), Unknown, Exists),
        (Fault::CutBefore, Unknown, Unknown),
        (Fault::CutAfter, Unknown, Unknown),
    ] {
        for call in 0.. {
            let face = Face::start();
            let store = at(&face, Deadlines::default());
            face.put("a/cluster/manifest/00000000000000000001");
            face.next(fault);
            let Some(outcome) = every_call(&store, call) else { break };
            let expected = if call == 0 { of_create } else { kind };
            let error = outcome.expect_err("it fails");
            assert_eq!(error.kind, expected, "{fault:?}, call {call}: {error}");
            assert_eq!(face.requests(), 1, "{fault:?}, call {call}: {error}");
        }
    }
}

/// What the answer does not tell, the store may still have done.
#[test]
fn a_creation_without_an_answer_may_have_happened() {
    let key = "a/cluster/manifest/00000000000000000002";
    for (fault, happened) in [(Fault::CutBefore, false), (Fault::CutAfter, true)] {
        let face = Face::start();
        let store = at(&face, Deadlines::default());
        face.next(fault);
        let error = store.create(ObjectKey::Manifest(2), &bytes("new")).expect_err("no answer");
        assert_eq!((error.kind, face.has(key)), (ObjectErrorKind::Unknown, happened), "{fault:?}");
        // The second attempt says which.
        let again = store.create(ObjectKey::Manifest(2), &bytes("new")).map_err(|error| error.kind);
        assert_eq!(again, if happened { Err(ObjectErrorKind::Exists) } else { Ok(()) }, "{fault:?}");
    }
}

#[test]
fn an_answer_that_never_comes_ends_at_the_deadline() {
    let short = Duration::from_millis(200);
    let deadlines = [
        Deadlines { request: short, ..Deadlines::default() },
        Deadlines { call: short, list: short, ..Deadlines::default() },
    ];
    for deadlines in deadlines {
        for call in 0.. {
            let face = Face::start();
            let store = at(&face, deadlines);
            face.put("a/cluster/manifest/00000000000000000001");
            face.next(Fault::Silent);
            let Some(outcome) = every_call(&store, call) else { break };
            let error = outcome.expect_err("it fails");
            assert_eq!(error.kind, ObjectErrorKind::Unknown, "call {call}: {error}");
            assert_eq!(face.requests(), 1, "call {call}: {error}");
        }
    }
}

#[test]
fn half_a_body_is_no_success() {
    let face = Face::start();
    let store = at(&face, Deadlines::default());
    let key = ObjectKey::Manifest(1);
    store.create(key, &[Bytes::from(vec![1; 100_000])]).expect("created");
    for _ in 0..2 {
        face.next(Fault::Truncated);
    }
    assert_eq!(store.read(key, 100_000).expect_err("half").kind, ObjectErrorKind::Unknown);
    assert_eq!(store.read_at(key, 10, 50_000).expect_err("half").kind, ObjectErrorKind::Unknown);
    face.next(Fault::Truncated);
    assert_eq!(store.list(ObjectKind::Manifest, None).expect_err("half").kind, ObjectErrorKind::Unknown);
    face.next(Fault::IgnoresRange);
    assert_eq!(store.read_at(key, 10, 50_000).expect_err("too much").kind, ObjectErrorKind::Unknown);
    assert_eq!(store.read(key, 100_000).expect("whole").len(), 100_000);
}

#[test]
fn keys_that_are_not_ours_are_left_out() {
    let face = Face::start();
    let store = at(&face, Deadlines::default());
    for key in [
        "a/cluster/manifest/00000000000000000007",
        "a/cluster/manifest/7",
        "a/cluster/manifest/00000000000000000008/deeper",
        "a/cluster/manifest-old/00000000000000000009",
        "a/clusters/manifest/00000000000000000010",
        "manifest/00000000000000000011",
    ] {
        face.put(key);
    }
    let listed = store.list(ObjectKind::Manifest, None).expect("it lists");
    assert_eq!(listed, [ObjectEntry { key: ObjectKey::Manifest(7), len: 3 }]);
}

#[test]
fn a_server_that_is_not_there_is_no_answer() {
    let face = Face::start();
    let store = at(&face, Deadlines::default());
    drop(face);
    for call in 0.. {
        let Some(outcome) = every_call(&store, call) else { break };
        let error = outcome.expect_err("nobody listens");
        assert_eq!(error.kind, ObjectErrorKind::Unknown, "call {call}: {error}");
        assert!(error.detail.contains("Connection refused"), "call {call}: {error}");
    }
}

#[test]
fn certificates_are_asked_for_only_where_there_is_tls() {
    let us = env::current_exe().expect("a test has a path");
    for (endpoint, seen) in [("http://127.0.0.1:9", "opened"), ("https://127.0.0.1:9", "No CA certificates")]
    {
        let mut process = std::process::Command::new(&us);
        process.env_clear().args(["--exact", "object::tests::open_at", "--nocapture", "--ignored"]);
        process.envs([
            ("SSL_CERT_FILE", "/nonexistent"),
            ("SSL_CERT_DIR", "/nonexistent"),
            ("ENDPOINT", endpoint),
        ]);
        process.envs([("AWS_ACCESS_KEY_ID", "somebody"), ("AWS_SECRET_ACCESS_KEY", "a secret")]);
        let output = process.output().expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(seen), "{endpoint}: {told}");
    }
}

#[test]
#[ignore = "helper process of the test above"]
fn open_at() {
    let endpoint = env::var("ENDPOINT").expect("the test above sets it");
    let place = StorePlace::s3("bucket", "", Some(&endpoint), None).expect("sound");
    match Objects::open(&place, Deadlines::default()) {
        Ok(_) => eprintln!("opened"),
        Err(error) => eprintln!("{error}"),
    }
}

#[test]
fn a_directory_that_is_not_there_is_made_only_where_that_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep/er");
    let refused = Objects::open(&directory(&path), Deadlines::default()).err().expect("not there");
    assert!(refused.contains("deep/er") && refused.contains("No such file"), "{refused}");
    let store = open(&StorePlace::Directory { path: path.clone(), create: true });
    store.create(ObjectKey::Manifest(1), &bytes("one")).expect("created");
    // As after an unmount: nothing is found missing, nothing is written elsewhere.
    fs::rename(&path, folder.path().join("away")).expect("moved");
    for call in 0.. {
        let Some(outcome) = every_call(&store, call) else { break };
        assert_eq!(outcome.expect_err("no folder").kind, ObjectErrorKind::Unknown, "call {call}");
    }
    assert!(!path.exists(), "it was made anew");
}

#[test]
fn what_a_directory_holds_besides_is_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&directory(folder.path()));
    store.create(ObjectKey::Manifest(1), &bytes("one")).expect("created");
    // What a creation that was cut off leaves behind, and what people do.
    fs::write(folder.path().join("manifest/00000000000000000002#1"), "ha").expect("written");
    fs::write(folder.path().join("manifest/notes"), "ha").expect("written");
    let listed = store.list(ObjectKind::Manifest, None).expect("it lists");
    assert_eq!(listed, [ObjectEntry { key: ObjectKey::Manifest(1), len: 3 }]);
    store
        .create(ObjectKey::Manifest(2), &bytes("two"))
        .expect("the rest of an older attempt does not matter");
    assert_eq!(store.read(ObjectKey::Manifest(2), 10), Ok(Bytes::from_static(b"two")));
}

#[test]
fn what_a_creation_left_behind_goes_at_the_next_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = directory(folder.path());
    open(&place).create(ObjectKey::Manifest(1), &bytes("one")).expect("created");
    let manifests = folder.path().join("manifest");
    let left = ["00000000000000000002#1", "00000000000000000001#2"];
    let ours = ["notes#1", "#1", "notes"];
    for name in left.iter().chain(&ours) {
        fs::write(manifests.join(name), "ha").expect("written");
    }
    let store = open(&place);
    assert!(left.iter().all(|name| !manifests.join(name).exists()), "it was cut off");
    assert!(ours.iter().all(|name| manifests.join(name).exists()), "it is not a store's");
    assert_eq!(store.read(ObjectKey::Manifest(1), 10), Ok(Bytes::from_static(b"one")));
}

#[test]
fn a_folder_that_cannot_be_read_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&directory(folder.path()));
    store.create(ObjectKey::Manifest(1), &bytes("one")).expect("created");
    let manifests = folder.path().join("manifest");
    fs::set_permissions(&manifests, fs::Permissions::from_mode(0o000)).expect("it is ours");
    // The superuser reads it all the same.
    if fs::read_dir(&manifests).is_err() {
        let error = store.list(ObjectKind::Manifest, None).expect_err("no permission");
        assert_eq!(error.kind, ObjectErrorKind::Unknown);
    }
    fs::set_permissions(&manifests, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

/// The brain's thread may belong to a runtime, which would not let another one block it.
#[tokio::test]
async fn a_store_may_be_asked_from_within_a_runtime() {
    let store = open(&StorePlace::Memory);
    assert_eq!(store.create(ObjectKey::Manifest(1), &bytes("one")), Ok(()));
    drop(store);
}
