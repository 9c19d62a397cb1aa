//! A seed in two processes. Each child is this very test binary, told to run one test that is ignored otherwise.

use std::process::Command;

use evenkeel_sim::{
    determinism::{LEAK, Parting, compare, trail},
    shape::Size,
};

const SEED: &str = "EVENKEEL_SIM_CHILD_SEED";

#[test]
#[ignore = "a child of the tests below"]
fn child() {
    let seed = std::env::var(SEED).expect("a parent says which").parse().expect("a number");
    let ballast = vec![1_u8; std::env::vars().map(|(_, value)| value.len()).sum::<usize>() * 100];
    #[expect(clippy::print_stdout, reason = "the parent reads it")]
    for line in trail(seed, Size::Lite, false) {
        println!("\n{line}");
    }
    drop(ballast);
}

fn pair(seed: u64, leak: bool) -> Option<Parting> {
    let run = |padding: usize, zone: &str, folder: &std::path::Path| {
        let mut command = Command::new(std::env::current_exe().expect("it runs"));
        command.args(["--exact", "child", "--ignored", "--nocapture"]);
        command.env(SEED, seed.to_string()).env("PADDING", "x".repeat(padding)).env("TZ", zone);
        command.current_dir(folder);
        if leak {
            command.env(LEAK, "x".repeat(padding));
        }
        let output = command.output().expect("it starts");
        assert!(output.status.success());
        String::from_utf8(output.stdout).expect("words")
    };
    compare(&run(1, "UTC", "/".as_ref()), &run(5000, "Asia/Kolkata", &std::env::temp_dir()))
}

#[test]
fn a_seed_is_the_same_run_in_another_process_with_another_environment() {
    for seed in 1..=8 {
        if let Some(parting) = pair(seed, false) {
            panic!("seed {seed}:\n{parting}");
        }
    }
}

#[test]
fn a_world_that_depends_on_its_environment_is_noticed() {
    let noticed = (1..=8).filter(|seed| pair(*seed, true).is_some_and(|parting| parting.line > 0)).count();
    assert!(noticed >= 7, "{noticed} of 8");
}
