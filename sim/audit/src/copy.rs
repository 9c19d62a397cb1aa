//! The instrumented copy of the workspace: made, and built until all that is in it compiles.
//!
//! The transformer knows no types, so some mutants do not compile. The compiler says where; what stands there is left out,
//! and the copy made again. What is known not to compile is kept beside the copy, so the next one takes one round.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use syn::{Expr, spanned::Spanned, visit::Visit};

use crate::{
    instrument::{Numbering, instrument, modules_of_tests},
    site::Site,
};

/// Rounds after which a copy that does not compile is given up.
const ROUNDS_MAX: usize = 40;
/// The module that is added to the crate.
const SWITCH: &str = include_str!("../switch/audit.rs");
/// How the copy is built: for many runs, and not for many minutes.
const PROFILE: &str = "\n[profile.audit]\ninherits = \"release\"\nlto = \"off\"\ncodegen-units = 16\nincremental = true\ndebug = false\n";

/// A crate of the workspace that is instrumented, and which of its files.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// Its folder.
    pub folder: &'static str,
    /// Its package.
    pub package: &'static str,
    /// Files below `src`, by how their paths begin; empty: all.
    pub files: &'static [&'static str],
    /// Root file of the crate, below `src`: the switch is added there.
    pub root: &'static str,
    /// Other members of the workspace that the copy needs.
    pub members: &'static [&'static str],
    /// Flags of the compiler.
    pub flags: &'static str,
    /// Tests that judge it.
    pub tests: &'static [Tests],
    /// A program that the tests start, in `EVENKEEL_BIN`.
    pub program: Option<&'static str>,
}

/// Tests of one package, and how they are built.
#[derive(Clone, Copy, Debug)]
pub struct Tests {
    /// The package.
    pub package: &'static str,
    /// Which of its tests, as arguments for cargo; empty: all.
    pub which: &'static [&'static str],
    /// Flags of the compiler; a target directory of their own goes with other flags.
    pub flags: &'static str,
}

/// Every decision of the broker, judged by the simulator and by unit tests.
pub const CORE: Subject = Subject {
    folder: "core",
    package: "evenkeel-core",
    files: &[],
    root: "lib.rs",
    members: &["core", "sim", "sim/audit", "runtime"],
    flags: CORE_FLAGS,
    tests: &[Tests { package: "evenkeel-core", which: &[], flags: CORE_FLAGS }],
    program: None,
};

const CORE_FLAGS: &str = "--cfg evenkeel_sim --cfg evenkeel_audit";

/// What of the runtime touches the disk and the object store, judged by its unit tests, by the runtime under madsim, and by real
/// processes.
pub const RUNTIME: Subject = Subject {
    folder: "runtime",
    package: "evenkeel",
    files: &["disk", "object", "couriers", "driver"],
    root: "lib.rs",
    members: &["core", "runtime", "sim", "sim/audit", "tests"],
    flags: "",
    tests: &[
        Tests { package: "evenkeel", which: &["--lib"], flags: "" },
        Tests { package: "evenkeel-sim", which: &["--test", "cluster"], flags: "--cfg madsim" },
        Tests {
            package: "evenkeel-tests",
            which: &["--test", "kill", "--test", "store", "--test", "damage"],
            flags: "",
        },
    ],
    program: Some("evenkeel"),
};

/// A copy on the disk, and the mutants in it.
#[derive(Debug)]
pub struct Copy {
    /// Where.
    pub root: PathBuf,
    /// Of what.
    pub subject: Subject,
    /// Every mutant that compiles, by number.
    pub sites: Vec<Site>,
}

impl Copy {
    /// Makes a copy of the workspace at `source` below `target`, and finds out what of it compiles.
    ///
    /// # Errors
    /// A file that cannot be read, written or parsed, or a copy that does not compile for another reason.
    pub fn make(source: &Path, target: &Path, subject: Subject) -> Result<Copy, String> {
        let root = target.join(format!("copy-{}", subject.folder));
        fs::create_dir_all(&root).map_err(|error| format!("{}: {error}", root.display()))?;
        lay_workspace(source, &root, subject)?;
        let list = target.join(format!("does-not-compile-{}", subject.folder));
        let mut left_out = read_list(&list);
        for round in 1..=ROUNDS_MAX {
            let sites = write_sources(source, &root, subject, &left_out)?;
            let copy = Copy { root: root.clone(), subject, sites };
            let wrong = copy.check()?;
            eprintln!("round {round}: {} mutants, {} of them do not compile", copy.sites.len(), wrong.len());
            if wrong.is_empty() {
                return Ok(copy);
            }
            left_out.extend(wrong);
            let lines: Vec<&str> = left_out.iter().map(String::as_str).collect();
            write(&list, &lines.join("\n"))?;
        }
        Err(format!("the copy still does not compile after {ROUNDS_MAX} rounds"))
    }

