//! Expressions: comparisons, conditions, amounts, twins, arguments, errors, fields, loops.

use syn::{
    BinOp, Expr, ExprBinary, ExprCall, ExprField, ExprMethodCall, ExprPath, FieldValue, Lit, Member,
    parse_quote,
    punctuated::Punctuated,
    spanned::Spanned,
    visit_mut::{self, VisitMut},
};

use crate::{
    instrument::{Instrument, of_planted, only_words},
    site::Operator,
};

/// Methods that are called for one another.
const TWINS: [(&str, &str); 9] = [
    ("first", "last"),
    ("first_key_value", "last_key_value"),
    ("pop_first", "pop_last"),
    ("pop_front", "pop_back"),
    ("push_front", "push_back"),
    ("front", "back"),
    ("min", "max"),
    ("any", "all"),
    ("next", "next_back"),
];

/// Methods whose one argument is an amount.
const AMOUNTS: [&str; 6] =
    ["saturating_sub", "saturating_add", "checked_add", "checked_sub", "wrapping_add", "wrapping_sub"];

/// Methods whose closure is a condition.
const SIEVES: [&str; 10] = [
    "filter",
    "retain",
    "any",
    "all",
    "find",
    "position",
    "is_some_and",
    "is_none_or",
    "take_while",
    "skip_while",
];

