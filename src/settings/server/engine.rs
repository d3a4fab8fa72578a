//! Whether sound goes to other servers, or comes from one, by way of an engine.

use std::path::PathBuf;

use super::ServerArgs;
use crate::engine::key;
use crate::engine::nats::Url;
use crate::error::{Error, Result};
use crate::outgoing::Trust;
use crate::preset::Preset;
use crate::secret_file;
use crate::source::{Kind, RoomName, Source};

/// Addresses of one engine that a user may name: a cluster tells the others.
const MOST_URLS: usize = 16;

/// How an engine is reached, and which of its rooms is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineSettings {
    /// Its addresses, tried in that order: at least one.
    pub urls: Vec<Url>,
    /// The room.
    pub room: RoomName,
    /// Whether the room's sound comes from there: this server is an edge.
    pub is_edge: bool,
    /// The certificate by which an engine is known that is spoken to by TLS (PEM).
    pub certificate: Option<PathBuf>,
}

impl EngineSettings {
    /// Whom is believed, where TLS is spoken: the certificate that was named, or the one that lies beside the room's
    /// key.
    ///
    /// # Errors
    /// [`Error::File`] where it cannot be read or holds none; [`Error::Usage`] where there is none and an address
    /// wants TLS.
    pub fn trust(&self) -> Result<Option<Trust>> {
        let beside = || secret_file::place(&key::certificate_name(&self.room));
        let path = match &self.certificate {
            Some(path) => path.clone(),
            None => beside()?,
        };
        if self.certificate.is_some() || path.exists() {
            return Trust::read(&path).map(Some);
        }
        if self.urls.iter().any(|url| url.tls) {
            return Err(Error::usage(
                "tls:// needs the engine's certificate, so that nobody else is taken for it",
                format!("Give it with --engine-ca FILE, or copy it to {}", path.display()),
            ));
        }
        Ok(None)
    }
}

impl ServerArgs {
    /// What the command line says of an engine, for a server that sends `sources`, or may take in `offers`.
    pub(super) fn engine(
        &self,
        preset: &Preset,
        sources: &[Source],
        offers: &[Source],
    ) -> Result<Option<EngineSettings>> {
        let of_engine = |source: &&Source| matches!(source.kind, Kind::Engine(_));
        if offers.iter().any(|offer| of_engine(&offer)) {
            return Err(Error::usage(
                "a room's sound comes from an engine as it is, and cannot be taken in beside something else",
                "Leave engine:ROOM out of --offer",
            ));
        }
        let room = match sources.iter().find(of_engine).map(|source| &source.kind) {
            Some(Kind::Engine(_)) if sources.len() > 1 => {
                return Err(Error::usage(
                    "a room's sound comes from an engine as it is, and nothing can be mixed in here",
                    "Give --source engine:ROOM alone, and mix where the sound is",
                ));
            }
            Some(Kind::Engine(room)) => Some(room.clone()),
            _ => None,
        };
        let engine = preset.engine.as_deref().unwrap_or_default();
        if engine.is_empty() {
            let flag = match (&room, &preset.engine_room, &self.engine_ca) {
                (Some(_), ..) => "--source engine:ROOM",
                (_, Some(_), _) => "--engine-room",
                (.., Some(_)) => "--engine-ca",
                _ => return Ok(None),
            };
            return Err(Error::usage(
                format!("{flag} needs an engine, and none is named"),
                "Add --engine with its address, such as --engine nats://192.168.1.5",
            ));
        }
        if room.is_some() && preset.engine_room.is_some() {
            return Err(Error::usage(
                "--engine-room names the room that this server sends, and --source engine:ROOM the one that it gets",
                "Leave --engine-room out",
            ));
        }
        if room.is_some()
            && (self.record.is_some() || self.record_tracks.is_some() || self.record_dir.is_some())
        {
            return Err(Error::usage(
                "recordings are made of the mix, and an edge has none",
                "Record where the sound is, or with auralync-client --record here",
            ));
        }
        if engine.len() > MOST_URLS {
            return Err(Error::usage(
                format!(
                    "{} addresses of an engine were given, and {MOST_URLS} can be",
                    engine.len()
                ),
                "Leave some out: a cluster tells the addresses of all its nodes",
            ));
        }
        let is_edge = room.is_some();
        let urls = engine.iter().map(|url| read_url(url)).collect::<Result<Vec<_>>>()?;
        if urls.iter().any(|url| url.tls) && cfg!(not(feature = "https")) {
            return Err(Error::usage(
                "tls:// needs TLS, and this program was built without it",
                "Build with --features https, or use nats:// where nobody else is on the way",
            ));
        }
        let room = room.or_else(|| preset.engine_room.clone()).unwrap_or_default();
        Ok(Some(EngineSettings { urls, room, is_edge, certificate: self.engine_ca.clone() }))
    }
}

fn read_url(text: &str) -> Result<Url> {
    Url::read(text.trim(), false).map_err(|why| {
        Error::usage(
            format!("--engine “{}” cannot be: {why}", crate::format::printable(text, 200)),
            "Give nats://COMPUTER or tls://COMPUTER, and a colon and the port behind it where that is not 4222",
        )
    })
}
