//! Options of the attributes: names, settings, durations.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Error, Expr, ExprLit, Lit, Meta, MetaList, Result, Token};

/// What was written in the parentheses of an attribute.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) name: Option<(String, Span)>,
    pub(crate) workflow_retention: Option<(Duration, Span)>,
    /// Fields of `Settings` that are set, with their values.
    settings: Vec<(&'static str, TokenStream)>,
}

const KNOWN: &str = "name, private, lazy_state, inactivity_timeout, abort_timeout, \
    journal_retention, idempotency_retention, workflow_retention, retry(…)";
const KNOWN_RETRY: &str = "initial_delay, max_delay, factor, max_attempts, then";

impl Options {
    pub(crate) fn parse(tokens: TokenStream) -> Result<Self> {
        let mut options = Self::default();
        for meta in list(tokens)? {
            options.option(&meta)?;
        }
        Ok(options)
    }

    fn option(&mut self, meta: &Meta) -> Result<()> {
        let name = meta.path().to_token_stream().to_string();
        match name.as_str() {
            "name" => self.name = Some((text(meta)?, meta.span())),
            "private" => self.set("private", flag(meta)?),
            "lazy_state" => self.set("lazy_state", flag(meta)?),
            "inactivity_timeout" => self.set("inactivity_timeout", duration_tokens(meta)?),
            "abort_timeout" => self.set("abort_timeout", duration_tokens(meta)?),
            "journal_retention" => self.set("journal_retention", duration_tokens(meta)?),
            "idempotency_retention" => self.set("idempotency_retention", duration_tokens(meta)?),
            "workflow_retention" => {
                self.workflow_retention = Some((duration(meta)?, meta.span()));
            }
            "retry" => {
                let Meta::List(MetaList { tokens, .. }) = meta else {
                    let message = format!("write retry(max_attempts = 5); it has {KNOWN_RETRY}");
                    return Err(Error::new(meta.span(), message));
                };
                for meta in list(tokens.clone())? {
                    self.retry(&meta)?;
                }
            }
            _ => {
                let message = format!("there is no option `{name}`; there are {KNOWN}");
                return Err(Error::new(meta.span(), message));
            }
        }
        Ok(())
    }

    fn retry(&mut self, meta: &Meta) -> Result<()> {
        let name = meta.path().to_token_stream().to_string();
        match name.as_str() {
            "initial_delay" => self.set("retry_initial_delay", duration_tokens(meta)?),
            "max_delay" => self.set("retry_max_delay", duration_tokens(meta)?),
            "factor" => {
                let factor = match literal(meta)? {
                    Lit::Float(factor) => factor.base10_parse::<f64>()?,
                    Lit::Int(factor) => factor.base10_parse::<u32>()?.into(),
                    other => return Err(Error::new(other.span(), "write a number: factor = 2.0")),
                };
                if factor < 1.0 {
                    return Err(Error::new(
                        meta.span(),
                        "pauses must not get shorter: the factor is at least 1",
                    ));
                }
                self.set("retry_factor", quote!(#factor));
            }
            "max_attempts" => match literal(meta)? {
                Lit::Int(attempts) => {
                    let attempts: u64 = attempts.base10_parse()?;
                    if attempts == 0 {
                        return Err(Error::new(
                            meta.span(),
                            "the first attempt counts: write 1 for no retries",
                        ));
                    }
                    self.set("retry_max_attempts", quote!(#attempts));
                }
                other => {
                    let message = "write a whole number: max_attempts = 5";
                    return Err(Error::new(other.span(), message));
                }
            },
            "then" => {
                let then = match text(meta)?.as_str() {
                    "pause" => quote!(::latchwork::manifest::AfterRetries::Pause),
                    "kill" => quote!(::latchwork::manifest::AfterRetries::Kill),
                    _ => {
                        return Err(Error::new(
                            meta.span(),
                            "write then = \"pause\" or then = \"kill\"",
                        ));
                    }
                };
                self.set("retry_then", then);
            }
            _ => {
                let message = format!("retry has no `{name}`; it has {KNOWN_RETRY}");
                return Err(Error::new(meta.span(), message));
            }
        }
        Ok(())
    }

    fn set(&mut self, field: &'static str, value: TokenStream) {
        self.settings.push((field, value));
    }

    /// An expression of type `Settings`.
    pub(crate) fn settings(&self) -> TokenStream {
        let fields = self.settings.iter().map(|(field, value)| {
            let field = syn::Ident::new(field, Span::call_site());
            quote!(settings.#field = ::std::option::Option::Some(#value);)
        });
        if self.settings.is_empty() {
            return quote!(::std::default::Default::default());
        }
        quote!({
            let mut settings: ::latchwork::manifest::Settings = ::std::default::Default::default();
            #(#fields)*
            settings
        })
    }
}

/// An expression of type `Duration`.
pub(crate) fn duration_expression(duration: Duration) -> TokenStream {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    quote!(::std::time::Duration::from_millis(#millis))
}

fn list(tokens: TokenStream) -> Result<Punctuated<Meta, Token![,]>> {
    Punctuated::<Meta, Token![,]>::parse_terminated.parse2(tokens)
}

fn literal(meta: &Meta) -> Result<Lit> {
    match meta {
        Meta::NameValue(pair) => match &pair.value {
            Expr::Lit(ExprLit { lit, .. }) => Ok(lit.clone()),
            other => Err(Error::new(other.span(), "write a literal here")),
        },
        other => Err(Error::new(
            other.span(),
            "this option needs a value: write `= …` behind it",
        )),
    }
}

fn text(meta: &Meta) -> Result<String> {
    match literal(meta)? {
        Lit::Str(text) => Ok(text.value()),
        other => Err(Error::new(other.span(), "write a text in quotes here")),
    }
}

fn flag(meta: &Meta) -> Result<TokenStream> {
    match meta {
        Meta::Path(_) => Ok(quote!(true)),
        _ => match literal(meta)? {
            Lit::Bool(flag) => Ok(flag.to_token_stream()),
            other => Err(Error::new(
                other.span(),
                "write true or false, or leave the value out for true",
            )),
        },
    }
}

fn duration_tokens(meta: &Meta) -> Result<TokenStream> {
    Ok(duration_expression(duration(meta)?))
}

/// `"30s"`, `"100ms"`, `"5m"`, `"1h"`, `"7d"`.
fn duration(meta: &Meta) -> Result<Duration> {
    let text = text(meta)?;
    let unit_at = text
        .find(|it: char| !it.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let millis = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let number: Option<u64> = number.parse().ok();
    number
        .zip(millis)
        .and_then(|(number, unit)| number.checked_mul(unit))
        .map(Duration::from_millis)
        .ok_or_else(|| {
            let message = format!(
                "{text:?} is no duration: write a whole number and ms, s, m, h or d, as in \"30s\""
            );
            Error::new(meta.span(), message)
        })
}
