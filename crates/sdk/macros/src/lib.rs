//! The attributes of `latchwork-sdk`: from an `impl` block or a trait to a service and its client.
//!
//! ```text
//!   #[service] impl T { … }    ─▶ definition.rs, handler.rs  what it says, checked
//!              trait T { … }   ─▶ expand/                    impl Service for T, struct TClient
//!              impl T for X    ─▶ expand/contract.rs         impl Service for X
//!   (name = …, retry(…))       ─▶ options.rs
//! ```
//!
//! What is wrong is said at the place where it is, and what to write instead. Deliberately absent:
//! any decision about running handlers; the code that is made only calls `latchwork`.

mod definition;
mod expand;
mod handler;
mod options;

use proc_macro::TokenStream;
use quote::quote;

use definition::{Kind, Place, without_marks};

/// Makes a plain service of an `impl` block: its methods with `#[handler]` can be called by name,
/// any number of them at once.
///
/// A handler is `async fn name(&self, ctx: &Context, input: T) -> Result<O>`; the input may be left
/// out. Types of inputs and outputs are those that serde knows, or `Raw`. Beside the service a
/// client is made: `GreeterClient::new(ctx).greet("Ada").await`.
///
/// Options of the attribute and of `#[handler(…)]`: `name = "…"`, `private`, `lazy_state`,
/// `inactivity_timeout`, `abort_timeout`, `journal_retention`, `idempotency_retention` (texts such
/// as `"30s"`), and `retry(initial_delay = "100ms", max_delay = "10s", factor = 2.0,
/// max_attempts = 5, then = "pause" or "kill")`.
///
/// On a trait it defines the service for those who call it: the client is made of the trait, and
/// the same attribute on an `impl` of the trait makes that type the service.
///
/// ```
/// # use latchwork::{Context, Endpoint, Result};
/// #[latchwork::service]
/// pub trait Greeter {
///     #[handler]
///     async fn greet(&self, ctx: &Context, name: String) -> Result<String>;
/// }
///
/// struct Polite;
///
/// #[latchwork::service]
/// impl Greeter for Polite {
///     async fn greet(&self, _ctx: &Context, name: String) -> Result<String> {
///         Ok(format!("Good evening, {name}"))
///     }
/// }
///
/// let endpoint = Endpoint::builder().bind(Polite).build();
/// ```
#[proc_macro_attribute]
pub fn service(options: TokenStream, item: TokenStream) -> TokenStream {
    attribute(Kind::Service, options, item)
}

/// Makes an object of an `impl` block: state for each key. Methods with `#[handler]` have their key
/// for themselves, one at a time, and take `&ObjectContext`; those with `#[shared]` run beside
/// them, may only read, and take `&SharedObjectContext`.
///
/// The client takes the key: `CounterClient::new(ctx, "key").add(1).await`. For options see
/// [`macro@service`].
#[proc_macro_attribute]
pub fn object(options: TokenStream, item: TokenStream) -> TokenStream {
    attribute(Kind::Object, options, item)
}

/// Makes a workflow of an `impl` block: the one method with `#[handler]` is its run, once for each
/// key, and takes `&WorkflowContext`; those with `#[shared]` can be called beside it, and after it,
/// and take `&SharedWorkflowContext`.
///
/// The run has one more option: `workflow_retention`, how long its result, state and promises are
/// kept. For the others see [`macro@service`].
#[proc_macro_attribute]
pub fn workflow(options: TokenStream, item: TokenStream) -> TokenStream {
    attribute(Kind::Workflow, options, item)
}

fn attribute(kind: Kind, options: TokenStream, item: TokenStream) -> TokenStream {
    match Place::parse(kind, options.into(), item.clone().into()) {
        Ok(place) => expand::expand(kind, &place),
        Err(error) => {
            let error = error.to_compile_error();
            let item = without_marks(item.into());
            quote!(#error #item)
        }
    }
    .into()
}
