use super::*;

/// The mutants of a file, as operator and text, and the instrumented text.
fn mutants(text: &str) -> (Vec<(&'static str, String)>, String) {
    let mut tree = syn::parse_file(text).expect("it is Rust");
    let mut numbering = Numbering::default();
    instrument(&mut tree, "file.rs", &mut numbering);
    let sites = numbering.sites.iter().map(|site| (site.operator.name(), site.text.clone())).collect();
    (sites, prettyplease::unparse(&tree))
}

fn has(text: &str, operator: &str, part: &str) -> bool {
    mutants(text).0.iter().any(|(name, text)| *name == operator && text.contains(part))
}

#[test]
fn each_operator_finds_its_place() {
    assert!(has("fn f(a: u8) -> u8 { if a < 3 { 1 } else { 2 } }", "comparison", "a < 3"));
    assert!(has("fn f(a: bool, b: bool) { if a && b { g(); } }", "holds", "a"));
    assert!(has("fn f(a: bool, b: bool) { if a && b { g(); } }", "fails", "b"));
    assert!(has("fn f(a: Option<u8>) { if let Some(x) = a && x.big() { g(); } }", "holds", "x . big ()"));
    assert!(has("fn f(a: u8) -> u8 { a + 1 }", "amount", "a + 1"));
    assert!(has("fn f(a: &[u8]) { a.first(); }", "twin", "a . first ()"));
    assert!(has("fn f(a: &mut A) { a.insert(1); let x = 1; }", "left-out", "a . insert (1)"));
    assert!(has("fn f(a: &mut A) { a.one(); a.two(); }", "order", "a . one () ; a . two () ;"));
    assert!(has("fn f(a: A, b: A) { g(a, b) }", "arguments", "g (b , a)"));
    assert!(has("fn f(a: A) { g(a) }", "return", "return ()"));
    assert!(has("fn f(a: A) -> bool { g(a) }", "return", "return false"));
    assert!(has("fn f(a: A) -> R { g(a)? }", "default", "g (a) ?"));
    assert!(has("fn f(a: A) -> R { R { a: a.b } }", "field", "a : a . b"));
    assert!(has("fn f(a: Vec<A>) { for x in a { g(x) } }", "first", "a"));
    assert!(has("fn f(a: u8) { match a { b if b > 2 => g(), _ => {} } }", "holds", "b > 2"));
    assert!(has("fn f(a: Vec<u8>) { a.iter().filter(|x| x.good()); }", "holds", "x . good ()"));
}

#[test]
fn the_order_of_statements_that_do_not_know_of_each_other_is_no_mutant() {
    let order = |text: &str| has(text, "order", "");
    assert!(!order("fn f(a: &mut A) { a.b.push(1); a.c.push(2); }"));
    assert!(!order("fn f(a: &mut A) { a.b = x; a.c += y; }"));
    assert!(!order("fn f(a: &[A]) { count += 1; all.extend(a.part()); }"));
    assert!(!order("fn f(a: &mut [u8]) { a[0..4].copy_from_slice(x); a[4..8].copy_from_slice(y); }"));
    assert!(order("fn f(a: &mut A) { a.b.push(1); a.c.push(a.b.len()); }"));
    assert!(order("fn f(a: &mut A) { a.b.push(1); a.b.push(2); }"));
    assert!(order("fn f(a: &mut A) { a.b.push(1); a.both(); }"));
    assert!(order("fn f(a: &mut A) { a.b.push(turn); a.c.push(turn); }"));
}

#[test]
fn words_constants_tests_and_planted_bugs_are_left_alone() {
    for text in [
        "const A: u8 = 1 + 2;",
        "static A: u8 = 1 + 2;",
        "const fn f(a: u8) -> u8 { a + 1 }",
        "impl fmt::Display for A { fn fmt(&self) -> R { self.write(1 + 2)?; } }",
        "#[cfg(test)] mod tests { fn f(a: u8) -> u8 { a + 1 } }",
        "#[cfg(test)] fn f(a: u8) -> u8 { a + 1 }",
        "macro_rules! m { () => { 1 + 2 } }",
        "struct A { a: [u8; 1 + 2] }",
    ] {
        assert_eq!(mutants(text).0, [], "{text}");
    }
    let planted = "fn f(a: u8) -> A { if planted(Planted::Wrong) { g(a + 1); } mark(Mark::Here); A }";
    assert_eq!(mutants(planted).0, []);
    assert!(
        mutants("fn f(a: u8) -> A { let b = planted(Planted::Wrong) || a > 1; A }")
            .0
            .iter()
            .all(|(_, text)| !text.contains("planted"))
    );
}

#[test]
fn numbers_go_up_and_equal_texts_are_told_apart() {
    let mut tree = syn::parse_file("fn f(a: A) -> A { a.go(); b(); a.go(); a }").expect("it is Rust");
    let mut numbering = Numbering::default();
    instrument(&mut tree, "file.rs", &mut numbering);
    let sites = &numbering.sites;
    assert!(sites.iter().enumerate().all(|(at, site)| site.number as usize == at));
    let keys: BTreeSet<String> = sites.iter().map(Site::key).collect();
    assert_eq!(keys.len(), sites.len(), "every key is given once");
    assert!(keys.iter().any(|key| key == "file.rs | f | left-out | a . go () ; | 1"), "{keys:?}");
}

#[test]
fn what_does_not_compile_is_left_out_and_the_others_keep_their_keys() {
    let text = "fn f(a: u8) -> u8 { a + 1 - 2 }";
    let mut tree = syn::parse_file(text).expect("it is Rust");
    let mut all = Numbering::default();
    instrument(&mut tree, "file.rs", &mut all);
    let mut tree = syn::parse_file(text).expect("it is Rust");
    let mut fewer = Numbering::without([all.sites[0].key()].into());
    instrument(&mut tree, "file.rs", &mut fewer);
    let keys = |numbering: &Numbering| numbering.sites.iter().map(Site::key).collect::<Vec<_>>();
    assert_eq!(keys(&fewer), keys(&all)[1..]);
}

#[test]
fn modules_of_tests_are_known_by_their_declaration() {
    let tree =
        syn::parse_file("#[cfg(test)] mod tests; mod real; #[cfg(test)]\nmod sample;").expect("it is Rust");
    assert_eq!(modules_of_tests(&tree, "wire.rs"), ["wire/tests", "wire/sample"]);
    assert_eq!(modules_of_tests(&tree, "lib.rs"), ["tests", "sample"]);
}
