//! What an `impl` block or a trait says about a service, checked.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Expr, ExprLit, Generics, Ident, ImplItem, Item, ItemImpl, ItemTrait, Lit,
    Meta, Path, Result, TraitItem, Type, TypePath, Visibility,
};

use crate::handler::{Handler, HandlerKind, is_mark};
use crate::options::Options;

/// What becomes of the block.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Service,
    Object,
    Workflow,
}

/// Where an attribute stands.
pub(crate) enum Place {
    /// `impl Greeter`: the service, in one piece.
    Block(Definition, ItemImpl),
    /// `trait Greeter`: what others know of a service.
    Trait(Definition, ItemTrait),
    /// `impl Greeter for Polite`: the service that a trait has defined.
    Implementation(Path, ItemImpl),
}

/// A service, as its callers see it.
pub(crate) struct Definition {
    pub(crate) kind: Kind,
    /// The name of the type or trait.
    pub(crate) ident: Ident,
    /// Of the client.
    pub(crate) visibility: Visibility,
    pub(crate) name: String,
    pub(crate) documentation: Option<String>,
    pub(crate) options: Options,
    pub(crate) handlers: Vec<Handler>,
}

impl Kind {
    /// Its name in code.
    pub(crate) fn ident(self) -> Ident {
        let name = match self {
            Self::Service => "service",
            Self::Object => "object",
            Self::Workflow => "workflow",
        };
        Ident::new(name, Span::call_site())
    }
}

impl Place {
    /// Reads and checks the item. What is meant for here is taken away from it.
    pub(crate) fn parse(kind: Kind, options: TokenStream, item: TokenStream) -> Result<Self> {
        let advice = "put this attribute on an impl block of a type, or on a trait: \
                      impl Greeter { … }, trait Greeter { … }";
        let item: Item = syn::parse2(item).map_err(|error| Error::new(error.span(), advice))?;
        match item {
            Item::Impl(block) => match block.trait_.clone() {
                Some((path, _)) => Self::implementation(options, path, block),
                None => Self::block(kind, options, block),
            },
            Item::Trait(item) => Self::definition(kind, options, item),
            other => Err(Error::new(first_token(other), advice)),
        }
    }

    fn block(kind: Kind, options: TokenStream, mut block: ItemImpl) -> Result<Self> {
        let ident = type_name(&block)?;
        let methods = block.items.iter_mut().filter_map(|item| match item {
            ImplItem::Fn(method) => Some((&mut method.attrs, &method.sig)),
            _ => None,
        });
        let handlers = handlers(kind, methods);
        let visibility = syn::parse_quote!(pub);
        let definition = Definition::new(kind, options, ident, visibility, &block.attrs, handlers)?;
        Ok(Self::Block(definition, block))
    }

    fn definition(kind: Kind, options: TokenStream, mut item: ItemTrait) -> Result<Self> {
        not_generic(&item.generics, "a service is one trait")?;
        let associated = item.items.iter().find_map(|item| match item {
            TraitItem::Type(associated) => Some(associated),
            _ => None,
        });
        if let Some(associated) = associated {
            return Err(Error::new(
                associated.span(),
                "callers must know all types: name the type itself in the handlers, in place of an \
                 associated one",
            ));
        }
        let methods = item.items.iter_mut().filter_map(|item| match item {
            TraitItem::Fn(method) => Some((&mut method.attrs, &method.sig)),
            _ => None,
        });
        let handlers = handlers(kind, methods);
        let ident = item.ident.clone();
        let visibility = item.vis.clone();
        let definition = Definition::new(kind, options, ident, visibility, &item.attrs, handlers)?;
        Ok(Self::Trait(definition, item))
    }

    fn implementation(options: TokenStream, path: Path, block: ItemImpl) -> Result<Self> {
        type_name(&block)?;
        if !options.is_empty() {
            return Err(Error::new(
                options.span(),
                "options belong to the attribute of the trait, where callers see them",
            ));
        }
        for item in &block.items {
            if let ImplItem::Fn(method) = item
                && let Some(mark) = method.attrs.iter().find(|it| is_mark(it))
            {
                return Err(Error::new(
                    mark.span(),
                    "the trait says which methods are handlers: leave this out here",
                ));
            }
        }
        Ok(Self::Implementation(path, block))
    }
}

/// The item without marks: what is right about it should not be reported as missing.
pub(crate) fn without_marks(item: TokenStream) -> TokenStream {
    match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Impl(mut block)) => {
            for item in &mut block.items {
                if let ImplItem::Fn(method) = item {
                    method.attrs.retain(|attribute| !is_mark(attribute));
                }
            }
            quote!(#block)
        }
        Ok(Item::Trait(mut definition)) => {
            for item in &mut definition.items {
                if let TraitItem::Fn(method) = item {
                    method.attrs.retain(|attribute| !is_mark(attribute));
                }
            }
            quote!(#[allow(async_fn_in_trait)] #definition)
        }
        _ => item,
    }
}

impl Definition {
    fn new(
        kind: Kind,
        options: TokenStream,
        ident: Ident,
        visibility: Visibility,
        attributes: &[Attribute],
        handlers: Result<Vec<Handler>>,
    ) -> Result<Self> {
        let (options, handlers) = match (Options::parse(options), handlers) {
            (Ok(options), Ok(handlers)) => (options, handlers),
            (Err(mut error), Err(others)) => {
                error.combine(others);
                return Err(error);
            }
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => return Err(error),
        };
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
            None => ident.to_string(),
        };
        check_handlers(kind, &handlers)?;
        Ok(Self {
            kind,
            ident,
            visibility,
            name,
            documentation: documentation(attributes),
            options,
            handlers,
        })
    }
}

/// The handlers among some methods, or all that is wrong with them.
fn handlers<'m>(
    kind: Kind,
    methods: impl Iterator<Item = (&'m mut Vec<Attribute>, &'m syn::Signature)>,
) -> Result<Vec<Handler>> {
    let mut handlers = Vec::new();
    let mut errors: Option<Error> = None;
    for (attributes, signature) in methods {
        match (Handler::parse(kind, attributes, signature), &mut errors) {
            (Ok(handler), _) => handlers.extend(handler),
            (Err(error), Some(errors)) => errors.combine(error),
            (Err(error), None) => errors = Some(error),
        }
    }
    errors.map_or(Ok(handlers), Err)
}

fn check_handlers(kind: Kind, handlers: &[Handler]) -> Result<()> {
    let span = Span::call_site();
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

/// The name of the one type that a block is of.
fn type_name(block: &ItemImpl) -> Result<Ident> {
    not_generic(&block.generics, "a service is one type")?;
    let name = match &*block.self_ty {
        Type::Path(TypePath { path, .. }) => path.segments.last().map(|it| it.ident.clone()),
        _ => None,
    };
    name.ok_or_else(|| {
        Error::new(
            block.self_ty.span(),
            "a service is a type with a name of its own",
        )
    })
}

fn not_generic(generics: &Generics, what: &str) -> Result<()> {
    if generics.params.is_empty() {
        return Ok(());
    }
    let message = format!("{what}: without generic parameters");
    Err(Error::new(generics.span(), message))
}

fn first_token(item: Item) -> Span {
    let first = quote!(#item).into_iter().next();
    first.map_or_else(Span::call_site, |token| token.span())
}

/// The name rules of the server.
pub(crate) fn check_name(name: &str, span: Span, more: impl Fn(u8) -> bool) -> Result<()> {
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
pub(crate) fn documentation(attributes: &[Attribute]) -> Option<String> {
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
