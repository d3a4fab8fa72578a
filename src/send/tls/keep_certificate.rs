//! Keeps the certificate that is shown a good one: looks at the clock, the addresses and the files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use log::{info, warn};
use rustls::sign::CertifiedKey;

use super::certificate::{Says, Shown};
use super::own_certificate::{self, names};
use super::pem_files::{Contents, Files};
use crate::addresses;
use crate::error::Result;
use crate::format::printable;
use crate::secret_file;
use crate::settings::computer;
use crate::shutdown::Shutdown;

/// The file of the server's own certificate and its key, in the folder of this user's settings.
const FILE: &str = "https.pem";

/// How often it is looked whether another certificate is needed.
const LOOK: Duration = Duration::from_secs(10);

/// Where the certificate comes from.
enum Origin {
    /// It is made here, and kept in this file.
    Own(PathBuf),
    /// Whoever runs the server brings it; what was last read of the files.
    Brought(Files, Contents),
}

/// Whose certificate is shown, and what was last said of it.
pub struct Keeper {
    origin: Origin,
    shown: Arc<Shown>,
    said: String,
}

impl Keeper {
    /// Reads the certificate and the key in `files`, or else makes its own where there is none that will do. The page
    /// is also called what was `added`; that a certificate is for none of its names is said, and no error.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File) where a file cannot be read or written, or holds something else, and where
    /// the certificate has ended.
    pub fn open(files: Option<(PathBuf, PathBuf)>, added: &[String]) -> Result<Self> {
        let now = SystemTime::now();
        match files {
            Some((certificate, key)) => {
                let keeper = Self::brought(Files { certificate, key }, now)?;
                let says = keeper.shown.now().0.cert.first().and_then(Says::read);
                let names = says.map_or(Vec::new(), |says| says.names);
                if let Some(sentence) = of_another_name(&names, &here(), added) {
                    warn!("{sentence}");
                }
                Ok(keeper)
            }
            None => Self::own(secret_file::place(FILE)?, &here(), now),
        }
    }

    fn brought(files: Files, now: SystemTime) -> Result<Self> {
        let held = files.read()?;
        let shown = Shown::new(files.pair(&held, now)?);
        Ok(Self { origin: Origin::Brought(files, held), shown, said: String::new() })
    }

    pub(super) fn own(path: PathBuf, names: &BTreeSet<String>, now: SystemTime) -> Result<Self> {
        let shown = match other(&path, names, now)? {
            Another::Kept(pair) | Another::Made(pair) => Shown::new(pair),
        };
        Ok(Self { origin: Origin::Own(path), shown, said: String::new() })
    }

    /// The certificate that is shown.
    #[must_use]
    pub fn shown(&self) -> Arc<Shown> {
        Arc::clone(&self.shown)
    }

    /// Shows another certificate where one is needed at `now`, with `names` as those of this PC. What does not work
    /// leaves the one that is shown, and is said once.
    fn look(&mut self, names: &BTreeSet<String>, now: SystemTime) {
        let news = match &mut self.origin {
            Origin::Own(path) => match other(path, names, now) {
                // Another server of this user may have made it.
                Ok(Another::Kept(pair) | Another::Made(pair)) => {
                    Ok((!self.shown.is(&pair)).then_some(pair))
                }
                Err(e) => Err(e),
            },
            Origin::Brought(files, held) => files.read().and_then(|read| {
                // Asked again even if nothing has changed: by now it may have ended.
                let pair = files.pair(&read, now)?;
                let is_news = read != *held;
                *held = read;
                Ok(is_news.then_some(pair))
            }),
        };
        let say = match news {
            Ok(None) => String::new(),
            Ok(Some(pair)) => {
                self.shown.replace(pair);
                let print = self.shown.fingerprint();
                info!("the secure page has a new certificate, SHA-256 {print}");
                String::new()
            }
            Err(e) => format!("the secure page goes on with the certificate that it has: {e}"),
        };
        if !say.is_empty() && say != self.said {
            warn!("{say}");
        }
        self.said = say;
    }
}

/// Looks after the certificate until `shutdown`.
pub fn keep(mut keeper: Keeper, shutdown: &Shutdown) {
    while !shutdown.sleep(LOOK) {
        keeper.look(&here(), SystemTime::now());
    }
}

enum Another {
    /// The one that is kept still does.
    Kept(CertifiedKey),
    Made(CertifiedKey),
}

fn other(path: &Path, names: &BTreeSet<String>, now: SystemTime) -> Result<Another> {
    Ok(match own_certificate::kept(path, names, now)? {
        (Some(pair), _) => Another::Kept(pair),
        (None, also) => Another::Made(own_certificate::make(path, names, &also, now)?),
    })
}

/// What to say of a certificate for `names` where the page is `here`, and called what was `added`: nothing, if one of
/// them is in it.
fn of_another_name(names: &[String], here: &BTreeSet<String>, added: &[String]) -> Option<String> {
    let is_for = |name: &str, called: &str| {
        let (name, called) = (name.to_ascii_lowercase(), called.to_ascii_lowercase());
        let below = name.strip_prefix("*.").zip(called.split_once('.'));
        name == called || below.is_some_and(|(name, (_, called))| name == called)
    };
    let mut called = here.iter().chain(added);
    if called.any(|called| names.iter().any(|name| is_for(name, called))) {
        return None;
    }
    let Some(first) = names.first().map(|name| printable(name, LONGEST_NAME)) else {
        return Some(
            "the certificate is for no name, so that browsers warn wherever they open the page. Bring one that names \
             this PC"
                .to_owned(),
        );
    };
    Some(format!(
        "the certificate is for “{first}”, which is no address or name of this PC: browsers warn wherever they open \
         the page. If that name leads here, start the server with --web-host {first}; else bring a certificate for \
         this PC"
    ))
}

/// Longest name of a certificate that is shown, in characters: no name in the network is longer.
const LONGEST_NAME: usize = 253;

/// What this PC is called, and where it is.
fn here() -> BTreeSet<String> {
    let (local, _) = addresses::here();
    names(&computer::name(), local.into_iter().map(|interface| interface.ip.to_canonical()))
}

#[cfg(test)]
mod tests;