impl Instrument<'_> {
    pub(super) fn expression(&mut self, expr: &mut Expr) {
        if only_words(expr) {
            return;
        }
        let raw = expr.clone();
        match expr {
            Expr::If(branch) => {
                if of_planted(&branch.cond) {
                    // The branch of a planted bug is dead; what stands beside it is not.
                    if let Some((_, otherwise)) = &mut branch.else_branch {
                        self.expression(otherwise);
                    }
                    return;
                }
                self.condition(&mut branch.cond, true);
                self.visit_block_mut(&mut branch.then_branch);
                if let Some((_, otherwise)) = &mut branch.else_branch {
                    self.expression(otherwise);
                }
            }
            // A loop that never ends is found by anybody.
            Expr::While(repeated) => {
                self.condition(&mut repeated.cond, false);
                self.visit_block_mut(&mut repeated.body);
            }
            Expr::Binary(ExprBinary { op: BinOp::And(_) | BinOp::Or(_), .. }) => self.condition(expr, true),
            Expr::Binary(_) => self.binary(expr),
            Expr::MethodCall(_) => self.method(expr, &raw),
            Expr::Call(call) => {
                visit_mut::visit_expr_call_mut(self, call);
                let callee = raw.clone();
                if let Expr::Call(ExprCall { args, .. }) = &raw {
                    self.arguments(expr, &callee, args);
                }
            }
            Expr::Try(tried) => {
                self.expression(&mut tried.expr);
                let made = tried.expr.clone();
                if let Some(number) = self.site(Operator::Default, raw.span(), &raw) {
                    *expr = parse_quote! {
                        ({
                            let tried = #made;
                            if crate::audit::failed(#number, &tried) { tried.unwrap_or_default() } else { tried? }
                        })
                    };
                }
            }
            Expr::Struct(made) => {
                for field in &mut made.fields {
                    self.field(field);
                }
                if let Some(rest) = &mut made.rest {
                    self.expression(rest);
                }
            }
            Expr::ForLoop(repeated) => {
                self.expression(&mut repeated.expr);
                self.visit_block_mut(&mut repeated.body);
                if let Some(number) = self.site(Operator::First, repeated.expr.span(), &repeated.expr) {
                    let sequence = &repeated.expr;
                    *repeated.expr = parse_quote!(crate::audit::rest(#number, #sequence));
                }
            }
            Expr::Repeat(repeated) => self.expression(&mut repeated.expr),
            // Conditions of chains are reached from their `if`; constants and words are left alone.
            Expr::Const(_) | Expr::Macro(_) | Expr::Lit(_) | Expr::Path(_) | Expr::Verbatim(_) => {}
            _ => visit_mut::visit_expr_mut(self, expr),
        }
    }

    /// A condition, operand by operand. `both`: it may also be taken to hold.
    pub(super) fn condition(&mut self, expr: &mut Expr, both: bool) {
        match expr {
            Expr::Binary(ExprBinary { left, op: BinOp::And(_) | BinOp::Or(_), right, .. }) => {
                self.condition(left, both);
                self.condition(right, both);
                return;
            }
            Expr::Paren(inner) => return self.condition(&mut inner.expr, both),
            Expr::Let(bound) => return self.expression(&mut bound.expr),
            _ if of_planted(expr) => return,
            _ => {}
        }
        let raw = expr.clone();
        self.expression(expr);
        if let Some(number) = self.site(Operator::Fails, raw.span(), &raw) {
            *expr = parse_quote!(crate::audit::fails(#number, #expr));
        }
        if both && let Some(number) = self.site(Operator::Holds, raw.span(), &raw) {
            *expr = parse_quote!(crate::audit::holds(#number, #expr));
        }
    }

    fn binary(&mut self, expr: &mut Expr) {
        let raw = expr.clone();
        let Expr::Binary(binary) = expr else { return };
        self.expression(&mut binary.left);
        self.expression(&mut binary.right);
        let (left, right) = (&binary.left, &binary.right);
        let named = |name: &str| quote::format_ident!("{name}");
        let compared = match binary.op {
            BinOp::Lt(_) => named("less"),
            BinOp::Le(_) => named("less_or_equal"),
            BinOp::Gt(_) => named("greater"),
            BinOp::Ge(_) => named("greater_or_equal"),
            BinOp::Eq(_) => named("equal"),
            BinOp::Ne(_) => named("not_equal"),
            BinOp::Add(_) | BinOp::Sub(_) => {
                let right = right.clone();
                if let Some(number) = self.site(Operator::Amount, raw.span(), &raw)
                    && let Expr::Binary(binary) = expr
                {
                    *binary.right = parse_quote!(crate::audit::amount(#number, #right));
                }
                return;
            }
            _ => return,
        };
        let (left, right) = (left.clone(), right.clone());
        if let Some(number) = self.site(Operator::Comparison, raw.span(), &raw) {
            *expr = parse_quote!(crate::audit::#compared(#number, &(#left), &(#right)));
        }
    }

    fn method(&mut self, expr: &mut Expr, raw: &Expr) {
        let (Expr::MethodCall(call), Expr::MethodCall(raw)) = (&mut *expr, raw) else { return };
        let name = raw.method.to_string();
        self.expression(&mut call.receiver);
        for argument in &mut call.args {
            match argument {
                Expr::Closure(closure) if SIEVES.contains(&name.as_str()) => {
                    self.condition(&mut closure.body, true);
                }
                other => self.expression(other),
            }
        }
        if AMOUNTS.contains(&name.as_str())
            && let Some(number) = self.site(Operator::Amount, raw.span(), raw)
            && let Some(argument) = call.args.first_mut()
        {
            *argument = parse_quote!(crate::audit::amount(#number, #argument));
        }
        let twin = TWINS.iter().find_map(|(one, other)| match () {
            () if *one == name => Some(*other),
            () if *other == name => Some(*one),
            () => None,
        });
        if let Some(twin) = twin
            && let Some(number) = self.site(Operator::Twin, raw.span(), raw)
        {
            let mut changed = raw.clone();
            changed.method = quote::format_ident!("{twin}");
            *expr = parse_quote! { (if crate::audit::on(#number) { #changed } else { #expr }) };
            return;
        }
        self.arguments(expr, &Expr::MethodCall(raw.clone()), &raw.args);
    }

    /// Neighbouring arguments in each other's place, where each is only a name of something.
    fn arguments(&mut self, expr: &mut Expr, raw: &Expr, args: &Punctuated<Expr, syn::Token![,]>) {
        for at in 1..args.len() {
            if !is_place(&args[at - 1]) || !is_place(&args[at]) {
                continue;
            }
            let mut changed: Vec<Expr> = args.iter().cloned().collect();
            changed.swap(at - 1, at);
            let mut other = raw.clone();
            match &mut other {
                Expr::Call(ExprCall { args, .. }) | Expr::MethodCall(ExprMethodCall { args, .. }) => {
                    *args = changed.into_iter().collect();
                }
                _ => return,
            }
            if let Some(number) = self.site(Operator::Arguments, raw.span(), &other) {
                *expr = parse_quote! { (if crate::audit::on(#number) { #other } else { #expr }) };
            }
        }
    }

    fn field(&mut self, field: &mut FieldValue) {
        let raw = field.expr.clone();
        self.expression(&mut field.expr);
        if has_no_other_default(&raw) {
            return;
        }
        let name = &field.member;
        let text = quote::quote!(#name : #raw);
        if let Some(number) = self.site(Operator::Field, raw.span(), &text) {
            let made = &field.expr;
            field.expr =
                parse_quote! { (if crate::audit::on(#number) { Default::default() } else { #made }) };
            field.colon_token = Some(Default::default());
        }
    }
}

/// A name of something, or a part of it.
fn is_place(expr: &Expr) -> bool {
    match expr {
        Expr::Path(ExprPath { path, .. }) => path.segments.len() == 1,
        Expr::Field(ExprField { base, member, .. }) => {
            is_place(base) && matches!(member, Member::Named(_) | Member::Unnamed(_))
        }
        Expr::Reference(inner) => is_place(&inner.expr),
        Expr::Unary(inner) => is_place(&inner.expr),
        _ => false,
    }
}

/// Whether it is its default already, or plainly has none.
fn has_no_other_default(expr: &Expr) -> bool {
    match expr {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(int) => int.base10_digits() == "0",
            Lit::Bool(bool) => !bool.value,
            Lit::Str(text) => text.value().is_empty(),
            _ => false,
        },
        Expr::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == "None"),
        Expr::Call(call) => {
            let called = crate::site::text_of(&call.func);
            call.args.is_empty() && (called.ends_with("new") || called.ends_with("default"))
        }
        Expr::Macro(_) => true,
        _ => false,
    }
}
