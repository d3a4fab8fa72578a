//! A real Icecast server, as Debian has it, on a port of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::free_port::free_port;
use crate::support::program::Program;
use crate::support::scratch::Scratch;
use crate::support::waiting::wait_until;

pub(crate) const PASSWORD: &str = "a password of the tests";

/// What Icecast keeps for whoever comes, in bytes: what docs/icecast.md says, and Icecast's own.
pub(crate) const SHORT_BURST: u32 = 8_192;
pub(crate) const USUAL_BURST: u32 = 65_536;

/// An Icecast server that runs.
pub(crate) struct Icecast {
    pub(crate) address: SocketAddr,
    configuration: PathBuf,
    program: Option<Program>,
    _scratch: Scratch,
}

impl Icecast {
    pub(crate) fn start(burst: u32) -> Self {
        let scratch = Scratch::new();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let configuration = scratch.path("icecast.xml");
        std::fs::write(&configuration, xml(address.port(), burst)).unwrap();
        let mut icecast = Self { address, configuration, program: None, _scratch: scratch };
        icecast.begin();
        icecast
    }

    /// Starts it, again after [`end`](Self::end), and waits until it listens.
    pub(crate) fn begin(&mut self) {
        let mut command = Command::new(binary());
        command.arg("-c").arg(&self.configuration);
        self.program = Some(Program::start(command));
        wait_until("Icecast listens", || TcpStream::connect(self.address).is_ok());
    }

    pub(crate) fn end(&mut self) {
        self.program = None;
    }

    pub(crate) fn url(&self, mount: &str) -> String {
        format!("icecast://{}{mount}", self.address)
    }
}

fn binary() -> PathBuf {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/engine/icecast/bin/icecast2");
    assert!(unpacked.exists(), "Icecast is missing. Run: scripts/setup.sh engine");
    unpacked
}

fn xml(port: u16, burst: u32) -> String {
    // As root it refuses to run unless it may become somebody else.
    let owner = if rustix::process::geteuid().is_root() {
        "<changeowner><user>nobody</user><group>nogroup</group></changeowner>"
    } else {
        ""
    };
    let web =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/engine/icecast/usr/share/icecast2");
    let web = web.display();
    format!(
        "<icecast><hostname>localhost</hostname>
        <limits><clients>20</clients><sources>4</sources><burst-size>{burst}</burst-size></limits>
        <authentication><source-password>{PASSWORD}</source-password>
        <admin-user>admin</admin-user><admin-password>{PASSWORD}</admin-password></authentication>
        <listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>
        <paths><logdir>/tmp</logdir><webroot>{web}/web</webroot><adminroot>{web}/admin</adminroot></paths>
        <logging><accesslog>-</accesslog><errorlog>-</errorlog><loglevel>2</loglevel></logging>
        <security><chroot>0</chroot>{owner}</security></icecast>"
    )
}
