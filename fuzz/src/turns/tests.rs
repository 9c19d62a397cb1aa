use super::*;
use crate::choices::generated;

#[test]
fn runs_out_of_a_fixed_generator_hold() {
    for seed in 0..1000 {
        turns(&generated(seed, 50 + seed % 500));
    }
}
