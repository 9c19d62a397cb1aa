use super::*;
use crate::choices::generated;

#[test]
fn files_out_of_a_fixed_generator_hold() {
    for seed in 0..1000 {
        raw(&generated(seed, 50 + seed % 500));
    }
}
