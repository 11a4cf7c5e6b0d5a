//! The code that is made: the service, and its client.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, ImplItem, ItemImpl, Type, TypePath};

use crate::definition::{Definition, Handler, HandlerKind, Kind, is_mark};
use crate::options::duration_expression;

pub(crate) fn expand(definition: &Definition) -> TokenStream {
    let block = &definition.block;
    let service = service(definition);
    let client = client(definition);
    quote! {
        #block
        #service
        #client
    }
}

/// The error, and the block as it was: what is right about it should not be reported as missing.
pub(crate) fn refuse(error: &syn::Error, item: TokenStream) -> TokenStream {
    let error = error.to_compile_error();
    let Ok(mut block) = syn::parse2::<ItemImpl>(item.clone()) else {
        return quote!(#error #item);
    };
    for item in &mut block.items {
        if let ImplItem::Fn(method) = item {
            method.attrs.retain(|attribute| !is_mark(attribute));
        }
    }
    quote!(#error #block)
}

fn service(definition: &Definition) -> TokenStream {
    let ty = &definition.block.self_ty;
    let constructor = match definition.kind {
        Kind::Service => quote!(service),
        Kind::Object => quote!(object),
        Kind::Workflow => quote!(workflow),
    };
    let name = &definition.name;
    let documentation = documentation(definition.documentation.as_ref());
    let settings = definition.options.settings();
    let descriptions = definition.handlers.iter().map(describe);
    let arms = definition.handlers.iter().map(|handler| arm(ty, handler));
    quote! {
        impl ::latchwork::handler::Service for #ty {
            fn describe(&self) -> ::latchwork::manifest::Description {
                ::latchwork::manifest::Description::#constructor(#name)
                    #documentation
                    .settings(#settings)
                    #(.handler(#descriptions))*
            }

            fn handle<'a>(
                &'a self,
                handler: &'a str,
                invocation: ::latchwork::handler::Invocation,
            ) -> ::latchwork::handler::Output<'a> {
                match handler {
                    #(#arms)*
                    other => ::latchwork::handler::unknown_handler(other),
                }
            }
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

fn arm(ty: &Type, handler: &Handler) -> TokenStream {
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
            let output = <#ty>::#method(self, #context_ref #argument).await?;
            ::latchwork::handler::output(&output)
        }),
    }
}

fn client(definition: &Definition) -> TokenStream {
    let client = format_ident!("{}Client", definition.type_name);
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
        // Who only offers the service calls no client of it.
        #[allow(dead_code)]
        #[derive(Clone)]
        pub struct #client<C> {
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
    let target = if keyed {
        quote!(::latchwork::Target::keyed(#service, self.key.clone(), #name))
    } else {
        quote!(::latchwork::Target::service(#service, #name))
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
