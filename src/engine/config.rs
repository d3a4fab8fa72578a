//! Configurations of NATS servers: what a room between servers needs, and no more than that.
//!
//! The limits are measured ones (docs/engine.md says how): `max_pending` below a megabyte cuts servers that are well
//! when an origin has stood still, and pings each 5 s find whoever is gone without a word.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
#[cfg(feature = "https")]
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::key;
use super::nats::DEFAULT_PORT;
use super::sealed::{Backbone, Role};
use crate::error::{Error, Result, plain};
use crate::format::hex;
use crate::source::RoomName;
use crate::{random, secret_file};

/// Most nodes of one cluster: each has a connection to every other.
pub const MOST_NODES: u16 = 16;

/// The port by which nodes of a cluster reach each other.
const CLUSTER_PORT: u16 = 6222;

/// The port on which a node tells how it is, to programs beside it.
const MONITOR_PORT: u16 = 8222;

/// Bytes of the password between nodes.
const PASSWORD: usize = 16;

/// The files of the certificate and its key, beside the configurations.
const CERTIFICATE: &str = "engine.crt";
const CERTIFICATE_KEY: &str = "engine.pem";

/// How long the certificate holds, in days: nobody is asked about it, and servers everywhere have a copy.
#[cfg(feature = "https")]
const DAYS: u32 = 3_650;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The room.
    pub room: RoomName,
    /// The computers that the nodes run on, each by a name or an address; none where all run on this one.
    pub hosts: Vec<String>,
    /// What this computer is called, by names and addresses.
    pub here: Vec<String>,
    /// How many run on this one, where no others are named.
    pub nodes: u16,
    /// Where to.
    pub folder: PathBuf,
}

/// Where one node is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    name: String,
    /// What others call its computer, where that was said.
    host: Option<String>,
    port: u16,
    cluster_port: u16,
    monitor_port: u16,
}

impl Wanted {
    fn places(&self) -> Vec<Place> {
        let place = |(number, host): (u16, Option<&String>)| {
            // Nodes on one computer need a port each.
            let beside = if host.is_some() { 0 } else { number };
            Place {
                name: format!("n{}", number + 1),
                host: host.cloned(),
                port: DEFAULT_PORT + beside,
                cluster_port: CLUSTER_PORT + beside,
                monitor_port: MONITOR_PORT + beside,
            }
        };
        if self.hosts.is_empty() {
            (0..self.nodes).map(|number| place((number, None))).collect()
        } else {
            (0..).zip(self.hosts.iter().map(Some)).map(place).collect()
        }
    }
}

/// The configuration of one of these nodes. `password` is what they show each other.
fn node(place: &Place, all: &[Place], room: &Backbone, password: &str, has_tls: bool) -> String {
    let mut text = String::new();
    let tls = format!("tls {{ cert_file: \"{CERTIFICATE}\", key_file: \"{CERTIFICATE_KEY}\" }}");
    let host = |place: &Place| place.host.clone().unwrap_or_else(|| "127.0.0.1".to_owned());
    // Writing to a text cannot fail.
    let mut line = |args: std::fmt::Arguments<'_>| writeln!(text, "{args}").unwrap_or_default();
    line(format_args!(
        "# A NATS server for AuraLync. Start it in this folder: nats-server -c {}",
        file(place, all)
    ));
    line(format_args!("server_name: {}", place.name));
    line(format_args!("listen: \"0.0.0.0:{}\"", place.port));
    line(format_args!("http: \"127.0.0.1:{}\"", place.monitor_port));
    line(format_args!("max_payload: 65536"));
    line(format_args!("max_pending: 1048576"));
    line(format_args!("write_deadline: \"1s\""));
    line(format_args!("ping_interval: \"5s\""));
    line(format_args!("ping_max: 2"));
    if has_tls {
        line(format_args!("{tls}"));
    }
    if all.len() > 1 {
        if let Some(host) = &place.host {
            line(format_args!("client_advertise: \"{}:{}\"", bracketed(host), place.port));
        }
        let is_here = place.host.is_none();
        line(format_args!("cluster {{"));
        line(format_args!("  name: auralync"));
        let address = if is_here { "127.0.0.1" } else { "0.0.0.0" };
        line(format_args!("  listen: \"{address}:{}\"", place.cluster_port));
        line(format_args!("  authorization {{ user: node, password: \"{password}\" }}"));
        if has_tls && !is_here {
            line(format_args!(
                "  tls {{ cert_file: \"{CERTIFICATE}\", key_file: \"{CERTIFICATE_KEY}\", ca_file: \"{CERTIFICATE}\" }}"
            ));
        }
        let routes: Vec<String> = all
            .iter()
            .filter(|other| other.name != place.name)
            .map(|other| {
                let host = host(other);
                format!("\"nats://node:{password}@{}:{}\"", bracketed(&host), other.cluster_port)
            })
            .collect();
        line(format_args!("  routes: [{}]", routes.join(", ")));
        line(format_args!("}}"));
    }
    let subjects = |about: &[&str]| {
        let subject = |about: &&str| format!("\"{}\"", room.subject(about));
        about.iter().map(subject).collect::<Vec<_>>().join(", ")
    };
    let asked = subjects(&["want", "time", "past", "people", "voice"]);
    let said = subjects(&["stream", "audio.>", "everybody", "own.>"]);
    let inbox = "\"_INBOX.>\"";
    line(format_args!("authorization {{ users: ["));
    line(format_args!("  # Has the sound."));
    line(format_args!("  {{ nkey: {}", room.nkey(Role::Origin).public()));
    line(format_args!(
        "    permissions: {{ publish: [{said}, {inbox}], subscribe: [{asked}] }} }}"
    ));
    line(format_args!("  # Serve it."));
    line(format_args!("  {{ nkey: {}", room.nkey(Role::Edge).public()));
    line(format_args!(
        "    permissions: {{ publish: [{asked}], subscribe: [{said}, {inbox}] }} }}"
    ));
    line(format_args!("] }}"));
    text
}

