//! The ways in which a run is made smaller.

use crate::{shrink::Search, tape::Choices};

/// Settings that say how much goes wrong, and how much there is of everything: off, or as few as possible.
const TURNED_DOWN: [(&str, u64); 28] = [
    ("crashes", 0),
    ("crashes_in_recovery", 0),
    ("power_losses", 0),
    ("stops", 0),
    ("sync_eio", 0),
    ("write_eio", 0),
    ("read_eio", 0),
    ("fills_up", 0),
    ("resets", 0),
    ("remove_eio", 0),
    ("hangs", 0),
    ("pauses", 0),
    ("over_budget", 0),
    ("resizes", 0),
    ("media_faults", 0),
    ("consumers", 0),
    ("followers", 0),
    ("churn", 0),
    ("overseers", 0),
    ("committers", 0),
    ("static_members", 0),
    ("members", 0),
    ("rebalance_delay_ms", 0),
    ("idempotent_producers", 0),
    ("plain_producers", 0),
    ("passing_topics", 0),
    ("lasting_topics", 0),
    ("operations", 1),
];

fn setting(search: &Search, name: &str) -> u64 {
    let settings = search.best.script.shape.settings();
    settings.iter().find(|(known, _)| *known == name).map_or(0, |(_, value)| *value)
}

fn set(search: &mut Search, name: &str, value: u64) -> bool {
    search.offer(|script| script.shape.set(name, value).expect("a setting that is there"))
}

/// Turns settings down: to the least, else by half, else by one.
pub(super) fn settings(search: &mut Search) {
    for (name, least) in TURNED_DOWN {
        while setting(search, name) > least {
            let now = setting(search, name);
            let half = least + (now - least) / 2;
            if !(set(search, name, least) || set(search, name, half) || set(search, name, now - 1)) {
                break;
            }
        }
    }
}

fn domains(search: &Search) -> Vec<String> {
    search.best.choices.0.keys().cloned().collect()
}

fn values_of<'a>(choices: &'a mut Choices, domain: &str) -> &'a mut Vec<u64> {
    &mut choices.0.entry(domain.to_string()).or_default().values
}

fn len(search: &Search, domain: &str) -> usize {
    search.best.choices.0.get(domain).map_or(0, |tape| tape.values.len())
}

/// Takes the simplest choice for all of a domain, or from some place on.
pub(super) fn whole_tapes(search: &mut Search) {
    // Every answer is looked at, and nothing is left of what was not synced.
    search.offer(|script| {
        script.shape.checked_answers = 1000;
        script.choices.get_or_insert_default().0.remove("oracle");
    });
    for domain in domains(search) {
        if search.offer_tapes(|choices| {
            choices.0.remove(&domain);
        }) {
            continue;
        }
        let (mut kept, mut step) = (len(search, &domain), len(search, &domain));
        while step > 1 {
            step = step.div_ceil(2);
            let upto = kept.saturating_sub(step);
            if search.offer_tapes(|choices| values_of(choices, &domain).truncate(upto)) {
                kept = len(search, &domain).min(upto);
            }
            if step == 1 {
                break;
            }
        }
    }
}

/// Takes out actions of clients, many at once first. What the disk and the oracle chose comes later then by some places: a few are
/// tried.
pub(super) fn actions(search: &mut Search) {
    let clients: Vec<String> = search
        .best
        .choices
        .0
        .iter()
        .filter(|(_, tape)| !tape.actions.is_empty())
        .map(|(name, _)| name.clone())
        .collect();
    for domain in clients {
        let count = |search: &Search| search.best.choices.0.get(&domain).map_or(0, |tape| tape.actions.len());
        let mut chunk = count(search).next_power_of_two();
        while chunk >= 1 {
            let mut first = 0;
            while first < count(search) && !search.is_over() {
                if !without_actions(search, &domain, first, chunk) {
                    first += chunk;
                }
            }
            chunk /= 2;
        }
    }
}

