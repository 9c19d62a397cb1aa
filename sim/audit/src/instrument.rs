//! One file of source with every mutation behind its number.
//!
//! Nothing is known here of types: what does not compile is found by the compiler, and left out the next time
//! ([`crate::copy`]). What mutates keeps the code as it was beside it, so that a copy with no number switched on does what the
//! original does.

mod expressions;
mod statements;

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::Span;
use syn::{
    Attribute, Expr, File, ImplItemFn, Item, ItemFn, ItemImpl, Signature, Type, parse_quote,
    visit_mut::{self, VisitMut},
};

use crate::site::{Operator, Site, text_of};

/// Calls that say something to people or to the simulator and change nothing.
const WORDS: [&str; 4] = ["mark", "tell", "planted", "plant"];
/// Traits whose methods make words, or are what the compiler would derive.
const TRAITS_OF_WORDS: [&str; 4] = ["Display", "Debug", "LowerHex", "Error"];

/// Numbers for the mutants of a whole crate.
#[derive(Debug, Default)]
pub struct Numbering {
    /// All of them, by number.
    pub sites: Vec<Site>,
    /// Keys of those that do not compile.
    left_out: BTreeSet<String>,
    seen: BTreeMap<String, u32>,
}

impl Numbering {
    /// A numbering that leaves out these keys.
    #[must_use]
    pub fn without(left_out: BTreeSet<String>) -> Numbering {
        Numbering { left_out, ..Numbering::default() }
    }
}

/// Instruments one file. `file`: its path below `src`.
pub fn instrument(tree: &mut File, file: &str, numbering: &mut Numbering) {
    let mut visitor = Instrument { file, items: Vec::new(), numbering };
    visitor.visit_file_mut(tree);
}

/// Modules in files of their own that are compiled for tests only, as paths below `src` without an ending.
#[must_use]
pub fn modules_of_tests(tree: &File, file: &str) -> Vec<String> {
    let folder = match file.strip_suffix(".rs").unwrap_or(file) {
        "lib" | "main" => String::new(),
        module => format!("{module}/"),
    };
    let modules = tree.items.iter().filter_map(|item| match item {
        Item::Mod(module) if module.content.is_none() && of_tests(&module.attrs) => Some(&module.ident),
        _ => None,
    });
    modules.map(|name| format!("{folder}{name}")).collect()
}

pub(crate) struct Instrument<'a> {
    file: &'a str,
    items: Vec<String>,
    numbering: &'a mut Numbering,
}

impl Instrument<'_> {
    /// A number for a mutant, unless it is known not to compile.
    fn site(&mut self, operator: Operator, span: Span, code: &impl quote::ToTokens) -> Option<u32> {
        let number = u32::try_from(self.numbering.sites.len()).expect("a crate has less than 2^32 places");
        let mut site = Site {
            number,
            file: self.file.to_owned(),
            line: span.start().line,
            item: self.items.join("::"),
            operator,
            text: text_of(code),
            ordinal: 0,
        };
        let seen = self.numbering.seen.entry(site.key()).or_default();
        site.ordinal = *seen;
        *seen += 1;
        if self.numbering.left_out.contains(&site.key()) {
            return None;
        }
        self.numbering.sites.push(site);
        Some(number)
    }

    fn within(&mut self, item: String, visit: impl FnOnce(&mut Self)) {
        self.items.push(item);
        visit(self);
        self.items.pop();
    }

    /// A function that returns at once, where there is something that it can return.
    fn return_at_once(&mut self, signature: &Signature, block: &mut syn::Block) {
        let values = statements::early_values(&signature.output);
        for value in values {
            let span = signature.ident.span();
            let text: Expr = parse_quote!(return #value);
            if let Some(number) = self.site(Operator::Return, span, &text) {
                block.stmts.insert(0, parse_quote! { if crate::audit::on(#number) { return #value; } });
            }
        }
    }

    fn function(&mut self, signature: &Signature, block: &mut syn::Block) {
        if signature.constness.is_some() {
            return;
        }
        self.within(signature.ident.to_string(), |this| {
            this.visit_block_mut(block);
            this.return_at_once(signature, block);
        });
    }
}

impl VisitMut for Instrument<'_> {
    fn visit_item_mut(&mut self, item: &mut Item) {
        match item {
            Item::Fn(ItemFn { attrs, sig, block, .. }) if !of_tests(attrs) => self.function(sig, block),
            Item::Impl(item) if !of_tests(&item.attrs) => self.visit_item_impl_mut(item),
            Item::Mod(item) if !of_tests(&item.attrs) => {
                let name = item.ident.to_string();
                self.within(name, |this| visit_mut::visit_item_mod_mut(this, item));
            }
            Item::Trait(item) => {
                let name = item.ident.to_string();
                self.within(name, |this| {
                    for item in &mut item.items {
                        if let syn::TraitItem::Fn(function) = item
                            && let Some(block) = &mut function.default
                        {
                            this.function(&function.sig, block);
                        }
                    }
                });
            }
            // Constants are computed before anything can be switched; macros are not looked into.
            _ => {}
        }
    }

    fn visit_item_impl_mut(&mut self, item: &mut ItemImpl) {
        let of_trait = item.trait_.as_ref().and_then(|(path, _)| path.segments.last());
        if of_trait.is_some_and(|last| TRAITS_OF_WORDS.contains(&last.ident.to_string().as_str())) {
            return;
        }
        let name = match &*item.self_ty {
            Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            other => Some(text_of(other)),
        };
        self.within(name.unwrap_or_default(), |this| {
            for item in &mut item.items {
                if let syn::ImplItem::Fn(ImplItemFn { attrs, sig, block, .. }) = item
                    && !of_tests(attrs)
                {
                    this.function(sig, block);
                }
            }
        });
    }

    fn visit_block_mut(&mut self, block: &mut syn::Block) {
        self.statements(block);
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        self.expression(expr);
    }

    fn visit_pat_mut(&mut self, pat: &mut syn::Pat) {
        // Of a pattern only a guard can be wrong by itself.
        if let syn::Pat::Guard(guarded) = pat {
            self.condition(&mut guarded.guard, true);
        }
    }

    fn visit_type_mut(&mut self, _: &mut Type) {}

    fn visit_attribute_mut(&mut self, _: &mut Attribute) {}
}

/// Whether this is compiled for tests only.
fn of_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let text = text_of(attribute);
        text.contains("cfg (test)")
            || text.contains("cfg(test)")
            || text.contains("[test]")
            || text == "# [test]"
    })
}

/// Whether that only says something, or is a planted bug.
fn only_words(expr: &Expr) -> bool {
    let called = match expr {
        Expr::MethodCall(call) => Some(call.method.to_string()),
        Expr::Call(call) => match &*call.func {
            Expr::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            _ => None,
        },
        Expr::Macro(_) => return true,
        Expr::Unary(unary) => return only_words(&unary.expr),
        Expr::Paren(paren) => return only_words(&paren.expr),
        _ => None,
    };
    called.is_some_and(|name| WORDS.contains(&name.as_str()))
}

/// Whether a condition has to do with a planted bug.
fn of_planted(expr: &Expr) -> bool {
    let text = text_of(expr);
    text.contains("planted (") || text.contains("planted(")
}

#[cfg(test)]
mod tests;
