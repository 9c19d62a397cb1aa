use std::collections::BTreeSet;

use super::*;
use crate::{choices::generated, stored::Stored};

#[test]
fn each_kind_of_damage_comes_and_no_manifest_goes() {
    let sound = Stored::plan(&mut Choices::new(&generated(3, 200))).shelf.image();
    let is_manifest = |key: &&ObjectKey| matches!(key, ObjectKey::Manifest(_));
    let (mut kinds, mut unchanged) = (BTreeSet::new(), 0);
    for seed in 0..2000 {
        let mut objects = sound.clone();
        let done = hurt(&mut objects, &mut Choices::new(&generated(seed, CHOICE_BYTES as u64)));
        kinds.insert(done.split(' ').next().expect("a word").to_string());
        unchanged += u32::from(objects == sound);
        assert_eq!(objects.keys().filter(is_manifest).count(), sound.keys().filter(is_manifest).count());
    }
    assert!(
        ["changed", "cut", "made", "swapped", "removed"].iter().all(|kind| kinds.contains(*kind)),
        "{kinds:?}"
    );
    assert!(unchanged < 500, "{unchanged} of 2000");
}