    /// Cargo in the copy, with its flags.
    #[must_use]
    pub fn cargo(&self, command: &str) -> Command {
        self.cargo_with(command, self.subject.flags)
    }

    /// The same with other flags.
    #[must_use]
    pub fn cargo_with(&self, command: &str, flags: &str) -> Command {
        let mut cargo = Command::new("cargo");
        cargo
            .current_dir(&self.root)
            .args([command, "--profile", "audit", "--quiet"])
            .env("RUSTFLAGS", flags)
            .env("CARGO_TARGET_DIR", self.target(flags))
            .env_remove("CARGO_INCREMENTAL")
            .stdin(Stdio::null());
        cargo
    }

    /// Where it is built. Other flags build everything anew, so they have a folder of their own.
    fn target(&self, flags: &str) -> PathBuf {
        let name: String = flags.chars().filter(char::is_ascii_alphanumeric).collect();
        self.root.join("..").join(format!("build-{name}"))
    }

    /// A program of the copy, built.
    ///
    /// # Errors
    /// It does not build.
    pub fn build(&self, arguments: &[&str], program: &str) -> Result<PathBuf, String> {
        let status =
            self.cargo("build").args(arguments).status().map_err(|error| format!("cargo: {error}"))?;
        if !status.success() {
            return Err(format!("{program} does not build on the copy"));
        }
        Ok(self.target(self.subject.flags).join("audit").join(program))
    }

    /// Keys of the mutants that do not compile.
    fn check(&self) -> Result<BTreeSet<String>, String> {
        let output = self
            .cargo("check")
            .args(["-p", self.subject.package, "--message-format=json"])
            .stderr(Stdio::piped())
            .output()
            .map_err(|error| format!("cargo: {error}"))?;
        if output.status.success() {
            return Ok(BTreeSet::new());
        }
        let mut wrong = BTreeSet::new();
        let mut unplaced = Vec::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
            let message = &message["message"];
            if message["level"] != "error" {
                continue;
            }
            let found = self.blamed(message)?;
            if found.is_empty() && message["spans"].as_array().is_some_and(|spans| !spans.is_empty()) {
                unplaced.push(message["rendered"].as_str().unwrap_or_default().to_owned());
            }
            wrong.extend(found.into_iter().map(|number| self.sites[number as usize].key()));
        }
        if wrong.is_empty() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            return Err(format!("the copy does not compile:\n{}\n{stderr}", unplaced.join("\n")));
        }
        Ok(wrong)
    }

    /// The mutants in which an error lies: of each of its places the innermost.
    fn blamed(&self, message: &Value) -> Result<BTreeSet<u32>, String> {
        let mut numbers = BTreeSet::new();
        let mut spans: Vec<&Value> = message["spans"].as_array().into_iter().flatten().collect();
        // The primary place first; the others only if nothing is there.
        spans.sort_by_key(|span| span["is_primary"] != true);
        for span in spans {
            if !numbers.is_empty() && span["is_primary"] != true {
                break;
            }
            let Some(file) = span["file_name"].as_str() else { continue };
            let path = self.root.join(file);
            if !path.starts_with(self.root.join(self.subject.folder)) {
                continue;
            }
            let text = read(&path)?;
            let at = (number(&span["line_start"]), number(&span["column_start"]).saturating_sub(1));
            numbers.extend(innermost(&text, at)?);
        }
        Ok(numbers)
    }
}

fn number(value: &Value) -> usize {
    value.as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(0)
}

/// The smallest mutated expression around a line and column.
fn innermost(text: &str, at: (usize, usize)) -> Result<Option<u32>, String> {
    struct Search {
        at: (usize, usize),
        best: Option<(usize, usize, u32)>,
    }
    impl Search {
        fn offer(&mut self, spanned: &impl Spanned, number: u32) {
            let span = spanned.span();
            let (start, end) = (span.start(), span.end());
            let within = (start.line, start.column) <= self.at && self.at <= (end.line, end.column);
            let size = (end.line - start.line, end.column);
            if within && self.best.is_none_or(|(lines, column, _)| (size.0, size.1) <= (lines, column)) {
                self.best = Some((size.0, size.1, number));
            }
        }
    }
    impl Visit<'_> for Search {
        fn visit_expr(&mut self, expr: &Expr) {
            match expr {
                Expr::If(branch) => {
                    if let Some(number) = switched(&branch.cond) {
                        self.offer(branch, number);
                    }
                }
                Expr::Call(call) => {
                    if let Some(number) = switched(expr) {
                        self.offer(call, number);
                    }
                }
                _ => {}
            }
            syn::visit::visit_expr(self, expr);
        }
    }
    let tree = syn::parse_file(text).map_err(|error| format!("a file of the copy: {error}"))?;
    let mut search = Search { at, best: None };
    search.visit_file(&tree);
    Ok(search.best.map(|(_, _, number)| number))
}

