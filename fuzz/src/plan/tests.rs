use super::*;

/// Creates topic a, sends one batch of an idempotent producer, and sends it again, after a kill or not.
fn retried(kill: bool) -> Vec<u8> {
    let mut choices = vec![2, 7, 0, 0, 4, 0, 0, 0, 0];
    if kill {
        choices.push(13);
    }
    choices.extend([6, 6]);
    choices
}

#[test]
fn a_retry_is_stored_once_over_a_kill_too() {
    for kill in [false, true] {
        let life = Life::lived(&mut Choices::new(&retried(kill)));
        let truth = life.world.truth.expect("a life is taken down");
        let batches = batch::split(&truth.contents(truth.upto())["a"][0]).map(|batches| batches.len());
        assert_eq!(batches, Some(1));
    }
}

#[test]
#[should_panic(expected = "a-0: twice, again at offset 0")]
fn a_batch_that_is_there_twice_is_found_out() {
    let by = Some(Sequenced { producer: 1, first: 0 });
    let batch = numbered(batch::Numbered { number: 1, count: 1, filling: 0, by });
    let bytes = [&batch.header.encode()[..], &batch.records].concat();
    assert_stored_once(&Contents::from([(String::from("a"), vec![[bytes.clone(), bytes].concat()])]));
}
