//! What single words on the command line may be. The errors end up behind clap's “invalid value
//! … for …: ”.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use super::{Output, Transport};
use crate::clock::FARTHEST_MS;
use crate::codec::Codec;
use crate::home::expanded;
use crate::recording::STDOUT;
use crate::secure::code::Code;
use crate::snapcast::kept::MAX_LATENCY_MS;
use crate::sound::limiter::MAX_VOLUME;
use crate::source::MOST_DUCK_DB;
use crate::stats::StatsTarget;
use crate::talking::{Clean, Mode};

pub(super) fn whole_number<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            "this is not a whole number".to_owned()
        } else if digits == text {
            "this number is too large".to_owned()
        } else {
            "this number is too small".to_owned()
        }
    })
}

pub(super) fn transport(text: &str) -> Result<Transport, String> {
    match text {
        "auto" => Ok(Transport::Auto),
        "udp" => Ok(Transport::Udp),
        "tcp" => Ok(Transport::Tcp),
        _ => Err("sound comes by auto, udp or tcp".to_owned()),
    }
}

pub(super) fn address(text: &str) -> Result<IpAddr, String> {
    text.parse()
        .map_err(|_| "this is not an address in digits, like 192.168.1.100 or fd00::100".to_owned())
}

pub(super) fn client_port(text: &str) -> Result<u16, String> {
    match whole_number(text)? {
        0 => Err("no server can listen on port 0".to_owned()),
        port => Ok(port),
    }
}

pub(super) fn volume(text: &str) -> Result<u16, String> {
    match whole_number(text.strip_suffix('%').unwrap_or(text))? {
        volume if volume <= MAX_VOLUME => Ok(volume),
        _ => Err(format!("the volume goes from 0 to {MAX_VOLUME} per cent")),
    }
}

/// Longest name in the world's name system, in characters (RFC 1035).
const LONGEST_HOST: usize = 253;

pub(super) fn host(text: &str) -> Result<String, String> {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !text.is_empty() && text.len() <= LONGEST_HOST && text.bytes().all(is_known) {
        return Ok(text.trim_end_matches('.').to_owned());
    }
    Err("it is only the name in the page's address, like music.example: no http://, no port, and \
         nothing behind it"
        .to_owned())
}

pub(super) fn certificate(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("this is no file's name".to_owned());
    }
    Ok(expanded(text))
}

pub(super) fn duck(text: &str) -> Result<u8, String> {
    match whole_number(text)? {
        decibels if decibels <= MOST_DUCK_DB => Ok(decibels),
        _ => Err(format!("a film steps back by 0 to {MOST_DUCK_DB} decibels")),
    }
}

pub(super) fn level(text: &str) -> Result<f32, String> {
    crate::source::parse_level(&text.to_ascii_lowercase().replace('−', "-"))
}

pub(super) fn pan(text: &str) -> Result<f32, String> {
    crate::source::parse_pan(&text.replace('−', "-"))
        .map_err(|_| format!("“{text}” is not a place: -1 is left, 0 the middle, 1 right"))
}

pub(super) fn snapclient_volume(text: &str) -> Result<u8, String> {
    match whole_number(text)? {
        volume @ 0..=100 => Ok(volume),
        _ => Err("a volume is 0 to 100".to_owned()),
    }
}

pub(super) fn snapclient_latency(text: &str) -> Result<u32, String> {
    match whole_number(text)? {
        latency @ 0..=MAX_LATENCY_MS => Ok(latency),
        _ => Err(format!("a loudspeaker's latency is 0 to {MAX_LATENCY_MS} milliseconds")),
    }
}

pub(super) fn delay(text: &str) -> Result<i32, String> {
    // The hint about the picture shows a real minus sign, which then gets pasted.
    match whole_number(&text.replace('−', "-"))? {
        delay if (-FARTHEST_MS..=FARTHEST_MS).contains(&delay) => Ok(delay),
        _ => Err(format!("the delay goes from -{FARTHEST_MS} to {FARTHEST_MS} milliseconds")),
    }
}

pub(super) fn codec(text: &str) -> Result<String, String> {
    if text == crate::codec::AUTO || Codec::parse(text).is_some() {
        return Ok(text.to_owned());
    }
    Err("it can be auto, f32, s24, s16, opus, or opus:KBPS with 64 to 256 kilobits a second"
        .to_owned())
}

pub(super) fn talk(text: &str) -> Result<Mode, String> {
    match text {
        "open" => Ok(Mode::Open),
        "push" => Ok(Mode::Push),
        _ => {
            Err("it can be open (whenever you speak) or push (while you hold the space bar)"
                .to_owned())
        }
    }
}

/// `None` is auto.
pub(super) fn clean(text: &str) -> Result<Option<Clean>, String> {
    let mut clean = Clean::OFF;
    match text {
        "auto" => return Ok(None),
        "off" => return Ok(Some(clean)),
        _ => {}
    }
    for word in text.split(',') {
        match word.trim() {
            "echo" => clean.echo = true,
            "noise" => clean.noise = true,
            "gain" => clean.gain = true,
            _ => {
                return Err("it can be auto, off, or any of echo, noise and gain with commas \
                            between them"
                    .to_owned());
            }
        }
    }
    Ok(Some(clean))
}

pub(super) fn room_code(text: &str) -> Result<Code, String> {
    Code::read(text).map_err(|no_code| no_code.to_string())
}

pub(super) fn talk_codec(text: &str) -> Result<Codec, String> {
    Codec::parse_for_voice(text).ok_or_else(|| {
        "it can be opus, opus:KBPS with 64 to 256 kilobits a second, s16, s24 or f32".to_owned()
    })
}

pub(super) fn output(text: &str) -> Result<Output, String> {
    match text.split_once(':') {
        None if text == "speaker" => Ok(Output::Speaker),
        None if text == "null" => Ok(Output::Null),
        Some(("wav", STDOUT)) => Ok(Output::Wav(STDOUT.into())),
        Some(("wav", path)) if !path.is_empty() => recording(path).map(Output::Wav),
        _ => Err(
            "it can be speaker, wav:FILE (a sound file), wav:- (standard output) or null (nothing)"
                .to_owned(),
        ),
    }
}

pub(super) fn recording(text: &str) -> Result<PathBuf, String> {
    let path = expanded(text);
    match crate::recording::Kind::of(&path) {
        Ok(_) => Ok(path),
        Err(_) => Err("a recording's name ends in .wav, .flac or .opus".to_owned()),
    }
}

pub(super) fn folder(text: &str) -> Result<PathBuf, String> {
    match text {
        "" => Err("write the name of a folder".to_owned()),
        path => Ok(expanded(path)),
    }
}

pub(super) fn stats(text: &str) -> Result<StatsTarget, String> {
    match text {
        "" => Err("write the name of a file, or - for standard output".to_owned()),
        "-" => Ok(StatsTarget::Stdout),
        path => Ok(StatsTarget::File(expanded(path))),
    }
}
