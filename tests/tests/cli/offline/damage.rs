//! What is damaged, missing or somebody else's is found, and named.

use std::{fs, path::Path};

use bytes::Bytes;
use evenkeel_core::{
    state::checkpoint,
    store::{Index, IndexRef, Manifest, ObjectKey, ObjectName},
    units::ProducerId,
};
use evenkeel_tests::log_files;
use serde_json::{Value, json};

use super::{files, json, names, start, stopped, stored, tool, url};
use crate::run;

/// Changes one bit while `look` looks.
fn with_flipped<T>(file: &Path, position: usize, look: impl FnOnce() -> T) -> T {
    let whole = fs::read(file).expect("it can be read");
    let mut bytes = whole.clone();
    bytes[position] ^= 1 << (position % 8);
    fs::write(file, &bytes).expect("it can be written");
    let found = look();
    fs::write(file, whole).expect("it can be written");
    found
}

/// Places all over a file of that many bytes.
fn places(len: usize) -> impl Iterator<Item = usize> {
    [0, 5, 9, 13, len / 4, len / 2, len * 3 / 4, len - 18, len - 10, len - 1].into_iter()
}

/// What a verification finds about something.
fn about<'a>(found: &'a Value, name: &str) -> Vec<&'a Value> {
    let findings = found["findings"].as_array().expect("a list");
    let names = |finding: &&Value| {
        finding["matter"] != "note"
            && (finding["in"] == name || finding["what"].as_str().expect("words").contains(name))
    };
    findings.iter().filter(names).collect()
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("our names are ASCII")
}

#[test]
fn a_flipped_bit_in_any_file_of_a_directory_is_found_and_named() {
    let temporary = tempfile::tempdir().expect("a directory");
    let data = stopped(temporary.path());
    let line = format!("verify --data-dir {}", data.display());
    let before = files(&data);
    let groups = log_files::groups(&data);
    let used = groups.iter().map(|group| &group.file).collect::<std::collections::BTreeSet<_>>().len();
    assert!(used > 2, "the log has rolled: {used}");
    // In the header of the segment, in the fronts of groups, and in batches.
    let mut hurt: Vec<(&Path, usize)> = Vec::new();
    for (at, group) in groups.iter().enumerate().filter(|(at, _)| at % 3 == 0 || *at + 1 == groups.len()) {
        if at % 2 == 0 {
            hurt.push((&group.file, 40));
        }
        hurt.push((&group.file, group.position + 8 + at % 40));
        hurt.push((&group.file, group.position + group.len - 1));
    }
    for (file, position) in hurt {
        let (found, shown) = with_flipped(file, position, || {
            (json(2, &line), tool(&format!("inspect --json --entries {}", file.display())))
        });
        assert_eq!(found["verdict"], "damaged");
        assert!(!about(&found, name(file)).is_empty(), "{} at {position}: {found}", file.display());
        // Alone, the last group before a roll may look torn; it is shown where that is.
        let shown: Value = serde_json::from_slice(&shown.out).expect("JSON");
        let told = [&shown[0]["damage"], &shown[0]["notes"]];
        assert!(
            told.iter().any(|told| told[0].as_str().is_some_and(|told| told.starts_with("byte "))),
            "{shown}"
        );
    }
    for file in names(&data).iter().filter(|name| name.starts_with("checkpoint-") || *name == "identity") {
        let path = data.join(file);
        for position in places(fs::read(&path).expect("it can be read").len()) {
            let (found, shown) = with_flipped(&path, position, || {
                (json(2, &line), json(2, &format!("inspect {}", path.display())))
            });
            assert!(!about(&found, file).is_empty(), "{file} at {position}: {found}");
            assert_eq!(shown[0]["damage"].as_array().map(Vec::len), Some(1), "{shown}");
        }
    }
    assert_eq!(files(&data), before);
    assert_eq!(json(0, &line)["verdict"], "clean");
}

