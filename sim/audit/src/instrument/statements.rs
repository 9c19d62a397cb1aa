//! Statements: left out, or in another order; and what a function may return at once.

use syn::{Block, Expr, ReturnType, Stmt, Type, parse_quote, spanned::Spanned, visit_mut};

use crate::{
    instrument::{Instrument, only_words},
    site::{Operator, text_of},
};

impl Instrument<'_> {
    pub(super) fn statements(&mut self, block: &mut Block) {
        let raw = block.clone();
        let mut made: Vec<Stmt> = Vec::with_capacity(raw.stmts.len());
        let mut at = 0;
        while at < raw.stmts.len() {
            let statement = &raw.stmts[at];
            // Of two that could change places the first is told of; the second is looked at as itself next.
            if let Some(next) = raw.stmts.get(at + 1)
                && acts(statement)
                && acts(next)
                && !independent(statement, next)
                && let Some(number) =
                    self.site(Operator::Order, statement.span(), &quote::quote!(#statement #next))
            {
                let (one, two) = (self.single(statement), self.single(next));
                made.push(parse_quote! {
                    if crate::audit::on(#number) { #next #statement } else { #one #two }
                });
                at += 2;
                continue;
            }
            let statement = self.single(statement);
            made.push(statement);
            at += 1;
        }
        block.stmts = made;
    }

    fn single(&mut self, statement: &Stmt) -> Stmt {
        let mut made = statement.clone();
        match &mut made {
            Stmt::Expr(expr, _) => self.expression(expr),
            Stmt::Local(local) => visit_mut::visit_local_mut(self, local),
            Stmt::Item(_) | Stmt::Macro(_) => return made,
        }
        if acts(statement)
            && let Some(number) = self.site(Operator::LeftOut, statement.span(), statement)
        {
            return parse_quote! { if !crate::audit::on(#number) { #made } };
        }
        made
    }
}

/// Whether a statement is there for what it does, and could be left out.
fn acts(statement: &Stmt) -> bool {
    let Stmt::Expr(expr, Some(_)) = statement else { return false };
    match expr {
        Expr::MethodCall(_) | Expr::Call(_) => !only_words(expr),
        Expr::Try(inner) => matches!(&*inner.expr, Expr::MethodCall(_) | Expr::Call(_)),
        Expr::Assign(_) => true,
        Expr::Binary(binary) => is_assignment(&binary.op),
        _ => false,
    }
}

/// Whether two statements plainly do not know of each other: each changes something that the other does not mention, and nothing is
/// lent to both. The core has no interior mutability, so in the other order they do the same.
fn independent(one: &Stmt, other: &Stmt) -> bool {
    let (Some(first), Some(second)) = (changed(one), changed(other)) else { return false };
    let mentions = |statement: &Stmt, place: &str| text_of(statement).contains(place);
    let lends = |statement: &Stmt| ["& mut", "turn", "effects"].iter().any(|lent| mentions(statement, lent));
    let knows = first == second || mentions(one, &second) || mentions(other, &first);
    let shares = lends(one) && lends(other);
    !knows && !shares
}

/// What a statement changes, and through which it does all that it does.
fn changed(statement: &Stmt) -> Option<String> {
    let Stmt::Expr(expr, Some(_)) = statement else { return None };
    let place = match expr {
        Expr::MethodCall(call) => &call.receiver,
        Expr::Assign(assign) => &assign.left,
        Expr::Binary(binary) => &binary.left,
        _ => return None,
    };
    match &**place {
        Expr::Field(_) | Expr::Path(_) => Some(text_of(place)),
        // A range of numbers: another one of the same bytes is elsewhere.
        Expr::Index(index) if matches!(&*index.index, Expr::Range(_)) && is_of_literals(&index.index) => {
            Some(text_of(place))
        }
        _ => None,
    }
}

fn is_of_literals(range: &Expr) -> bool {
    let Expr::Range(range) = range else { return false };
    let literal = |end: &Option<Box<Expr>>| end.as_ref().is_none_or(|end| matches!(**end, Expr::Lit(_)));
    literal(&range.start) && literal(&range.end)
}

fn is_assignment(op: &syn::BinOp) -> bool {
    use syn::BinOp::{AddAssign, BitAndAssign, BitOrAssign, BitXorAssign, MulAssign, ShlAssign, SubAssign};
    matches!(
        op,
        AddAssign(_)
            | SubAssign(_)
            | MulAssign(_)
            | BitOrAssign(_)
            | BitAndAssign(_)
            | BitXorAssign(_)
            | ShlAssign(_)
    )
}

/// What a function of that type may return without having done anything.
pub(super) fn early_values(output: &ReturnType) -> Vec<Expr> {
    let ReturnType::Type(_, output) = output else { return vec![parse_quote!(())] };
    let Type::Path(path) = &**output else { return Vec::new() };
    let Some(last) = path.path.segments.last() else { return Vec::new() };
    match last.ident.to_string().as_str() {
        "bool" => vec![parse_quote!(true), parse_quote!(false)],
        "Option" => vec![parse_quote!(None)],
        "Result" | "Verdict" => vec![parse_quote!(Ok(Default::default()))],
        "Vec" | "VecDeque" | "BTreeMap" | "BTreeSet" | "String" | "Bytes" | "u8" | "u16" | "u32" | "u64"
        | "usize" | "i16" | "i32" | "i64" => vec![parse_quote!(Default::default())],
        _ => Vec::new(),
    }
}
