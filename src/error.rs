//! The one error type: a variant for each thing a user can do about it.
//!
//! Every text says what failed, why, and what to do next, in that order; the binaries put their
//! name in front and print nothing else.

mod unworded;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub(crate) use unworded::in_words;

/// What went wrong, by what the person in front of it can do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The command line asks for something that does not exist or cannot be combined.
    /// The user's to correct; retrying unchanged cannot help.
    #[error("{what}. {fix}")]
    Usage {
        /// What was asked for and why it cannot be.
        what: String,
        /// What to type instead.
        fix: String,
    },

    /// A preset cannot be used. `place` names file and line.
    #[error("preset {place}: {why}. {fix}")]
    Preset {
        /// The file, with the line where one is known.
        place: String,
        /// What is wrong there.
        why: String,
        /// What to write instead.
        fix: String,
    },

    /// No sound device fits the request. The user picks another or plugs one in.
    #[error("{what}: {why}. {fix}")]
    NoDevice {
        /// What was looked for.
        what: String,
        /// Why nothing fits, with the candidates where there are any.
        why: String,
        /// How to get one.
        fix: String,
    },

    /// A sound device was found but does not work. Retrying can help once it is free again.
    #[error("sound device “{device}”: {why}. {fix}")]
    Device {
        /// The device's name.
        device: String,
        /// What the system said.
        why: String,
        /// What to try.
        fix: String,
    },

    /// The listening port cannot be had.
    #[error("cannot listen on {address}: {why}. {fix}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        why: String,
        /// What to try.
        fix: String,
    },

    /// A host name that no resolver knows.
    #[error(
        "cannot find “{host}”: {why}. Check the spelling, or use the address that the server printed when it started"
    )]
    Unresolved {
        /// What was typed.
        host: String,
        /// What the resolver said.
        why: String,
    },

    /// Nobody named a server and none announces itself. Retrying helps once one runs.
    #[error(
        "no server{port} was found on this network: none is running, it is in another network, or a firewall keeps discovery (UDP port 5353) from it. Type the address that auralync-server printed when it started, for example: auralync-client 192.168.1.100"
    )]
    NoServer {
        /// Empty, or the port that was asked for, in words.
        port: String,
    },

    /// The host is there but nothing listens on the port. Retrying helps once the server runs.
    #[error(
        "{address} refused the connection: no AuraLync server is running there. Start auralync-server on that PC, or check the port"
    )]
    Refused {
        /// Who refused.
        address: SocketAddr,
    },

    /// Nothing came back. Retrying helps when the path is back.
    #[error("no answer from {address}: the PC is off, in another network, or its firewall blocks AuraLync. On a Windows server, run as administrator: netsh advfirewall firewall add rule name=\"AuraLync\" dir=in action=allow protocol=TCP localport={}; then the same with protocol=UDP", address.port())]
    NoAnswer {
        /// Who did not answer.
        address: SocketAddr,
    },

    /// Whatever answered does not speak AuraLync's protocol.
    #[error(
        "{address} is not an AuraLync server: {why}. Check the address and the port (AuraLync's is 5555)"
    )]
    NotAuraLync {
        /// Who answered.
        address: SocketAddr,
        /// What was wrong with the answer.
        why: String,
    },

    /// The room is private, and this listener has no key to it.
    #[error(
        "the room at {address} is private. Ask whoever runs it for the link or a code, and give it: auralync-client --link FILE, with the link in that file, or auralync-client --code 123456"
    )]
    Private {
        /// The server.
        address: SocketAddr,
    },

    /// The link is that of a private room, and the room that answers is open: somebody may pretend to be it.
    #[error(
        "the room at {address} is open to everybody, and the link or the code is that of a private one: it may be another server. Ask whoever runs the room"
    )]
    NotPrivate {
        /// Who answered.
        address: SocketAddr,
    },

    /// Another server answers than the one of the link.
    #[error(
        "{address} is another server than the one that the link is of, or somebody pretends to be it. Ask whoever runs the room for its link"
    )]
    OtherServer {
        /// Who answered.
        address: SocketAddr,
    },

    /// The room has another key than the link.
    #[error(
        "the room at {address} has another key than this link: it is an old one, or another room's. Ask whoever runs it for the new link"
    )]
    OtherRoom {
        /// The server.
        address: SocketAddr,
    },

    /// Whoever runs the room does not let this listener in, or nobody answered.
    #[error(
        "you were not let in at {address}: whoever runs that room said no, or did not answer within two minutes. Talk to them, and try again"
    )]
    NotLetIn {
        /// The server.
        address: SocketAddr,
    },

    /// The server shows another code.
    #[error(
        "this is not the code that the server at {address} shows. Look again: after three wrong ones it is worth nothing"
    )]
    WrongCode {
        /// The server.
        address: SocketAddr,
    },

    /// The server shows no code now.
    #[error(
        "there is no code at {address} now: it was used, is older than ten minutes, or was tried wrongly too often. Ask whoever runs the room for a new one"
    )]
    NoCode {
        /// The server.
        address: SocketAddr,
    },

    /// Codes were tried too often. Waiting helps.
    #[error(
        "codes were tried too often at {address}, or somebody else tries one now. Wait {seconds} s, and type it again"
    )]
    CodeWait {
        /// The server.
        address: SocketAddr,
        /// How long.
        seconds: u32,
    },

    /// The server takes no more listeners for now. Retrying helps when somebody leaves.
    #[error(
        "the server at {address} is full: as many listeners as it allows are connected. Wait for one to leave, or raise --max-clients there"
    )]
    ServerFull {
        /// The full server.
        address: SocketAddr,
    },

    /// The server takes no more listeners from this address for now. Retrying helps when one of them
    /// leaves.
    #[error(
        "the server at {address} has as many listeners from this address as it allows. Wait for one of them to leave, or raise --per-address there"
    )]
    AddressFull {
        /// The server.
        address: SocketAddr,
    },

    /// The connection broke. Retrying helps.
    #[error(
        "the connection to {address} was lost: {why}. The server may have stopped, or the network is down"
    )]
    Lost {
        /// The other end.
        address: SocketAddr,
        /// What the system said.
        why: String,
    },

    /// A server that was told to do something says that it cannot be, and what to do instead.
    #[error("{why}")]
    Declined {
        /// The server's own words.
        why: String,
    },

    /// A test has found that something does not do what it should.
    #[error("not all is well: {why}")]
    Unwell {
        /// What, and where to look.
        why: String,
    },

    /// Whoever runs the server has asked this listener to leave. Retrying cannot help while it runs.
    #[error("{address} has asked this listener to leave. Talk to whoever runs that server")]
    Removed {
        /// The other end.
        address: SocketAddr,
    },

    /// A server's source is another server whose sound comes from that server itself. Retrying helps once one of them
    /// takes it no more.
    #[error(
        "what {address} sends comes from this server and would go round and round. Take the one out of the sources of the other"
    )]
    Round {
        /// The other server.
        address: SocketAddr,
    },

    /// The server ended the connection, and said why.
    #[error(
        "{address} ended the connection: {why}. Sound comes back when that server takes listeners again"
    )]
    Dismissed {
        /// The other end.
        address: SocketAddr,
        /// What the server said.
        why: String,
    },

    /// A file cannot be read or written.
    #[error("{}: {why}. {fix}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// What to do.
        fix: String,
    },

    /// A part of the server has too much to do to answer. Retrying helps.
    #[error("{what} has too much to do to answer. Try again in a moment")]
    Busy {
        /// Which part.
        what: String,
    },

    /// The system refused something we cannot work without. Not the user's doing.
    #[error(
        "{what}: {why}. This should not happen: please report it with the command that was typed"
    )]
    Internal {
        /// What was tried.
        what: String,
        /// What the system said.
        why: String,
    },
}