#[test]
fn a_file_that_is_gone_and_a_checkpoint_that_is_not_true_are_found() {
    let temporary = tempfile::tempdir().expect("a directory");
    let data = stopped(temporary.path());
    let line = format!("verify --data-dir {}", data.display());
    let mut used: Vec<_> = log_files::groups(&data).into_iter().map(|group| group.file).collect();
    used.dedup();
    for file in used.into_iter().chain([data.join("identity")]) {
        let bytes = fs::read(&file).expect("it can be read");
        fs::remove_file(&file).expect("it is there");
        let found = json(2, &line);
        assert!(!about(&found, name(&file)).is_empty(), "{}: {found}", file.display());
        fs::write(&file, bytes).expect("it can be written");
    }
    // Every checksum is right, and what it says is not.
    let newest =
        names(&data).into_iter().rfind(|name| name.starts_with("checkpoint-")).expect("one at the stop");
    let whole = fs::read(data.join(&newest)).expect("it can be read");
    let (mut state, lsn) = checkpoint::decode(&whole).expect("intact");
    state.producer_ids_upto = ProducerId(state.producer_ids_upto.0 + 1);
    fs::write(data.join(&newest), checkpoint::encode(&state, lsn)).expect("it can be written");
    let found = json(2, &line);
    assert_eq!(about(&found, &newest)[0]["what"], "it does not say what the log says", "{found}");
    fs::write(data.join(&newest), whole).expect("it can be written");
    assert_eq!(json(0, &line)["verdict"], "clean");
}

/// A broker makes an index when a manifest's own list has grown long. Here it has two objects, and all of them are moved.
fn move_to_an_index(store: &Path) {
    let newest = names(&store.join("manifest")).pop().expect("there are manifests");
    let bytes = fs::read(store.join("manifest").join(newest)).expect("it can be read");
    let mut manifest = Manifest::decode(&bytes).expect("intact");
    let index = Index { objects: std::mem::take(&mut manifest.tail) };
    // One object stays in the list.
    let (listed, last) = index.objects.split_at(index.objects.len() - 1);
    manifest.tail = last.to_vec();
    let bytes = Bytes::from(Index { objects: listed.to_vec() }.encode());
    let name = ObjectName { epoch: manifest.epoch, number: 900, writer: manifest.writer };
    manifest.indexes.push(IndexRef {
        name,
        len: bytes.len() as u64,
        crc: crc32c::crc32c(&bytes),
        objects: u32::try_from(listed.len()).expect("few"),
    });
    manifest.number += 1;
    fs::write(store.join(ObjectKey::Index(name).to_string()), bytes).expect("it can be written");
    fs::write(store.join(ObjectKey::Manifest(manifest.number).to_string()), manifest.encode())
        .expect("it can be written");
}

/// Keys of all that the newest manifest refers to, and its own.
fn referred(store: &Path) -> Vec<String> {
    let newest = |kind: &str| format!("{kind}/{}", names(&store.join(kind)).pop().expect("there is one"));
    let data = names(&store.join("data")).into_iter().map(|name| format!("data/{name}"));
    data.chain([newest("manifest"), newest("state"), newest("index")]).collect()
}

#[test]
fn a_flipped_bit_in_any_object_is_found_and_named() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (_, store) = stored(temporary.path());
    move_to_an_index(&store);
    let (verify, object_store) = (format!("verify --object-store {}", url(&store)), url(&store));
    assert_eq!(json(0, &verify)["findings"], json!([]));
    let before = files(&store);
    let oldest = format!("manifest/{}", names(&store.join("manifest"))[0]);
    for key in referred(&store).into_iter().chain([oldest]) {
        let path = store.join(&key);
        for position in places(fs::read(&path).expect("it can be read").len()) {
            let (found, shown) = with_flipped(&path, position, || {
                (json(2, &verify), json(2, &format!("inspect {key} --object-store {object_store}")))
            });
            assert!(!about(&found, &key).is_empty(), "{key} at {position}: {found}");
            assert_ne!(shown[0]["damage"], json!([]), "{key} at {position}: {shown}");
        }
    }
    assert_eq!(files(&store), before);
    assert_eq!(json(0, &verify)["verdict"], "clean");
}

