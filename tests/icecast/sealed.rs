//! Icecast behind a proxy that speaks TLS.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};

use crate::attempts::thrice;
use crate::icecast::{Icecast, SHORT_BURST};
use crate::player::listen;
use crate::real::{COMES_LATE, is_the_tone, password};
use crate::support::scratch::Scratch;
use crate::support::sealed_way::pass_on;
use crate::support::servers::server;

/// A proxy for `server`, and its certificate in PEM.
fn proxy(server: SocketAddr) -> (SocketAddr, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
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
            thread::spawn(move || pass_on(TcpStream::connect(server)?, near, tls.into()));
        }
    });
    (address, made.cert.pem())
}

#[test]
fn a_certificate_that_is_in_the_users_file_is_believed_and_no_other() {
    let (scratch, icecast) = (Scratch::new(), Icecast::start(SHORT_BURST));
    let (address, pem) = proxy(icecast.address);
    let password = password(&scratch);
    let file = |name: &str, pem: &str| {
        let path = scratch.path(name);
        std::fs::write(&path, pem).unwrap();
        format!(",ca={}", path.display())
    };
    let (ca, other) = (file("ca.pem", &pem), file("other.pem", &proxy(icecast.address).1));
    let start = |url: &str, ca: &str| {
        let url = format!("{url},password-file={}{ca}", password.display());
        server(["--source", "tone:440", "--icecast", &url])
    };
    let port = address.port();
    let mut sealed = start(&format!("https://localhost:{port}/sealed"), &ca);
    for (mut server, why) in [
        (
            start(&format!("https://localhost:{port}/a"), &other),
            "the connection cannot be sealed (",
        ),
        (start(&format!("https://{}/b", icecast.address), &ca), "gets no sound: "),
        (start(&format!("http://localhost:{port}/c"), ""), "gets no sound: "),
    ] {
        server.wait_for(why);
        server.stop();
        assert!(!server.said().contains("gets the sound"));
    }
    sealed.wait_for("the Icecast server gets the sound");
    thrice(|| {
        let heard = listen(icecast.address, "/sealed", Duration::from_secs(3)).unwrap();
        is_the_tone(&heard.sound()?[COMES_LATE..])
    });
    sealed.stop();
}
