use super::*;
use crate::choices::generated;

#[test]
fn dialogues_out_of_a_fixed_generator_hold() {
    for seed in 0..500 {
        dialogue(&generated(seed, 200));
    }
}

#[test]
#[should_panic(expected = "no client can read")]
fn an_answer_that_is_cut_short_is_found_out() {
    decode(Served::by_key(3).expect("metadata"), 1, Bytes::from_static(&[0, 0, 0]));
}

#[test]
fn a_decoded_request_must_say_what_was_sent() {
    let mut choices = Choices::new(&[]);
    let served = Served::by_key(19).expect("create topics");
    let sent = body(&mut choices, &[], served.api, 7);
    let frame = frame(served, 7, 1, &sent);
    let inbound = Session::new().receive(frame).expect("valid").expect("for the brain");
    assert!(says(&inbound.request, &sent, 7));
    let mut other = sent.to_vec();
    other[3] ^= 1;
    assert!(!says(&inbound.request, &other, 7));
}