#[test]
fn an_object_that_is_gone_cut_or_another_is_found_and_named() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (data, store) = stored(temporary.path());
    let both = format!("verify --data-dir {} --object-store {}", data.display(), url(&store));
    // Known to the directory: without it the one before is the newest, and nothing in the store tells.
    let newest =
        store.join("manifest").join(names(&store.join("manifest")).pop().expect("there are manifests"));
    let bytes = fs::read(&newest).expect("it can be read");
    fs::remove_file(&newest).expect("it is there");
    let found = json(2, &both);
    assert!(found.to_string().contains("the store has lost objects"), "{found}");
    fs::write(&newest, bytes).expect("it can be written");

    move_to_an_index(&store);
    let verify = format!("verify --object-store {}", url(&store));
    let dry_run = format!("restore --dry-run --object-store {}", url(&store));
    let keys = referred(&store);
    for (at, key) in keys.iter().enumerate().filter(|(_, key)| !key.starts_with("manifest/")) {
        let path = store.join(key);
        let whole = fs::read(&path).expect("it can be read");
        fs::remove_file(&path).expect("it is there");
        let found = json(2, &verify);
        assert_eq!(about(&found, key)[0]["matter"], "missing", "{found}");
        let told = tool(&dry_run);
        assert_eq!(told.code, Some(2), "{told:?}");
        assert!(String::from_utf8_lossy(&told.out).contains(key.as_str()), "{told:?}");

        fs::write(&path, &whole[..whole.len() - 1]).expect("it can be written");
        assert!(!about(&json(2, &verify), key).is_empty(), "{key} is cut");
        let other = fs::read(store.join(&keys[(at + 1) % keys.len()])).expect("it can be read");
        fs::write(&path, other).expect("it can be written");
        assert!(!about(&json(2, &verify), key).is_empty(), "{key} is another one");
        fs::write(&path, whole).expect("it can be written");
    }
    // One that nothing refers to is not missed, and one more is counted.
    let before = json(0, &verify)["store"]["unreferenced_objects"].as_u64().expect("a number");
    fs::write(store.join("data/0000000001-0000000999-00000000000000ff"), "left behind").expect("written");
    assert_eq!(json(0, &verify)["store"]["unreferenced_objects"], before + 1);
    // No manifest at all is no empty store.
    for name in names(&store.join("manifest")) {
        fs::remove_file(store.join("manifest").join(name)).expect("it is there");
    }
    assert_eq!(json(2, &verify)["findings"][0]["in"], "manifest");
    let nothing = tool(&dry_run).fails(1);
    assert!(nothing.contains("there is no manifest"), "{nothing}");
}

#[test]
fn a_directory_and_a_store_that_do_not_belong_together_are_told() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (data, store) = stored(temporary.path());
    let other = temporary.path().join("other");
    let mut broker = start(&other, None);
    run(&broker, "topic create orders").ok();
    broker.stop();
    let found = json(2, &format!("verify --data-dir {} --object-store {}", other.display(), url(&store)));
    assert!(found["findings"][0]["what"].as_str().expect("words").contains("belongs to cluster"), "{found}");
    // Another directory takes over: the old one stands for the cluster no more.
    let mut anew = start(&temporary.path().join("anew"), Some(&store));
    anew.stop();
    let line = format!("--object-store {}", url(&store));
    let found = json(2, &format!("verify --data-dir {} {line}", data.display()));
    assert!(
        found["findings"][0]["what"].as_str().expect("words").contains("another data directory"),
        "{found}"
    );
    assert_eq!(
        json(0, &format!("verify --data-dir {} {line}", anew.directory().display()))["verdict"],
        "clean"
    );
}
