//! What an `impl` block says about a service, checked.

use proc_macro2::{Span, TokenStream};
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Expr, ExprLit, FnArg, GenericArgument, Ident, ImplItem, ImplItemFn, ItemImpl,
    Lit, Meta, PathArguments, ReceiverKind, Result, ReturnType, Type, TypePath,
};

use crate::options::Options;

/// What becomes of the block.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Service,
    Object,
    Workflow,
}

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

pub(crate) struct Definition {
    pub(crate) kind: Kind,
    /// The block without the attributes that are meant for here.
    pub(crate) block: ItemImpl,
    pub(crate) type_name: Ident,
    pub(crate) name: String,
    pub(crate) documentation: Option<String>,
    pub(crate) options: Options,
    pub(crate) handlers: Vec<Handler>,
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

impl Definition {
    pub(crate) fn parse(kind: Kind, options: TokenStream, item: TokenStream) -> Result<Self> {
        let span = Span::call_site();
        let mut block: ItemImpl = syn::parse2(item).map_err(|error| {
            Error::new(
                error.span(),
                "put this attribute on an impl block of a type: impl Greeter { … }",
            )
        })?;
        if let Some((path, _)) = &block.trait_ {
            return Err(Error::new(
                path.span(),
                "put this attribute on the type's own impl block, not on that of a trait",
            ));
        }
        if !block.generics.params.is_empty() {
            return Err(Error::new(
                block.generics.span(),
                "a service is one type: without generic parameters",
            ));
        }
        let type_name = match &*block.self_ty {
            Type::Path(TypePath { path, .. }) => path.segments.last().map(|it| it.ident.clone()),
            _ => None,
        };
        let type_name = type_name.ok_or_else(|| {
            Error::new(
                block.self_ty.span(),
                "a service is a type with a name of its own",
            )
        })?;
        let options = Options::parse(options)?;
        if let Some((_, span)) = &options.workflow_retention {
            return Err(Error::new(
                *span,
                "workflow_retention belongs to the run of a workflow: #[handler(workflow_retention = \"1d\")]",
            ));
        }
        let name = match &options.name {
            Some((name, span)) => {
                check_name(name, *span, |byte| matches!(byte, b'.' | b'-'))?;
                name.clone()
            }
            None => type_name.to_string(),
        };
        let mut handlers = Vec::new();
        let mut errors: Option<Error> = None;
        for item in &mut block.items {
            if let ImplItem::Fn(method) = item {
                match Handler::parse(kind, method) {
                    Ok(None) => {}
                    Ok(Some(handler)) => handlers.push(handler),
                    Err(error) => match &mut errors {
                        Some(errors) => errors.combine(error),
                        None => errors = Some(error),
                    },
                }
            }
        }
        if let Some(errors) = errors {
            return Err(errors);
        }
        check_handlers(kind, &handlers, span)?;
        Ok(Self {
            kind,
            documentation: documentation(&block.attrs),
            block,
            type_name,
            name,
            options,
            handlers,
        })
    }
}

fn check_handlers(kind: Kind, handlers: &[Handler], span: Span) -> Result<()> {
    if handlers.is_empty() {
        return Err(Error::new(
            span,
            "there is nothing to call here: mark a method with #[handler]",
        ));
    }
    for (at, handler) in handlers.iter().enumerate() {
        if handlers[..at].iter().any(|it| it.name == handler.name) {
            let message = format!("there is another handler {:?}", handler.name);
            return Err(Error::new(handler.method.span(), message));
        }
        if let Some((_, span)) = &handler.options.workflow_retention
            && handler.kind != HandlerKind::Run
        {
            return Err(Error::new(
                *span,
                "workflow_retention belongs to the run of a workflow, its one #[handler]",
            ));
        }
    }
    if kind == Kind::Workflow {
        let mut runs = handlers.iter().filter(|it| it.kind == HandlerKind::Run);
        if runs.next().is_none() {
            return Err(Error::new(
                span,
                "a workflow needs a run: mark the one method that is the workflow with #[handler]",
            ));
        }
        if let Some(second) = runs.next() {
            return Err(Error::new(
                second.method.span(),
                "a workflow has one run: mark the methods beside it with #[shared]",
            ));
        }
    }
    Ok(())
}

impl Handler {
    /// The handler that a method is, if it is marked as one.
    fn parse(kind: Kind, method: &mut ImplItemFn) -> Result<Option<Self>> {
        let mut marks = Vec::new();
        method.attrs.retain(|attribute| {
            if is_mark(attribute) {
                marks.push(attribute.clone());
                return false;
            }
            true
        });
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
        let method_name = method.sig.ident.clone();
        let name = match &options.name {
            Some((name, span)) => {
                check_name(name, *span, |_| false)?;
                name.clone()
            }
            None => method_name.to_string().trim_start_matches("r#").to_owned(),
        };
        let (context, input) = parameters(handler_kind, method)?;
        Ok(Some(Self {
            kind: handler_kind,
            method: method_name,
            name,
            documentation: documentation(&method.attrs),
            options,
            context,
            input,
            output: output(method)?,
        }))
    }
}

/// Whether an attribute marks a method as a handler.
pub(crate) fn is_mark(attribute: &Attribute) -> bool {
    attribute.path().is_ident("handler") || attribute.path().is_ident("shared")
}

/// The types of the context and of the input.
fn parameters(kind: HandlerKind, method: &ImplItemFn) -> Result<(Type, Option<Type>)> {
    let signature = &method.sig;
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
fn output(method: &ImplItemFn) -> Result<Type> {
    if let ReturnType::Type(_, ty) = &method.sig.output
        && let Type::Path(TypePath { path, .. }) = &**ty
        && let Some(last) = path.segments.last()
        && last.ident.to_string().ends_with("Result")
        && let PathArguments::AngleBracketed(arguments) = &last.arguments
        && let Some(GenericArgument::Type(output)) = arguments.args.first()
    {
        return Ok(output.clone());
    }
    let span = match &method.sig.output {
        ReturnType::Default => method.sig.ident.span(),
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

/// The name rules of the server.
fn check_name(name: &str, span: Span, more: impl Fn(u8) -> bool) -> Result<()> {
    let bytes = name.as_bytes();
    let begins = match bytes {
        [first, ..] if first.is_ascii_alphabetic() => true,
        [b'_', second, ..] => second.is_ascii_alphanumeric(),
        _ => false,
    };
    let whole = bytes
        .iter()
        .all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_' || more(byte));
    let reserved = name == "openapi" || name.to_ascii_lowercase().starts_with("restate");
    if begins && whole && !(reserved && more(b'.')) {
        return Ok(());
    }
    let message = if reserved && begins && whole {
        format!(
            "{name:?} is reserved: take a name that does not begin with restate and is not openapi"
        )
    } else {
        format!(
            "{name:?} cannot be a name: it begins with a letter and has letters, digits and _ (a \
             service also . and -)"
        )
    };
    Err(Error::new(span, message))
}

/// The text of the doc comments.
fn documentation(attributes: &[Attribute]) -> Option<String> {
    let lines: Vec<String> = attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
                Expr::Lit(ExprLit {
                    lit: Lit::Str(text),
                    ..
                }) => Some(text.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        })
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}
