//! Each listener gets the codec that it asks for, and all of them the same sound.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use auralync::wire::{AudioHeader, Hello, Ping, Pong, Welcome, kind};

use crate::support::flags::wav;
use crate::support::program::Program;
use crate::support::ramp::frames_on_disk;
use crate::support::servers::{client, server, server_command};
use crate::support::{Scratch, socket, wait_until};

const RATE: u64 = 48_000;

#[test]
fn every_codec_is_heard_and_nobody_disturbs_another() {
    let scratch = Scratch::new();
    let flags = ["--source", "tone:1000", "--playout-delay-ms", "1500", "--sample-rate"];
    for rate in ["48000", "44100"] {
        let mut server = server(flags.iter().chain(&[rate]));
        let codecs = ["auto", "f32", "s24", "s16", "opus", "opus:64"];
        let gets = ["f32", "f32", "s24", "s16", "opus:128", "opus:64"];
        let paths: Vec<_> =
            (0..codecs.len()).map(|n| scratch.path(format!("{rate}-{n}.wav"))).collect();
        let mut listeners: Vec<_> = codecs
            .iter()
            .zip(&paths)
            .map(|(codec, path)| {
                client(server.address(), ["--codec", codec, "--output", &wav(path)])
            })
            .collect();
        for codec in gets {
            server.wait_for(&format!("listens (version 3, {codec})"));
        }
        for path in &paths {
            wait_until("two seconds of sound", || frames_on_disk(path, 2) > 2 * RATE);
        }
        for ((listener, path), codec) in listeners.iter_mut().zip(&paths).zip(codecs) {
            listener.stop();
            let samples: Vec<f32> =
                hound::WavReader::open(path).unwrap().into_samples().map(Result::unwrap).collect();
            let left: Vec<f32> = samples.into_iter().step_by(2).collect();
            // Behind the silence before the tone: a sine without a break steps no further than
            // its own slope.
            let sound = &left[left.iter().position(|s| s.abs() > 0.05).unwrap() + 4800..];
            let peak = sound.iter().fold(0.0_f32, |most, s| most.max(s.abs()));
            let step = sound.windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0_f32, f32::max);
            let slope = peak * std::f32::consts::TAU * 1000.0 / 44_100.0;
            assert!(peak > 0.05 && step < slope * 1.3, "{codec}: a step of {step}, peak {peak}");
        }
        assert!(server.is_running());
    }
}

fn welcomed(server: SocketAddr, codecs: Vec<String>) -> (Welcome, u32) {
    let mut socket = socket::connect(server);
    let _config = socket::plain(&mut socket);
    let hello = Hello {
        version: 2,
        id: "x".into(),
        name: String::new(),
        codecs,
        talk: None,
        datagrams: false,
    };
    socket.write_all(&hello.frame()).unwrap();
    let body = socket::skip_to_welcome(&mut socket);
    let welcome = Welcome::read(&body).unwrap();
    loop {
        if let (kind::AUDIO, body) = socket::typed(&mut socket) {
            let frames = u32::from_be_bytes([body[3], body[4], body[5], body[6]]);
            return (welcome, frames);
        }
    }
}

#[test]
fn a_welcome_describes_its_codec_and_hundreds_of_wishes_are_answered() {
    let mut server =
        server(["--source", "tone", "--sample-rate", "44100", "--playout-delay-ms", "300"]);
    let address = server.address();
    let one = |codec: &str| welcomed(address, vec![codec.to_owned()]);
    let (opus, frames) = one("opus:96");
    assert_eq!((opus.codec.as_str(), opus.position_rate), ("opus", 48_000));
    assert_eq!((opus.format.sample_rate, opus.algorithmic_delay), (48_000, 312));
    assert_eq!((opus.chunk_size, frames), (960, 960));
    let (int16, frames) = one("s16");
    assert_eq!((int16.codec.as_str(), int16.position_rate), ("s16", 44_100));
    assert_eq!((int16.algorithmic_delay, int16.chunk_size, frames), (0, 1024, 1024));
    assert_eq!(one("quantum").0.codec, "f32");
    let many = (0..300).map(|n| format!("c{n}")).collect();
    assert_eq!(welcomed(address, many).0.codec, "f32");
}

