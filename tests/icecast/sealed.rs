//! Icecast behind a proxy that speaks TLS.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};
use sha2::{Digest, Sha256};

use crate::attempts::thrice;
use crate::icecast::{Icecast, SHORT_BURST};
use crate::player::listen;
use crate::real::{COMES_LATE, is_the_tone, password};
use crate::support::scratch::Scratch;
use crate::support::servers::server;

/// How long a connection waits for one side before it looks at the other.
const LOOK: Duration = Duration::from_millis(2);

/// A proxy for `server`, its certificate in PEM and as a fingerprint.
fn proxy(server: SocketAddr) -> (SocketAddr, String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let fingerprint =
        Sha256::digest(&certificate).iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let (config, door) = (Arc::new(config), TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    let address = door.local_addr().unwrap();
    thread::spawn(move || {
        for near in door.incoming().flatten() {
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            // Either end may go in the middle of it.
            thread::spawn(move || pass_on(near, TcpStream::connect(server)?, tls));
        }
    });
    (address, made.cert.pem(), fingerprint.join(":"))
}

fn pass_on(mut near: TcpStream, mut far: TcpStream, mut tls: ServerConnection) -> io::Result<()> {
    near.set_read_timeout(Some(LOOK))?;
    far.set_read_timeout(Some(LOOK))?;
    let mut buffer = [0; 16 * 1024];
    let waits =
        |e: &io::Error| matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
    loop {
        match tls.read_tls(&mut near) {
            Ok(0) => return Ok(()),
            Ok(_) => {
                let state = tls.process_new_packets().map_err(io::Error::other);
                while tls.wants_write() {
                    tls.write_tls(&mut near)?;
                }
                let mut said = vec![0; state?.plaintext_bytes_to_read()];
                tls.reader().read_exact(&mut said)?;
                far.write_all(&said)?;
            }
            Err(e) if waits(&e) => {}
            Err(e) => return Err(e),
        }
        match far.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => tls.writer().write_all(&buffer[..count])?,
            Err(e) if waits(&e) => {}
            Err(e) => return Err(e),
        }
        while tls.wants_write() {
            tls.write_tls(&mut near)?;
        }
    }
}

#[test]
fn a_certificate_that_is_pinned_or_trusted_is_believed_and_no_other() {
    let (scratch, icecast) = (Scratch::new(), Icecast::start(SHORT_BURST));
    let (address, pem, fingerprint) = proxy(icecast.address);
    let (file, password) = (scratch.path("ca.pem"), password(&scratch));
    std::fs::write(&file, pem).unwrap();
    let other = scratch.path("other.pem");
    std::fs::write(&other, proxy(icecast.address).1).unwrap();
    let start = |scheme: &str, host: &str, mount: &str, trust: String| {
        let port = address.port();
        let url =
            format!("{scheme}://{host}:{port}/{mount},password-file={}{trust}", password.display());
        server(["--source", "tone:440", "--icecast", &url])
    };
    let mut pinned = start("https", "127.0.0.1", "pinned", format!(",pin={fingerprint}"));
    let mut trusted = start("https", "localhost", "trusted", format!(",ca={}", file.display()));
    let wrong = fingerprint.replace('0', "1").replace('A', "B");
    let refused = [
        (start("https", "localhost", "a", format!(",pin={wrong}")), "is not the one of pin="),
        (
            start("https", "127.0.0.1", "b", format!(",ca={}", file.display())),
            "does not hold for it",
        ),
        (
            start("https", "localhost", "c", format!(",ca={}", other.display())),
            "does not hold for it",
        ),
        (start("http", "localhost", "d", String::new()), "gets no sound"),
    ];
    let plain = format!(
        "https://{}/e,password-file={},pin={fingerprint}",
        icecast.address,
        password.display()
    );
    let plain = (server(["--source", "tone:440", "--icecast", &plain]), "gets no sound");
    for (mut server, why) in refused.into_iter().chain([plain]) {
        server.wait_for(why);
        server.stop();
    }
    for (server, mount) in [(&mut pinned, "/pinned"), (&mut trusted, "/trusted")] {
        server.wait_for("the Icecast server gets the sound");
        thrice(|| {
            let heard = listen(icecast.address, mount, Duration::from_secs(3)).unwrap();
            is_the_tone(&heard.sound()?[COMES_LATE..])
        });
        server.stop();
    }
}