/// The result of everything that can fail for a reason a user should read.
pub type Result<T> = std::result::Result<T, Error>;

/// The process's exit codes; `0` is "stopped as asked".
pub mod exit {
    /// Something broke that should not have.
    pub const INTERNAL: u8 = 1;
    /// Wrong command line or preset.
    pub const USAGE: u8 = 2;
    /// There is no usable sound device.
    pub const DEVICE: u8 = 3;
    /// Refused, no answer, unknown host, port in use, connection lost.
    pub const NETWORK: u8 = 4;
    /// The other end is not AuraLync.
    pub const PEER: u8 = 5;
    /// The server is full.
    pub const FULL: u8 = 6;
    /// A file cannot be read or written.
    pub const FILE: u8 = 7;
    /// The room is private, and the key is not there or not right.
    pub const PRIVATE: u8 = 8;
    /// The self-test has found that not all is well.
    pub const UNWELL: u8 = 9;
}

/// What the system says, without its number, and in plain words where they are known.
pub(crate) fn plain(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    let words = match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            "the other side broke it off"
        }
        ErrorKind::TimedOut => "the other side has not answered for too long",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "there is no way there",
        ErrorKind::NetworkDown => "the network is down",
        ErrorKind::NotFound => "there is no such file or folder",
        ErrorKind::IsADirectory => "this is a folder",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "this is not allowed",
        ErrorKind::StorageFull => "the disk is full",
        _ => {
            let text = error.to_string();
            // What every resolver's failure is called, whatever the system then adds.
            if text.starts_with("failed to lookup address") {
                return "nothing here knows a computer of that name".to_owned();
            }
            return in_words(&text);
        }
    };
    words.to_owned()
}