#[test]
fn who_comes_again_gets_what_it_asks_for_again() {
    let mut server = server(["--source", "tone", "--playout-delay-ms", "300"]);
    let address = server.address();
    for _ in 0..3 {
        // The same id: each takes the place of the one before.
        assert_eq!(welcomed(address, vec!["opus".into()]).0.codec, "opus");
        assert_eq!(welcomed(address, vec!["s24".into()]).0.codec, "s24");
    }
}

/// How old the first sound is that a newcomer gets, at the time that it was welcomed, in ms.
/// The connection comes too, still open.
fn age_of_the_first_sound(server: SocketAddr, id: &str, codec: &str) -> (u64, TcpStream) {
    let mut socket = socket::connect(server);
    let _config = socket::plain(&mut socket);
    let codecs = vec![codec.to_owned()];
    let hello = Hello {
        version: 2,
        id: id.into(),
        name: String::new(),
        codecs,
        talk: None,
        datagrams: false,
    };
    socket.write_all(&hello.frame()).unwrap();
    let _welcome = socket::skip_to_welcome(&mut socket);
    socket.write_all(&Ping { client_us: 0 }.frame()).unwrap();
    let (mut captured_us, mut welcomed_us) = (None, None);
    loop {
        match socket::typed(&mut socket) {
            (kind::AUDIO, body) => {
                let (header, _) = AudioHeader::split(&body).unwrap();
                captured_us.get_or_insert(header.captured_us);
            }
            (kind::PONG, body) => welcomed_us = Some(Pong::read(&body).unwrap().received_us),
            _ => {}
        }
        if let (Some(captured_us), Some(welcomed_us)) = (captured_us, welcomed_us) {
            return (welcomed_us.saturating_sub(captured_us) / 1000, socket);
        }
    }
}

#[test]
fn a_newcomer_gets_sound_from_before_it_came_even_if_nobody_had_its_codec() {
    let mut server = server(["--source", "tone", "--playout-delay-ms", "1000"]);
    let address = server.address();
    // All but a head start of a quarter of a second, and a chunk.
    let expected = 650..=800;
    let mut newcomers = 0;
    let mut age_ms = |codec| {
        newcomers += 1;
        age_of_the_first_sound(address, &newcomers.to_string(), codec).0
    };
    // Asked in the codec that takes least of what all newcomers together may have.
    wait_until("sound to remember", || expected.contains(&age_ms("opus:64")));
    for codec in ["opus:64", "s16", "opus", "s24", "f32", "opus"] {
        let age_ms = age_ms(codec);
        assert!(expected.contains(&age_ms), "{codec}: {age_ms} ms");
    }
}

#[test]
fn a_connection_that_takes_an_older_ones_place_misses_nothing_that_can_still_be_played() {
    let mut server = server(["--source", "tone", "--playout-delay-ms", "1000"]);
    let address = server.address();
    // All but the way there, and a chunk.
    let expected = 900..=1000;
    let (_, mut before) = age_of_the_first_sound(address, "one", "opus:64");
    wait_until("sound to remember", || {
        let (age_ms, now) = age_of_the_first_sound(address, "one", "opus:64");
        before = now;
        expected.contains(&age_ms)
    });
    let (age_ms, _open) = age_of_the_first_sound(address, "another", "opus:64");
    assert!(!expected.contains(&age_ms), "a newcomer: {age_ms} ms");
    drop(before);
}

#[test]
fn a_recording_goes_on_in_its_codec_when_the_room_has_changed_meanwhile() {
    let scratch = Scratch::new();
    let preset_with = |codecs: &str| {
        let file = scratch.file("room.toml", format!("codecs = {codecs}\n"));
        file.to_str().unwrap().to_owned()
    };
    let flags = ["--source", "tone", "--sample-rate", "44100", "--preset"];
    let preset = preset_with(r#"["f32", "opus"]"#);
    let mut first = server(flags.iter().chain(&[preset.as_str()]));
    let address = first.address();
    let path = scratch.path("heard.wav");
    let mut listener = client(address, ["--output", &wav(&path)]);
    first.wait_for("listens (version 3, f32)");
    wait_until("sound", || frames_on_disk(&path, 2) > 0);
    drop(first);
    let before = frames_on_disk(&path, 2);
    let mut command = server_command();
    command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string()]);
    command.args(["--no-discovery", "--no-web"]).args(flags);
    command.arg(preset_with(r#"["opus", "f32"]"#));
    let mut second = Program::start(command);
    second.wait_for("listens (version 3, f32)");
    wait_until("sound again", || frames_on_disk(&path, 2) > before + 44_100);
    assert!(listener.is_running());
}