/// The number in `crate::audit::name(number, ..)`, negated or not.
fn switched(expr: &Expr) -> Option<u32> {
    match expr {
        Expr::Unary(unary) => switched(&unary.expr),
        Expr::Call(call) => {
            let Expr::Path(path) = &*call.func else { return None };
            let segments = &path.path.segments;
            if segments.len() != 3 || segments[1].ident != "audit" {
                return None;
            }
            let Expr::Lit(literal) = call.args.first()? else { return None };
            let syn::Lit::Int(int) = &literal.lit else { return None };
            int.base10_parse().ok()
        }
        _ => None,
    }
}

fn lay_workspace(source: &Path, root: &Path, subject: Subject) -> Result<(), String> {
    for member in subject.members {
        copy_folder(&source.join(member), &root.join(member), &|path| {
            !(path.starts_with(source.join(subject.folder).join("src"))
                && path.extension().is_some_and(|end| end == "rs"))
        })?;
    }
    let manifest = read(&source.join("Cargo.toml"))?;
    let names: Vec<String> = subject.members.iter().map(|member| format!("{member:?}")).collect();
    let list = format!("[{}]", names.join(", "));
    let lines: Vec<String> = manifest
        .lines()
        .map(|line| match line.split_once(" = ") {
            Some((name @ ("members" | "default-members"), _)) => format!("{name} = {list}"),
            _ => line.to_owned(),
        })
        .collect();
    write(&root.join("Cargo.toml"), &(lines.join("\n") + PROFILE))?;
    if !root.join("Cargo.lock").exists() {
        write(&root.join("Cargo.lock"), &read(&source.join("Cargo.lock"))?)?;
    }
    Ok(())
}

/// Writes the sources of the subject, instrumented, and says what is in them.
fn write_sources(
    source: &Path,
    root: &Path,
    subject: Subject,
    left_out: &BTreeSet<String>,
) -> Result<Vec<Site>, String> {
    let folder = source.join(subject.folder).join("src");
    let into = root.join(subject.folder).join("src");
    let mut numbering = Numbering::without(left_out.clone());
    let mut files = Vec::new();
    rust_files(&folder, &mut files)?;
    files.sort();
    let mut trees = Vec::new();
    let mut of_tests = Vec::new();
    for path in files {
        let below = path.strip_prefix(&folder).expect("it was found there").to_owned();
        let name = below.to_string_lossy().replace('\\', "/");
        let text = read(&path)?;
        let tree = syn::parse_file(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        of_tests.extend(modules_of_tests(&tree, &name));
        trees.push((below, name, text, tree));
    }
    for (below, name, text, mut tree) in trees {
        let of_tests = of_tests.iter().any(|begin: &String| {
            name.strip_prefix(begin.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        });
        let wanted = subject.files.is_empty() || subject.files.iter().any(|begin| name.starts_with(begin));
        let mut made = if of_tests || !wanted {
            text
        } else {
            instrument(&mut tree, &name, &mut numbering);
            prettyplease::unparse(&tree)
        };
        if name == subject.root {
            made = add_switch(&made);
        }
        write(&into.join(below), &made)?;
    }
    write(&into.join("audit.rs"), SWITCH)?;
    Ok(numbering.sites)
}

/// The crate's root with the switch in it. Lints say nothing of a copy.
fn add_switch(root: &str) -> String {
    let mut lines: Vec<&str> = root.lines().collect();
    let first = lines
        .iter()
        .position(|line| !line.starts_with("//!") && !line.starts_with("#![") && !line.trim().is_empty())
        .unwrap_or(lines.len());
    lines.insert(first, "#![allow(warnings)]\nextern crate std;\npub mod audit;");
    lines.join("\n") + "\n"
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    each_entry(folder, &mut |path| {
        if path.is_dir() {
            rust_files(&path, found)?;
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
        Ok(())
    })
}

/// Copies files that have changed.
fn copy_folder(from: &Path, to: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<(), String> {
    each_entry(from, &mut |path| {
        let into = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name == "target") {
                return Ok(());
            }
            return copy_folder(&path, &into, wanted);
        }
        if wanted(&path) {
            let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            write_bytes(&into, &bytes)?;
        }
        Ok(())
    })
}

fn each_entry(folder: &Path, act: &mut dyn FnMut(PathBuf) -> Result<(), String>) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(failed)? {
        act(entry.map_err(failed)?.path())?;
    }
    Ok(())
}

fn read_list(path: &Path) -> BTreeSet<String> {
    // Not there before the first copy was made; it only saves time.
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    write_bytes(path, text.as_bytes())
}

/// Writes a file if it says something else now: what has not changed is not built again.
fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), String> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, bytes).map_err(failed)
}
