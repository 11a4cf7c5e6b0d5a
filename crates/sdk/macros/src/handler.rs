//! What a method says about a handler, checked.

use proc_macro2::{Span, TokenStream};
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, FnArg, GenericArgument, Ident, Meta, PathArguments, ReceiverKind, Result,
    ReturnType, Signature, Type, TypePath,
};

use crate::definition::{Kind, check_name, documentation};
use crate::options::Options;

/// How a handler runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum HandlerKind {
    /// Any number at once.
    Plain,
    /// One at a time for each key of an object.
    Exclusive,
    /// Beside the exclusive ones of an object.
    SharedObject,
    /// Once for each key of a workflow.
    Run,
    /// Beside the run of a workflow.
    SharedWorkflow,
}

pub(crate) struct Handler {
    pub(crate) kind: HandlerKind,
    pub(crate) method: Ident,
    pub(crate) name: String,
    pub(crate) documentation: Option<String>,
    pub(crate) options: Options,
    pub(crate) context: Type,
    pub(crate) input: Option<Type>,
    pub(crate) output: Type,
}

const SIGNATURE: &str = "async fn name(&self, ctx: &Context, input: T) -> Result<O>";

impl HandlerKind {
    /// Names of the contexts that a handler may take; the first is the one it is given.
    pub(crate) fn contexts(self) -> &'static [&'static str] {
        match self {
            Self::Plain => &["Context"],
            Self::Exclusive => &["ObjectContext", "SharedObjectContext", "Context"],
            Self::SharedObject => &["SharedObjectContext", "Context"],
            Self::Run => &[
                "WorkflowContext",
                "SharedWorkflowContext",
                "SharedObjectContext",
                "Context",
            ],
            Self::SharedWorkflow => &["SharedWorkflowContext", "SharedObjectContext", "Context"],
        }
    }

    fn says(self) -> &'static str {
        match self {
            Self::Plain => "a handler of a service has no state",
            Self::Exclusive => "a handler of an object has no promises",
            Self::SharedObject => "a #[shared] handler of an object may only read state",
            Self::Run => "this is the run of a workflow",
            Self::SharedWorkflow => "a #[shared] handler of a workflow may only read state",
        }
    }
}

impl Handler {
    /// The handler that a method is, if it is marked as one. The marks are taken away.
    pub(crate) fn parse(
        kind: Kind,
        attributes: &mut Vec<Attribute>,
        signature: &Signature,
    ) -> Result<Option<Self>> {
        let marks: Vec<Attribute> = attributes.extract_if(.., |it| is_mark(it)).collect();
        let shared = marks.iter().any(|mark| mark.path().is_ident("shared"));
        let Some(first) = marks.first() else {
            return Ok(None);
        };
        let handler_kind = match (kind, shared) {
            (Kind::Service, true) => {
                return Err(Error::new(
                    first.span(),
                    "handlers of a service always run beside each other: write #[handler]",
                ));
            }
            (Kind::Service, false) => HandlerKind::Plain,
            (Kind::Object, true) => HandlerKind::SharedObject,
            (Kind::Object, false) => HandlerKind::Exclusive,
            (Kind::Workflow, true) => HandlerKind::SharedWorkflow,
            (Kind::Workflow, false) => HandlerKind::Run,
        };
        let mut tokens = TokenStream::new();
        for attribute in &marks {
            if let Meta::List(list) = &attribute.meta {
                if !tokens.is_empty() {
                    tokens.extend(quote::quote!(,));
                }
                tokens.extend(list.tokens.clone());
            }
        }
        let options = Options::parse(tokens)?;
        let method = signature.ident.clone();
        let name = match &options.name {
            Some((name, span)) => {
                check_name(name, *span, |_| false)?;
                name.clone()
            }
            None => method.to_string().trim_start_matches("r#").to_owned(),
        };
        let (context, input) = parameters(handler_kind, signature)?;
        Ok(Some(Self {
            kind: handler_kind,
            method,
            name,
            documentation: documentation(attributes),
            options,
            context,
            input,
            output: output(signature)?,
        }))
    }
}

/// Whether an attribute marks a method as a handler.
pub(crate) fn is_mark(attribute: &Attribute) -> bool {
    attribute.path().is_ident("handler") || attribute.path().is_ident("shared")
}

/// The types of the context and of the input.
fn parameters(kind: HandlerKind, signature: &Signature) -> Result<(Type, Option<Type>)> {
    let wrong = |span: Span, what: &str| {
        Err(Error::new(
            span,
            format!("{what}: a handler is {SIGNATURE}"),
        ))
    };
    if signature.asyncness.is_none() {
        return wrong(signature.fn_token.span(), "this method is not async");
    }
    if !signature.generics.params.is_empty() {
        return wrong(signature.generics.span(), "this method is generic");
    }
    let mut inputs = signature.inputs.iter();
    match inputs.next() {
        Some(FnArg::Receiver(receiver))
            if matches!(receiver.kind, ReceiverKind::Reference(_, _, None)) => {}
        Some(other) => return wrong(other.span(), "the first parameter is not &self"),
        None => return wrong(signature.ident.span(), "this method has no &self"),
    }
    let wanted = kind.contexts()[0];
    let context = match inputs.next() {
        Some(FnArg::Typed(parameter)) => match &*parameter.ty {
            Type::Reference(reference) if reference.mutability.is_none() => {
                (*reference.elem).clone()
            }
            other => {
                let message = format!("a context is borrowed: write &{wanted}");
                return Err(Error::new(other.span(), message));
            }
        },
        _ => {
            let message = format!("the context is missing: write ctx: &{wanted} behind &self");
            return Err(Error::new(signature.ident.span(), message));
        }
    };
    if let Some(name) = last_name(&context) {
        const ALL: [&str; 5] = [
            "Context",
            "SharedObjectContext",
            "ObjectContext",
            "SharedWorkflowContext",
            "WorkflowContext",
        ];
        let name = name.to_string();
        if ALL.contains(&&*name) && !kind.contexts().contains(&&*name) {
            let message = format!("{}: take &{wanted} here", kind.says());
            return Err(Error::new(context.span(), message));
        }
    }
    let input = match inputs.next() {
        Some(FnArg::Typed(parameter)) => Some((*parameter.ty).clone()),
        _ => None,
    };
    if let Some(Type::Reference(reference)) = &input {
        return Err(Error::new(
            reference.span(),
            "the input comes from outside and is owned: write String instead of &str, T instead of &T",
        ));
    }
    if let Some(more) = inputs.next() {
        return Err(Error::new(
            more.span(),
            "a handler has one input: put several values into a struct or a tuple",
        ));
    }
    Ok((context, input))
}

/// The type in `Result<O>`.
fn output(signature: &Signature) -> Result<Type> {
    if let ReturnType::Type(_, ty) = &signature.output
        && let Type::Path(TypePath { path, .. }) = &**ty
        && let Some(last) = path.segments.last()
        && last.ident.to_string().ends_with("Result")
        && let PathArguments::AngleBracketed(arguments) = &last.arguments
        && let Some(GenericArgument::Type(output)) = arguments.args.first()
    {
        return Ok(output.clone());
    }
    let span = match &signature.output {
        ReturnType::Default => signature.ident.span(),
        ReturnType::Type(_, ty) => ty.span(),
    };
    Err(Error::new(
        span,
        "a handler returns latchwork::Result<O>, or Result<O, E> with an error E; without an output \
         write Result<()>",
    ))
}

fn last_name(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Path(TypePath { path, .. }) => path.segments.last().map(|it| &it.ident),
        _ => None,
    }
}
