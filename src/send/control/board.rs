//! What may be asked of a server, by method. `docs/control.md` describes each.

use std::net::SocketAddr;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::control::rpc::{Refusal, params};
use crate::error::Result;
use crate::format::printable;
use crate::player;
use crate::recording::Control as Record;
use crate::secret_file::Watch;
use crate::secure::host::Host;
use crate::send::mix::desk::Desk;
use crate::send::snapcast;
use crate::send::transmit::Handle;
use crate::snapcast::kept::{MAX_LATENCY_MS, Wish};
use crate::source::{Source, SourceOrder};
use crate::stats::SourceStats;

/// Longest part of somebody's words that is said back, in characters.
const SAID_BACK: usize = 60;

/// All that can be told what to do.
pub(in crate::send) struct Board {
    pub(in crate::send) desk: Desk,
    pub(in crate::send) network: Handle,
    /// Tells whether the private room's newest key is kept.
    pub(in crate::send) kept: Option<Watch<Host>>,
    /// Where snapclients may join.
    pub(in crate::send) snapclients: Option<snapcast::Handle>,
    /// Where there is a folder for recordings.
    pub(in crate::send) record: Option<Record>,
    /// Players here whose picture follows the delay, where any are to.
    pub(in crate::send) players: Option<player::Shown>,
    /// What may be taken in: named when the server was started.
    pub(in crate::send) offered: Vec<Source>,
    /// What stands before the `#` of the link to the private room.
    pub(in crate::send) link_to: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Waiting {
    listener: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Code {
    #[serde(default)]
    new: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mute {
    source: Option<u64>,
    listener: Option<String>,
    muted: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Snapclient {
    id: String,
    volume: Option<u8>,
    muted: Option<bool>,
    latency_ms: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kick {
    listener: String,
    #[serde(default)]
    by_address: bool,
}

impl Board {
    /// Does what a method asks for.
    ///
    /// # Errors
    /// A [`Refusal`] for what does not exist or cannot be.
    pub(super) fn call(&self, method: &str, given: &Value) -> std::result::Result<Value, Refusal> {
        match method {
            "list" => params::<Nothing>(given).and_then(|_| self.list()),
            "level" | "pan" | "remove" => {
                sources(self.desk.tell(params(&json!({"method": method, "params": given}))?))
            }
            "mute" => {
                let Mute { source, listener, muted } = params(given)?;
                match (source, listener) {
                    (Some(source), None) => {
                        sources(self.desk.tell(SourceOrder::Mute { source, muted }))
                    }
                    (None, Some(listener)) => self.mute(&listener, muted),
                    _ => Err(Refusal::because("name either a source or a listener to mute")),
                }
            }
            "add" => {
                let Named { name } = params(given)?;
                sources(self.desk.add(self.offered(&name)?))
            }
            "kick" => {
                let Kick { listener, by_address } = params(given)?;
                self.kick(&listener, by_address)
            }
            "let_in" | "refuse" => {
                let Waiting { listener } = params(given)?;
                self.let_in(&listener, method == "let_in")
            }
            "code" => {
                let Code { new } = params(given)?;
                self.code(new)
            }
            "link" => params::<Nothing>(given).and_then(|_| self.link()),
            "new_key" => {
                params::<Nothing>(given)?;
                let is_done = self.network.new_key().map_err(Refusal::because)?;
                if !is_done {
                    return Err(open_room());
                }
                self.must_be_kept("The room has a new link")?;
                self.link()
            }
            "snapclients" => {
                params::<Nothing>(given)?;
                self.snapclients()
            }
            "snapclient" => self.set_snapclient(params(given)?),
            "record_start" => {
                let Named { name } = params(given)?;
                file(self.record()?.begin(&name))
            }
            "record_stop" => {
                params::<Nothing>(given)?;
                file(self.record()?.end())
            }
            _ => Err(Refusal::unknown_method()),
        }
    }

    fn list(&self) -> std::result::Result<Value, Refusal> {
        let listeners = self.network.listeners().map_err(Refusal::because)?;
        let mut all = json!({});
        if let Some(thread) = &self.snapclients {
            all["snapclients"] = json!(thread.list().map_err(Refusal::because)?);
        }
        let offered: Vec<_> = self.offered.iter().map(|source| source.kind.to_string()).collect();
        all["sources"] = json!(self.desk.list().map_err(Refusal::because)?);
        all["offered"] = json!(offered);
        all["listeners"] = json!(listeners);
        all["waiting"] = json!(self.network.waiting().map_err(Refusal::because)?);
        if let Some(players) = &self.players {
            all["players"] = json!(players.look());
        }
        all["can_record"] = json!(self.record.is_some());
        Ok(all)
    }

    fn snapclients(&self) -> std::result::Result<Value, Refusal> {
        let thread = self.snapclients.as_ref().ok_or_else(no_snapclients)?;
        Ok(json!({"snapclients": thread.list().map_err(Refusal::because)?}))
    }

    fn set_snapclient(&self, asked: Snapclient) -> std::result::Result<Value, Refusal> {
        let thread = self.snapclients.as_ref().ok_or_else(no_snapclients)?;
        let Snapclient { id, volume, muted, latency_ms } = asked;
        if volume.is_some_and(|volume| volume > 100) {
            return Err(Refusal::because("a snapclient's volume is 0 to 100"));
        }
        if latency_ms.is_some_and(|ms| ms > MAX_LATENCY_MS) {
            return Err(Refusal::because(format!("a latency is 0 to {MAX_LATENCY_MS} ms")));
        }
        let wish = Wish { volume, is_muted: muted, latency_ms };
        if thread.set(id.clone(), wish).map_err(Refusal::because)? {
            return self.snapclients();
        }
        let shown = printable(&id, SAID_BACK);
        Err(Refusal::because(format!(
            "no snapclient “{shown}” is there. Name one by the id that the list shows"
        )))
    }

    /// Only what was named at the start can be taken in, so that nobody reaches a file by its path.
    fn offered(&self, name: &str) -> std::result::Result<&Source, Refusal> {
        let found = self.offered.iter().find(|source| source.kind.to_string() == name);
        found.ok_or_else(|| {
            let name = printable(name, SAID_BACK);
            Refusal::because(format!(
                "“{name}” is not among the sources that this server was started with. Start it \
                 with --offer to name more"
            ))
        })
    }

    fn kick(&self, listener: &str, by_address: bool) -> std::result::Result<Value, Refusal> {
        let is_gone = match listener.parse::<SocketAddr>() {
            Ok(peer) => self.network.remove(peer, by_address).map_err(Refusal::because)?,
            Err(_) => false,
        };
        if is_gone {
            self.must_be_kept("They were asked to leave")?;
            return Ok(json!({"kicked": listener}));
        }
        Err(nobody_at(listener, "listens"))
    }

    fn mute(&self, listener: &str, is_muted: bool) -> std::result::Result<Value, Refusal> {
        let is_done = match listener.parse::<SocketAddr>() {
            Ok(peer) => self.network.mute(peer, is_muted).map_err(Refusal::because)?,
            Err(_) => false,
        };
        if is_done {
            return Ok(json!({"listener": listener, "is_muted": is_muted}));
        }
        Err(nobody_at(listener, "could speak"))
    }

    fn let_in(&self, listener: &str, is_let_in: bool) -> std::result::Result<Value, Refusal> {
        let is_done = match listener.parse::<SocketAddr>() {
            Ok(peer) => self.network.let_in(peer, is_let_in).map_err(Refusal::because)?,
            Err(_) => false,
        };
        let key = if is_let_in { "let_in" } else { "refused" };
        if is_done { Ok(json!({ key: listener })) } else { Err(nobody_at(listener, "waits")) }
    }

    fn code(&self, is_new: bool) -> std::result::Result<Value, Refusal> {
        let shown = self.network.code(is_new).map_err(Refusal::because)?.ok_or_else(open_room)?;
        Ok(json!({"code": *shown.code.spoken(), "left_s": shown.left_s}))
    }

    fn link(&self) -> std::result::Result<Value, Refusal> {
        let fragment = self.network.link().map_err(Refusal::because)?.ok_or_else(open_room)?;
        Ok(json!({"link": format!("{}#{}", self.link_to, *fragment)}))
    }

    /// Refuses where the room's newest key is not in its file: what was `done` holds no longer than this server.
    fn must_be_kept(&self, done: &str) -> std::result::Result<(), Refusal> {
        let Some(kept) = &self.kept else { return Ok(()) };
        kept.written().map_err(|why| {
            Refusal::because(format!(
                "{done}, but only until this server ends: its new key is not kept, and then the old link lets \
                 people in again. {why}. auralync-client ctl newkey tries again"
            ))
        })
    }

    fn record(&self) -> std::result::Result<&Record, Refusal> {
        self.record.as_ref().ok_or_else(|| {
            Refusal::because(
                "this server was started without a folder for recordings. Start it with --record-dir",
            )
        })
    }
}

fn no_snapclients() -> Refusal {
    Refusal::because("no snapclients may join this server. Start it with --snapcast")
}

fn open_room() -> Refusal {
    Refusal::because("this room is open to everybody. Start the server with --private")
}

fn nobody_at(listener: &str, who: &str) -> Refusal {
    let shown = printable(listener, SAID_BACK);
    Refusal::because(format!(
        "nobody {who} at “{shown}”. Name a listener by the address that the list shows"
    ))
}

fn sources(asked: Result<Vec<SourceStats>>) -> std::result::Result<Value, Refusal> {
    asked.map(|sources| json!({"sources": sources})).map_err(Refusal::because)
}

/// The name alone: where the folder is, the caller need not know.
fn file(asked: Result<std::path::PathBuf>) -> std::result::Result<Value, Refusal> {
    let path = asked.map_err(Refusal::because)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(json!({"file": name}))
}
