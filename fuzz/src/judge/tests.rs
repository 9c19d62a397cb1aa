use super::*;
use crate::choices::generated;

/// A life of a few batches, killed.
fn killed() -> (Image, Truth, Lsn) {
    // Creates topic a with one partition, then sends eight batches to it and waits for a marker.
    let mut choices = vec![2, 7, 0, 0];
    for _ in 0..8 {
        choices.extend([0, 0, 0, 1, 1]);
    }
    choices.extend([9, 0]);
    let life = Life::lived(&mut Choices::new(&choices));
    let truth = life.world.truth.clone().expect("a life is taken down");
    (life.world.disk.image(), truth, life.world.durable)
}

fn config() -> Config {
    crate::world::small(64 << 10)
}

fn judged(sound: &Image, damaged: Image, truth: &Truth, durable: Lsn) -> Verdict {
    let case = Case {
        config: config(),
        story: Vec::new(),
        durable,
        is_sound: *sound == damaged,
        sound: sound.clone(),
        damaged,
        truth: truth.clone(),
    };
    case.judge(&mut Choices::new(&[]))
}

#[test]
fn lives_out_of_a_fixed_generator_hold_and_reach_the_verdicts() {
    let verdicts: Vec<Verdict> = (0..600).map(|seed| judge(&generated(seed, 60 + seed % 200))).collect();
    for wanted in [Verdict::Whole, Verdict::Prefix, Verdict::GivenUp] {
        assert!(verdicts.contains(&wanted), "{wanted:?}");
    }
}

#[test]
fn a_flip_below_the_synced_mark_is_given_up_and_rot_at_the_unproven_end_is_a_prefix() {
    let (sound, truth, durable) = killed();
    assert_eq!(judged(&sound, sound.clone(), &truth, durable), Verdict::Whole);
    let groups: Vec<_> = crate::damage::places(&sound).into_iter().filter(|place| place.at > 0).collect();
    let flipped = |from: usize, upto: usize| {
        let mut image = sound.clone();
        for place in &groups[from..upto] {
            image.get_mut(&place.file).expect("there")[place.at + 70] ^= 1;
            image.get_mut(&place.file).expect("there")[place.at + 40] ^= 1;
        }
        image
    };
    assert_eq!(judged(&sound, flipped(3, 4), &truth, durable), Verdict::GivenUp);
    // The marker and the group in front of it: nothing that is left proves either.
    assert_eq!(judged(&sound, flipped(0, 2), &truth, durable), Verdict::Prefix);
}

#[test]
#[should_panic(expected = "served up to LSN")]
fn a_broker_that_loses_what_is_proven_is_found_out() {
    let (sound, truth, durable) = killed();
    let case = Case {
        config: config(),
        story: Vec::new(),
        durable: durable.plus(1),
        is_sound: false,
        // The log says that one more record was synced than the broker finds.
        sound: with_checkpoint(&sound, durable.plus(1)),
        damaged: with_checkpoint(&sound, durable.plus(1)),
        truth,
    };
    let mut world = boot(&sound, &config());
    case.judge_served(&mut world, &mut Choices::new(&[]));
}

fn with_checkpoint(image: &Image, lsn: Lsn) -> Image {
    let mut image = image.clone();
    image.insert(evenkeel_core::port::FileName::Checkpoint(lsn), Vec::new());
    image
}

#[test]
#[should_panic(expected = "served Some")]
fn a_broker_that_serves_another_byte_is_found_out() {
    let (sound, mut truth, durable) = killed();
    truth.spoil();
    judged(&sound, sound.clone(), &truth, durable);
}
