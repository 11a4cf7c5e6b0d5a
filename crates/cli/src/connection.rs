//! What all commands that ask a server have in common: where it is, and how answers are written.

use crate::address::{self, Port};
use crate::admin::Admin;
use crate::exit::Failure;
use crate::http::Http;
use crate::ingress::Ingress;
#[cfg(feature = "tls")]
use crate::tls::TlsFiles;

/// Where the server is, and how answers are written.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Server and output")]
pub(crate) struct Connection {
    /// Where the admin API is, as host:port or URL [default: LATCHWORK_ADMIN_ADDR, else admin_addr
    /// of latchwork.toml, else 127.0.0.1:9070]
    #[arg(long, value_name = "ADDR", global = true)]
    admin: Option<String>,
    /// Where the ingress is, as host:port or URL [default: LATCHWORK_INGRESS_ADDR, else
    /// ingress_addr of latchwork.toml, else 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", global = true)]
    ingress: Option<String>,
    #[cfg(feature = "tls")]
    #[command(flatten)]
    tls: TlsFiles,
    /// Write JSON to stdout instead of text for people
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Connection {
    /// The admin port. Nothing is sent yet.
    pub(crate) fn admin(&self) -> Result<Admin, Failure> {
        Ok(Admin::over(self.http(Port::Admin, self.admin.as_deref())?))
    }

    /// The ingress port. Nothing is sent yet.
    pub(crate) fn ingress(&self) -> Result<Ingress, Failure> {
        let http = self.http(Port::Ingress, self.ingress.as_deref())?;
        Ok(Ingress::over(http))
    }

    fn http(&self, port: Port, flag: Option<&str>) -> Result<Http, Failure> {
        let base = address::find(port, flag)?;
        #[cfg(feature = "tls")]
        if base.starts_with("https://") {
            return Ok(Http::secured(base, port, self.tls.config()?));
        }
        Ok(Http::new(base, port))
    }
}