/// What a node's file is called.
fn file(place: &Place, all: &[Place]) -> String {
    if all.len() == 1 { "nats.conf".to_owned() } else { format!("{}.conf", place.name) }
}

/// As it stands in front of a port.
fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// Writes everything that is wanted, and says what to do with it. The room's key is made where there is none.
///
/// # Errors
/// [`Error::File`] where a file cannot be written, or something lies in that folder already; [`Error::Usage`] for
/// numbers and names that cannot be; [`Error::Internal`] if the system gives no random numbers.
pub fn write(wanted: &Wanted) -> Result<Vec<String>> {
    let places = wanted.places();
    if places.is_empty() || places.len() > usize::from(MOST_NODES) {
        return Err(Error::usage(
            format!("a cluster has 1 to {MOST_NODES} nodes, and these are {}", places.len()),
            "Choose another number: three go on when one of them fails",
        ));
    }
    let is_host = |host: &String| {
        let may_stand = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
        !host.is_empty() && host.len() <= 253 && host.chars().all(may_stand)
    };
    if let Some(wrong) = wanted.hosts.iter().find(|host| !is_host(host)) {
        return Err(Error::usage(
            format!(
                "“{}” is no name or address of a computer",
                crate::format::printable(wrong, 100)
            ),
            "Write --hosts with the computers that the nodes run on, and a comma between two",
        ));
    }
    let folder = &wanted.folder;
    if folder.exists() {
        let fix = "Name another with --folder, or remove it: whoever has a copy of its files needs the new ones";
        return Err(Error::file(folder, "this is there already, and is left as it is", fix));
    }
    let room = key::own(&wanted.room)?;
    let password = hex(&*random::secret::<PASSWORD>()?);
    let pair = certificate(if wanted.hosts.is_empty() { &wanted.here } else { &wanted.hosts })?;
    make_private(folder)?;
    let put = |name: &str, text: &[u8]| secret_file::write(&folder.join(name), text);
    for place in &places {
        put(
            &file(place, &places),
            node(place, &places, &room, &password, pair.is_some()).as_bytes(),
        )?;
    }
    let settings = secret_file::place(&key::file_name(&wanted.room))?;
    if let Some((certificate, private)) = &pair {
        put(CERTIFICATE, certificate.as_bytes())?;
        put(CERTIFICATE_KEY, private.as_bytes())?;
        secret_file::write(
            &secret_file::place(&key::certificate_name(&wanted.room))?,
            certificate.as_bytes(),
        )?;
    }
    Ok(said(wanted, &places, &settings, pair.is_some()))
}

/// The certificate that the nodes show, for computers of these names and addresses, and its key, both in PEM. `None` where
/// there is no TLS.
#[cfg(feature = "https")]
fn certificate(names: &[String]) -> Result<Option<(String, Zeroizing<String>)>> {
    use crate::self_signed::{Purpose, Says, make};

    let says = Says {
        common_name: "AuraLync engine",
        names,
        // Nodes show it to each other too.
        purposes: vec![Purpose::ServerAuth, Purpose::ClientAuth],
        days: DAYS,
    };
    make(says, SystemTime::now())
        .map(Some)
        .map_err(|e| Error::internal("the engine's certificate cannot be made", e))
}

#[cfg(not(feature = "https"))]
fn certificate(_names: &[String]) -> Result<Option<(String, Zeroizing<String>)>> {
    Ok(None)
}

fn make_private(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| {
        Error::file(folder, plain(&e), "Name a folder that you may make with --folder")
    })?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;

        let alone = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(folder, alone).map_err(|e| {
            Error::file(folder, plain(&e), "Name a folder that is yours with --folder")
        })?;
    }
    Ok(())
}

