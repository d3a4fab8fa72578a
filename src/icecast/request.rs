//! The request by which a source comes to Icecast.

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use super::target::Target;

/// The request, as it goes out; `name` is what listeners are shown. Its body is sound and never ends.
#[must_use]
pub fn request(target: &Target, password: &str, name: &str) -> Zeroizing<Vec<u8>> {
    let proof = Zeroizing::new(format!("{}:{password}", target.user));
    let proof = Zeroizing::new(Base64::encode_string(proof.as_bytes()));
    // What a name may hold must not end its line.
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    let (mount, host, kbps) = (&target.mount, target.authority(), target.bitrate.kbps());
    let version = env!("CARGO_PKG_VERSION");
    let text = format!(
        "PUT {mount} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic {}\r\n\
         User-Agent: AuraLync/{version}\r\nContent-Type: application/ogg\r\nIce-Name: {name}\r\n\
         Ice-Public: 0\r\nIce-Bitrate: {kbps}\r\nExpect: 100-continue\r\n\r\n",
        *proof
    );
    Zeroizing::new(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_says_who_it_is_what_comes_and_that_no_list_is_to_name_it() {
        let target: Target = "icecast://me@[::1]/room.opus,bitrate=96".parse().unwrap();
        let request = request(&target, "hackme", "Küche\r\nIce-Public: 1");
        let request = String::from_utf8(request.to_vec()).unwrap();
        let lines: Vec<&str> = request.split("\r\n").collect();
        assert_eq!(lines[0], "PUT /room.opus HTTP/1.1");
        for line in [
            "Host: [::1]:8000",
            "Authorization: Basic bWU6aGFja21l",
            "Content-Type: application/ogg",
            "Ice-Name: KücheIce-Public: 1",
            "Ice-Public: 0",
            "Ice-Bitrate: 96",
            "Expect: 100-continue",
        ] {
            assert!(lines.contains(&line), "{line}: {request}");
        }
        assert!(request.ends_with("\r\n\r\n") && lines.len() == 11, "{lines:?}");
    }
}
