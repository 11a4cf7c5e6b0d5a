//! The code that is made: the service, and its client.

mod client;
mod contract;

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{ItemImpl, Type};

use crate::definition::{Definition, Kind, Place};
use crate::handler::{Handler, HandlerKind};
use crate::options::duration_expression;

pub(crate) fn expand(kind: Kind, place: &Place) -> TokenStream {
    match place {
        Place::Block(definition, block) => {
            let service = service(definition, block);
            let client = client::client(definition);
            quote!(#block #service #client)
        }
        Place::Trait(definition, item) => {
            let contract = contract::contract(definition, item);
            let client = client::client(definition);
            quote!(#contract #client)
        }
        Place::Implementation(path, block) => {
            let service = contract::implementation(kind, path, block);
            quote!(#block #service)
        }
    }
}

fn service(definition: &Definition, block: &ItemImpl) -> TokenStream {
    let ty = &block.self_ty;
    let description = description(definition);
    let start = start(&quote!(<#ty>), definition);
    quote! {
        impl ::latchwork::handler::Service for #ty {
            fn describe(&self) -> ::latchwork::manifest::Description {
                #description
            }

            fn handle<'a>(
                &'a self,
                handler: &'a str,
                invocation: ::latchwork::handler::Invocation,
            ) -> ::latchwork::handler::Output<'a> {
                let service = self;
                #start
            }
        }
    }
}

/// An expression of type `Description`.
fn description(definition: &Definition) -> TokenStream {
    let constructor = definition.kind.ident();
    let name = &definition.name;
    let documentation = documentation(definition.documentation.as_ref());
    let settings = definition.options.settings();
    let descriptions = definition.handlers.iter().map(describe);
    quote! {
        ::latchwork::manifest::Description::#constructor(#name)
            #documentation
            .settings(#settings)
            #(.handler(#descriptions))*
    }
}

/// An expression of type `Output`, made of `service`, `handler` and `invocation`.
fn start(callee: &TokenStream, definition: &Definition) -> TokenStream {
    let arms = definition
        .handlers
        .iter()
        .map(|handler| arm(callee, handler));
    quote! {
        match handler {
            #(#arms)*
            other => ::latchwork::handler::unknown_handler(other),
        }
    }
}

fn describe(handler: &Handler) -> TokenStream {
    let name = &handler.name;
    let constructor = match handler.kind {
        HandlerKind::Plain | HandlerKind::SharedObject | HandlerKind::SharedWorkflow => {
            quote!(shared)
        }
        HandlerKind::Exclusive => quote!(exclusive),
        HandlerKind::Run => quote!(run),
    };
    let input = handler.input.as_ref().map(|input| {
        let schema = schema(input);
        quote!(.input::<#input>(#schema))
    });
    let output = &handler.output;
    let output_schema = schema(output);
    let documentation = documentation(handler.documentation.as_ref());
    let settings = handler.options.settings();
    let retention = handler.options.workflow_retention.as_ref();
    let retention = retention.map(|(retention, _)| {
        let retention = duration_expression(*retention);
        quote!(.workflow_retention(#retention))
    });
    quote! {
        ::latchwork::manifest::HandlerDescription::#constructor(#name)
            #input
            .output::<#output>(#output_schema)
            #documentation
            .settings(#settings)
            #retention
    }
}

/// The JSON schema of a type, if it has one and schemas are on.
fn schema(ty: &Type) -> TokenStream {
    quote!({
        // Used by types without a schema only; and this is compiled in the user's crate.
        #[allow(unused_imports)]
        use ::latchwork::manifest::WithoutSchema as _;
        ::latchwork::manifest::Schema::<#ty>::OF.json_schema()
    })
}

fn documentation(text: Option<&String>) -> Option<TokenStream> {
    text.map(|text| quote!(.documentation(#text)))
}

/// How a handler is started; `callee` is the path to its method.
fn arm(callee: &TokenStream, handler: &Handler) -> TokenStream {
    let name = &handler.name;
    let method = &handler.method;
    let context = format_ident!("{}", handler.kind.contexts()[0]);
    let (read, argument) = match &handler.input {
        None => (None, None),
        Some(input) => (
            Some(quote!(let input: #input = invocation.input()?;)),
            Some(quote!(, input)),
        ),
    };
    // A context of the wrong kind is blamed on the parameter.
    let context_ref = quote_spanned!(handler.context.span()=> &context);
    quote! {
        #name => ::std::boxed::Box::pin(async move {
            let context = ::latchwork::#context::new(&invocation);
            #read
            let output = #callee::#method(service, #context_ref #argument).await?;
            ::latchwork::handler::output(&output)
        }),
    }
}