fn said(wanted: &Wanted, places: &[Place], key: &Path, has_tls: bool) -> Vec<String> {
    let first = places.first().and_then(|place| place.host.clone());
    let scheme = if has_tls { "tls" } else { "nats" };
    let url = format!(
        "{scheme}://{}",
        first.map_or_else(|| "THIS-COMPUTER".to_owned(), |host| bracketed(&host))
    );
    let folder = wanted.folder.display();
    let (room, settings) = (&wanted.room, key.parent().unwrap_or(key).display());
    let others = match has_tls {
        true => format!("{} and {}", key::file_name(room), key::certificate_name(room)),
        false => key::file_name(room),
    };
    let start: Vec<String> = places
        .iter()
        .map(|place| match &place.host {
            Some(host) => format!("nats-server -c {} on {host}", file(place, places)),
            None => format!("nats-server -c {}", file(place, places)),
        })
        .collect();
    let named =
        if *room == RoomName::default() { String::new() } else { format!(" --engine-room {room}") };
    let mut said = vec![
        format!(
            "1. Put {folder} on each computer that is to run a NATS server (https://nats.io/download)."
        ),
        format!("2. Start there, in that folder: {}", start.join("; ")),
        format!("3. Where the sound is: auralync-server --engine {url}{named}"),
        format!("4. Copy {others} from {settings} to the same folder of each other server."),
        format!("5. On each of those: auralync-server --source engine:{room} --engine {url}"),
    ];
    if !has_tls {
        said.push("Without TLS, which this program was built without, the engine's keys are safe, and who listens is seen.".to_owned());
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secure::Key;

    fn wanted(hosts: &[&str], nodes: u16) -> Wanted {
        Wanted {
            room: RoomName::default(),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            here: vec!["localhost".to_owned()],
            nodes,
            folder: PathBuf::from("engine"),
        }
    }

    fn texts(wanted: &Wanted) -> Vec<String> {
        let (places, room) = (wanted.places(), Backbone::new(&Key::new([7; 32])));
        places.iter().map(|place| node(place, &places, &room, "secret", true)).collect()
    }

    #[test]
    fn one_node_has_no_cluster_and_lets_in_only_the_rooms_servers() {
        let text = &texts(&wanted(&[], 1))[0];
        assert!(!text.contains("cluster") && text.contains("listen: \"0.0.0.0:4222\""), "{text}");
        let room = Backbone::new(&Key::new([7; 32]));
        for role in [Role::Origin, Role::Edge] {
            assert!(text.contains(&room.nkey(role).public()), "{text}");
        }
        assert_eq!(text.matches("nkey:").count(), 2);
    }

    #[test]
    fn nodes_on_one_computer_have_ports_of_their_own_and_know_each_other() {
        let texts = texts(&wanted(&[], 3));
        for (number, text) in texts.iter().enumerate() {
            assert!(text.contains(&format!("listen: \"0.0.0.0:{}\"", 4222 + number)), "{text}");
            assert!(text.contains(&format!("listen: \"127.0.0.1:{}\"", 6222 + number)), "{text}");
            assert_eq!(text.matches("nats://node:secret@127.0.0.1").count(), 2, "{text}");
        }
    }

    #[test]
    fn nodes_on_computers_of_their_own_are_called_by_their_names() {
        let texts = texts(&wanted(&["a.example", "fd00::2"], 1));
        assert_eq!(texts.len(), 2);
        assert!(texts[0].contains("nats://node:secret@[fd00::2]:6222"), "{}", texts[0]);
        assert!(texts[0].contains("client_advertise: \"a.example:4222\""), "{}", texts[0]);
        assert!(
            texts[1].contains("ca_file"),
            "what nodes say to each other is sealed: {}",
            texts[1]
        );
    }

    #[test]
    fn an_edge_may_say_nothing_that_only_the_origin_says() {
        let text = &texts(&wanted(&[], 1))[0];
        let room = Backbone::new(&Key::new([7; 32]));
        let edge = text.split("# Serve it.").nth(1).unwrap();
        let (publish, subscribe) = edge.split_once("subscribe").unwrap();
        for only in ["stream", "audio.>"] {
            assert!(!publish.contains(&room.subject(only)), "{publish}");
            assert!(subscribe.contains(&room.subject(only)), "{subscribe}");
        }
    }

    #[test]
    fn numbers_and_names_that_cannot_be_are_refused() {
        for wrong in [wanted(&[], 0), wanted(&[], 17), wanted(&["a b"], 1), wanted(&["\"; }"], 1)] {
            assert!(matches!(write(&wrong), Err(Error::Usage { .. })), "{wrong:?}");
        }
    }
}
