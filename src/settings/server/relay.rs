//! Whether what other servers send can be taken from where the command line says.

use std::net::{IpAddr, Ipv4Addr};

use crate::discovery::target::{Target, Wanted};
use crate::error::{Error, Result};
use crate::preset::Preset;
use crate::source::{Kind, Source};

/// Refuses hosts that are none, and this server itself. Names of servers are looked for where there may be
/// `discovery`, later.
pub(super) fn check<'a>(
    sources: impl IntoIterator<Item = &'a Source>,
    preset: &Preset,
    discovery: bool,
) -> Result<()> {
    for source in sources {
        let Kind::Auralync(host) = &source.kind else { continue };
        if let Wanted::Host(target) = Wanted::parse(host, None, discovery)?
            && is_here(&target, preset)
        {
            return Err(Error::usage(
                format!(
                    "auralync:{target} is this server itself, and its sound would go round and round"
                ),
                "Name another server, or give this one another port with --port",
            ));
        }
    }
    Ok(())
}

/// Whether this server will listen there, as far as can be told without a look at the network.
fn is_here(target: &Target, preset: &Preset) -> bool {
    let ip = match target.host.to_ascii_lowercase().as_str() {
        "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        host => host.parse().ok(),
    };
    let bind = preset.bind;
    let is_covered = |ip: IpAddr| match bind {
        Some(bind) if !bind.is_unspecified() => bind == ip,
        _ => ip.is_loopback(),
    };
    target.port == preset.port && ip.is_some_and(is_covered)
}
