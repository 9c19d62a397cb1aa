//! A run is a function of the configuration, the seed and what went in.

use std::time::Duration;

use evenkeel_core::{Broker, Event};

use crate::rig::{Rig, batch, small};

#[test]
fn a_recorded_stream_of_events_gives_the_same_effects_again() {
    let mut rig = Rig::new(small());
    rig.create("t", 3, &[]);
    for at in 0..200u8 {
        rig.produce("t", i32::from(at % 3), batch(3, 100, at, 1000));
        if at % 50 == 0 {
            rig.pass(Duration::from_millis(20));
            rig.read_all("t", 0);
        }
    }
    rig.feed(vec![Event::Stop]);
    assert!(rig.stopped);

    let mut effects = Vec::new();
    let mut again = Broker::boot(rig.config.clone(), rig.seed, &mut effects);
    assert!(rig.recorded.len() > 400);
    for (now, events, expected) in rig.recorded {
        let mut effects = Vec::new();
        again.turn(now, &mut events.clone(), &mut effects);
        assert_eq!(effects, expected);
    }
}

#[test]
fn a_turn_without_reason_does_nothing() {
    let mut rig = Rig::new(small());
    rig.create("t", 1, &[]);
    rig.pass(Duration::from_secs(1));
    for _ in 0..3 {
        rig.now.mono = rig.now.mono.after(Duration::from_millis(1));
        let mut effects = Vec::new();
        rig.broker.turn(rig.now, &mut Vec::new(), &mut effects);
        assert_eq!(effects, vec![]);
    }
}