fn without_actions(search: &mut Search, domain: &str, first: usize, count: usize) -> bool {
    let Some(tape) = search.best.choices.0.get(domain) else { return false };
    let start = tape.actions[first];
    let end = tape.actions.get(first + count).copied().unwrap_or(tape.values.len());
    let cut = |choices: &mut Choices| {
        let values = values_of(choices, domain);
        values.drain(start.min(values.len())..end.min(values.len()));
    };
    // Out, or only idle: then everything behind keeps its time.
    if search.offer_tapes(cut)
        || search.offer_tapes(|choices| {
            let values = values_of(choices, domain);
            values.splice(start..end, core::iter::repeat_n(0, count));
        })
    {
        return true;
    }
    // The plan of crashes counts the operations that are left.
    for fewer in [count as u64, 2, 1, 3] {
        let operations = setting(search, "operations").saturating_sub(fewer).max(1);
        if search.offer(|script| {
            cut(script.choices.get_or_insert_default());
            script.shape.operations = operations;
        }) {
            return true;
        }
    }
    let sliding: Vec<String> =
        domains(search).into_iter().filter(|name| slides(name) && len(search, name) > 0).collect();
    sliding.iter().any(|name| {
        (1..=4 * count.min(8)).any(|by| {
            search.offer_tapes(|choices| {
                cut(choices);
                slide(values_of(choices, name), by);
            })
        })
    })
}

/// Whether choices of that domain come one for each operation, most of them 0.
fn slides(domain: &str) -> bool {
    (domain.starts_with("disk") || domain == "oracle" || domain == "network") && !domain.ends_with("pace")
}

/// Whether choices of that domain say only how long things take.
fn is_timing(domain: &str) -> bool {
    domain == "latency" || domain.ends_with("pace")
}

/// Takes `by` zeros out in front of the last choice that is not 0.
fn slide(values: &mut Vec<u64>, by: usize) {
    let Some(last) = values.iter().rposition(|value| *value != 0) else { return };
    let zeros = values[..last].iter().rev().take_while(|value| **value == 0).count();
    let by = by.min(zeros);
    values.drain(last - by..last);
}

/// Takes out blocks of choices, or takes the simplest for them, large ones first.
pub(super) fn blocks(search: &mut Search) {
    for domain in domains(search) {
        let mut chunk = len(search, &domain).next_power_of_two();
        // Where there is much, and none of it matters for itself, large blocks are enough.
        let least = if is_timing(&domain) { chunk / 32 } else { 0 };
        while chunk >= 1 && chunk >= least {
            let mut first = 0;
            while first < len(search, &domain) && !search.is_over() {
                let values = &search.best.choices.0[&domain].values;
                let range = first..(first + chunk).min(values.len());
                let zeros = values[range.clone()].iter().all(|value| *value == 0);
                if search.offer_tapes(|choices| {
                    values_of(choices, &domain).drain(range.clone());
                }) {
                    continue;
                }
                if !zeros {
                    search.offer_tapes(|choices| values_of(choices, &domain)[range].fill(0));
                }
                first += chunk;
            }
            chunk /= 2;
        }
    }
}

/// Makes single values smaller: nothing, half, one less.
pub(super) fn values(search: &mut Search) {
    for domain in domains(search).into_iter().filter(|domain| !is_timing(domain)) {
        let mut at = 0;
        while at < len(search, &domain) && !search.is_over() {
            let value = search.best.choices.0[&domain].values[at];
            let smaller = [0, 1, value / 1_000_000, value / 2, value.saturating_sub(1)];
            let taken = smaller.iter().filter(|smaller| **smaller < value).any(|smaller| {
                search.offer_tapes(|choices| {
                    if let Some(value) = values_of(choices, &domain).get_mut(at) {
                        *value = *smaller;
                    }
                })
            });
            if !taken {
                at += 1;
            }
        }
    }
}
