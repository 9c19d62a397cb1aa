use super::*;
use crate::choices::generated;

#[test]
fn bytes_out_of_a_fixed_generator_hold() {
    for seed in 0..3000 {
        manifest(&generated(seed, 20 + seed % 300));
    }
}

#[test]
fn bytes_that_are_made_right_and_those_that_are_written_are_accepted_and_refused() {
    let accepted = |bytes: &[u8]| Manifest::decode(bytes).is_ok();
    let (mut possible, mut impossible) = (0, 0);
    for seed in 0..500 {
        let manifest = any_manifest(&mut [0; 4], &mut Choices::new(&generated(seed, 200)));
        let bytes = manifest.encode();
        assert_eq!(accepted(&bytes), is_possible(&manifest));
        if is_possible(&manifest) { possible += 1 } else { impossible += 1 }
    }
    assert!(possible > 50 && impossible > 50, "{possible} and {impossible}");
    // As many objects as would need more memory than there is.
    let mut index = Index::default().encode();
    let count = index.len() - 4;
    index[count..].copy_from_slice(&u32::MAX.to_le_bytes());
    made_right(INDEX_MAGIC, &index[12..]);
}

#[test]
fn what_cannot_be_is_told_from_what_can() {
    let data = || {
        let mut next = [0; 4];
        // One part: all choices behind the first few are the first ones.
        any_data(&mut next, &mut Choices::new(&[0, 0, 0, 0, 0, 0, 0, 0, 1]))
    };
    assert_eq!(data().parts.len(), 1);
    assert!(is_right(&data()));
    type Change = fn(&mut DataRef);
    let wrong: [Change; 5] = [
        |data| data.parts.push(data.parts[0]),
        |data| data.object.len = 83,
        |data| data.parts[0].end = data.parts[0].first,
        |data| data.parts[0].first = Offset(-1),
        |data| (data.object.footer_len, data.object.len) = (u32::MAX, 1 << 32),
    ];
    for (nth, change) in wrong.iter().enumerate() {
        let mut data = data();
        change(&mut data);
        assert!(!is_right(&data), "change {nth}");
        let index = Index { objects: vec![data] };
        assert_eq!(Index::decode(&index.encode()), Err(NotAnObject::Damaged), "change {nth}");
    }
}