impl Error {
    /// The exit code that a program ending with this error reports.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage { .. } | Self::Preset { .. } | Self::Declined { .. } => exit::USAGE,
            Self::NoDevice { .. } | Self::Device { .. } => exit::DEVICE,
            Self::Bind { .. }
            | Self::Unresolved { .. }
            | Self::NoServer { .. }
            | Self::Refused { .. }
            | Self::NoAnswer { .. }
            | Self::Lost { .. }
            | Self::Removed { .. }
            | Self::Round { .. }
            | Self::Dismissed { .. } => exit::NETWORK,
            Self::Private { .. }
            | Self::NotPrivate { .. }
            | Self::OtherServer { .. }
            | Self::OtherRoom { .. }
            | Self::NotLetIn { .. }
            | Self::WrongCode { .. }
            | Self::NoCode { .. }
            | Self::CodeWait { .. } => exit::PRIVATE,
            Self::NotAuraLync { .. } => exit::PEER,
            Self::ServerFull { .. } | Self::AddressFull { .. } => exit::FULL,
            Self::File { .. } => exit::FILE,
            Self::Unwell { .. } => exit::UNWELL,
            Self::Internal { .. } | Self::Busy { .. } => exit::INTERNAL,
        }
    }

    pub(crate) fn usage(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Usage { what: what.into(), fix: fix.into() }
    }

    pub(crate) fn file(path: &Path, why: impl ToString, fix: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), why: why.to_string(), fix: fix.into() }
    }

    pub(crate) fn internal(what: impl Into<String>, why: impl ToString) -> Self {
        Self::Internal { what: what.into(), why: unworded::worded(&why.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nobody_knows_is_said_in_words_that_need_no_engineer() {
        use std::net::ToSocketAddrs;
        let error = "no such host".to_socket_addrs().err();
        let error = error.or_else(|| ("no.such.invalid", 1).to_socket_addrs().err()).unwrap();
        assert!(!plain(&error).contains("lookup"), "{}", plain(&error));
        let unknown = std::io::Error::other("failed to lookup address information: Unknown");
        assert_eq!(plain(&unknown), "nothing here knows a computer of that name");
    }

    #[test]
    fn what_the_system_says_comes_without_its_number() {
        for code in 1..=133 {
            let text = plain(&std::io::Error::from_raw_os_error(code));
            assert!(!text.is_empty() && !text.contains("os error"), "{code}: {text}");
        }
    }
}
