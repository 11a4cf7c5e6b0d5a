//! The client of a service, for handlers and for the outside.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Ident, Type, TypePath};

use crate::definition::{Definition, Kind};
use crate::handler::{Handler, HandlerKind};

pub(super) fn client(definition: &Definition) -> TokenStream {
    let client = format_ident!("{}Client", definition.ident);
    let visibility = &definition.visibility;
    let name = &definition.name;
    let keyed = definition.kind != Kind::Service;
    let about = format!("Calls the handlers of {name}, from another handler or from outside.");
    let methods = definition
        .handlers
        .iter()
        .map(|handler| client_method(name, keyed, handler));
    let (field, parameter, init, new_about) = if keyed {
        (
            quote!(key: ::std::string::String,),
            quote!(, key: impl ::std::convert::Into<::std::string::String>),
            quote!(key: key.into(),),
            "A client for one key, that calls through the context of a handler or a connection.",
        )
    } else {
        (
            quote!(),
            quote!(),
            quote!(),
            "A client that calls through the context of a handler or a connection.",
        )
    };
    quote! {
        #[doc = #about]
        // Whoever only offers the service calls no client of it.
        #[allow(dead_code)]
        #[derive(Clone)]
        #visibility struct #client<C> {
            caller: C,
            #field
        }

        #[allow(dead_code, private_interfaces)]
        impl<C: ::latchwork::Caller> #client<C> {
            #[doc = #new_about]
            pub fn new(caller: C #parameter) -> Self {
                Self { caller, #init }
            }

            #(#methods)*
        }
    }
}

fn client_method(service: &str, keyed: bool, handler: &Handler) -> TokenStream {
    let method = &handler.method;
    let name = &handler.name;
    let output = &handler.output;
    let documentation = match &handler.documentation {
        Some(text) => text.clone(),
        None => format!("Calls {name}."),
    };
    let target = match (keyed, handler.kind) {
        (_, HandlerKind::Run) => {
            quote!(::latchwork::Target::run(#service, self.key.clone(), #name))
        }
        (true, _) => quote!(::latchwork::Target::keyed(#service, self.key.clone(), #name)),
        (false, _) => quote!(::latchwork::Target::service(#service, #name)),
    };
    let (parameter, value) = match &handler.input {
        None => (None, quote!(())),
        Some(ty) if is_string(ty) => (
            Some(quote!(, input: impl ::std::convert::Into<#ty>)),
            quote!({
                let input: #ty = input.into();
                input
            }),
        ),
        Some(ty) => (Some(quote!(, input: #ty)), quote!(input)),
    };
    quote! {
        #[doc = #documentation]
        pub fn #method(&self #parameter) -> C::Call<#output> {
            let input = #value;
            self.caller.call(#target, ::latchwork::Parameter::of(&input))
        }
    }
}

/// A text may be given as anything that becomes one.
fn is_string(ty: &Type) -> bool {
    let last = match ty {
        Type::Path(TypePath { path, .. }) => path.segments.last(),
        _ => None,
    };
    let name: Option<&Ident> = last.map(|segment| &segment.ident);
    name.is_some_and(|name| name == "String")
}
