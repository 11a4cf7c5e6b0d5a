//! A trait that defines a service, and its implementations.
//!
//! ```text
//!   trait Greeter ─▶ the trait, with a hidden constant that knows how to describe and start
//!   impl Greeter for Polite ─▶ impl Service for Polite, by way of that constant
//! ```
//!
//! The attribute on the `impl` sees nothing of the trait but its path, and a blanket `impl` of
//! `Service` would break the rule of orphans: so the trait carries what is needed with it. The
//! constant's name is what the compiler says when the trait has no attribute.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{ItemImpl, ItemTrait, Path, ReturnType, TraitItem, TraitItemFn, parse_quote};

use super::{description, start};
use crate::definition::{Definition, Kind};

/// The trait itself.
pub(super) fn contract(definition: &Definition, item: &ItemTrait) -> TokenStream {
    let mut item = item.clone();
    for bound in [quote!(Send), quote!(Sync)] {
        item.supertraits.push(parse_quote!(::std::marker::#bound));
    }
    item.supertraits.push(parse_quote!('static));
    for method in &mut item.items {
        if let TraitItem::Fn(method) = method
            && definition
                .handlers
                .iter()
                .any(|it| it.method == method.sig.ident)
        {
            promise_send(method);
        }
    }
    let constructor = definition.kind.ident();
    let ident = &definition.ident;
    let description = description(definition);
    let start = start(&quote!(<Self as #ident>), definition);
    item.items.push(parse_quote! {
        #[doc(hidden)]
        const LATCHWORK_ATTRIBUTE_ON_TRAIT: ::latchwork::handler::Definition<Self> =
            ::latchwork::handler::Definition::#constructor(
                || #description,
                |service, handler, invocation| #start,
            );
    });
    // Whoever only calls the service implements no such trait.
    quote!(#[allow(dead_code)] #item)
}

/// `async fn` leaves open whether its future may move between threads: handlers' do.
fn promise_send(method: &mut TraitItemFn) {
    let output = match &method.sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, ty) => ty.to_token_stream(),
    };
    method.sig.asyncness = None;
    method.sig.output = parse_quote! {
        -> impl ::std::future::Future<Output = #output> + ::std::marker::Send
    };
    if let Some(body) = &method.default {
        method
            .attrs
            .push(parse_quote!(#[allow(clippy::manual_async_fn)]));
        method.default = Some(parse_quote!({ async move #body }));
    }
}

/// What makes the implementation of a trait a service.
pub(super) fn implementation(kind: Kind, path: &Path, block: &ItemImpl) -> TokenStream {
    let ty = &block.self_ty;
    let of_kind = format_ident!("of_{}", kind.ident());
    let definition = quote_spanned! {path.span()=>
        <#ty as #path>::LATCHWORK_ATTRIBUTE_ON_TRAIT.#of_kind()
    };
    quote! {
        const _: () = {
            const DEFINITION: ::latchwork::handler::Definition<#ty> = #definition;

            impl ::latchwork::handler::Service for #ty {
                fn describe(&self) -> ::latchwork::manifest::Description {
                    DEFINITION.describe()
                }

                fn handle<'a>(
                    &'a self,
                    handler: &'a str,
                    invocation: ::latchwork::handler::Invocation,
                ) -> ::latchwork::handler::Output<'a> {
                    DEFINITION.handle(self, handler, invocation)
                }
            }
        };
    }
}
