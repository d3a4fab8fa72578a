//! The address of a private room, to which its secret is added: what people open and hand on.

use std::net::SocketAddr;

use crate::addresses;
use crate::preset::DEFAULT_PORT;
use crate::settings::ServerSettings;

/// What stands before the `#` of the link to the room of a server that listens on `port`, and whose page is
/// on `web`: that of the likeliest address of this PC.
#[must_use]
pub(super) fn address(settings: &ServerSettings, port: u16, web: Option<u16>) -> String {
    let bind = settings.preset.bind;
    let (local, default_route) = addresses::here();
    let Some(web) = web else {
        let host = addresses::likeliest(&local, default_route, bind);
        return format!("auralync://{}/", SocketAddr::new(host, port));
    };
    let url = addresses::page(&local, default_route, bind, web).url;
    if port == DEFAULT_PORT { url } else { format!("{url}?port={port}") }
}
