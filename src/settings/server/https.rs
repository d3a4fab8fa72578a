//! Whether there is an encrypted page, and where.

use super::super::{DEFAULT_HTTPS_PORT, DEFAULT_WEB_PORT};
use super::ServerArgs;
use crate::error::{Error, Result};

impl ServerArgs {
    /// The port of the encrypted page, if there is to be one, in a room that is private or not.
    pub(super) fn https(&self, is_private: bool) -> Result<Option<u16>> {
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return Err(Error::usage(
                "--tls-cert and --tls-key belong together: a certificate is of no use without its key",
                "Type both, or neither",
            ));
        }
        if self.https.is_some() && self.no_web {
            return Err(Error::usage(
                "--https serves the page encrypted too, and --no-web leaves the page out",
                "Leave one of them out",
            ));
        }
        // A room where nobody listens in and everybody may speak is worth little to phones that may not.
        let is_usual = cfg!(feature = "https") && self.talk.is_some() && is_private && !self.no_web;
        let is_wanted = is_usual || self.tls_cert.is_some();
        let port =
            self.https.or(is_wanted.then_some(DEFAULT_HTTPS_PORT)).filter(|_| !self.no_https);
        if port.is_none() && self.tls_cert.is_some() {
            return Err(Error::usage(
                "--tls-cert is the certificate of the encrypted page, and --no-https leaves that out",
                "Leave one of them out",
            ));
        }
        let web = self.web.unwrap_or(DEFAULT_WEB_PORT);
        if let Some(port) = port.filter(|port| *port != 0 && *port == web) {
            return Err(Error::usage(
                format!("{port} is the port of the page without encryption"),
                "Choose another for --https PORT",
            ));
        }
        Ok(port)
    }
}
