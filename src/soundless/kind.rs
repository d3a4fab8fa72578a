//! Tells what a file is by its first bytes. Other modules then read how it is laid out.

use std::io;

use crate::soundless::fault::Fault;
use crate::soundless::input::Input;
use crate::soundless::tag::tag_bytes;
use crate::soundless::{mp3, others};

/// How far into a file its sound may begin, tags aside: what a server or a badly cut stream leaves
/// in front.
const MAX_JUNK: usize = 64 * 1024;

/// How many zeros may stand in front: a download that was never filled in.
const MAX_ZEROS: u64 = 1024 * 1024;

/// Most tags in front of the sound. Editors leave one, or two.
const MAX_TAGS: usize = 16;

/// Most bytes that a signature takes.
const SIGNATURE: usize = 64;

/// The kinds of files that are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Riff,
    W64,
    Aiff,
    Au,
    Caf,
    Flac,
    Mp3,
    Mp4,
    Ogg,
}

/// Steps over what stands in front of the sound, and says what it is.
///
/// # Errors
/// [`Fault::Unknown`], with what it is instead where that can be told.
pub(crate) fn recognise(input: &mut Input) -> Result<FileKind, Fault> {
    for _ in 0..MAX_TAGS {
        match tag_bytes(input)? {
            0 => break,
            bytes => input.skip(bytes)?,
        }
    }
    step_over_zeros(input)?;
    let start = input.peek(mp3::LOOK)?;
    if start.is_empty() {
        return Err(Fault::Unknown("it holds no sound".into()));
    }
    if let Some(kind) = known(start) {
        return Ok(kind);
    }
    if let Some(name) = foreign_name(start) {
        return Err(Fault::not_known(name));
    }
    if let Some(name) = soundless_name(start) {
        return Err(Fault::Unknown(format!("it is {name} and no sound file")));
    }
    if mp3::is_mpeg_audio(start) {
        return Ok(FileKind::Mp3);
    }
    if mp3::is_free_format(start) {
        return Err(Fault::not_known("an MP3 file in the free format"));
    }
    find_behind_junk(input)?
        .ok_or_else(|| Fault::Unknown("it is not a sound file known here".into()))
}

/// Looks for the start of sound a little further in.
fn find_behind_junk(input: &mut Input) -> io::Result<Option<FileKind>> {
    let start = input.peek(MAX_JUNK + mp3::LOOK)?;
    let found = (1..start.len().min(MAX_JUNK)).find_map(|at| {
        let bytes = &start[at..];
        let kind = match bytes[0] {
            b'f' | b'O' | b'R' => known(bytes),
            0xff if mp3::is_mpeg_audio_behind_junk(bytes) => Some(FileKind::Mp3),
            _ => None,
        };
        kind.map(|kind| (at, kind))
    });
    Ok(found.map(|(at, kind)| {
        input.consume(at);
        kind
    }))
}

fn known(start: &[u8]) -> Option<FileKind> {
    if let Some(b"ftyp" | b"moov" | b"mdat") = start.get(4..8) {
        return Some(FileKind::Mp4);
    }
    let inner = start.get(8..12).unwrap_or_default();
    Some(match start.get(..4)? {
        b"RIFF" | b"RIFX" | b"RF64" | b"BW64" if inner == b"WAVE" => FileKind::Riff,
        b"FORM" if inner == b"AIFF" || inner == b"AIFC" => FileKind::Aiff,
        b"riff" if others::is_w64(start) => FileKind::W64,
        b".snd" => FileKind::Au,
        b"caff" if start.get(4..6) == Some(&[0, 1]) => FileKind::Caf,
        b"fLaC" => FileKind::Flac,
        b"OggS" if start.get(4) == Some(&0) => FileKind::Ogg,
        _ => return None,
    })
}

fn step_over_zeros(input: &mut Input) -> io::Result<()> {
    let mut stepped = 0;
    while stepped < MAX_ZEROS {
        let bytes = input.peek(SIGNATURE)?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        // Some signatures begin with zeros.
        if zeros < SIGNATURE.min(bytes.len()) || zeros == 0 {
            if zeros >= 8 || stepped > 0 {
                input.consume(zeros);
            }
            return Ok(());
        }
        input.consume(zeros);
        stepped += zeros as u64;
    }
    Ok(())
}

/// First bytes, where in a file they stand, and what begins so is called.
type Signature = (usize, &'static [u8], &'static str);

/// What holds sound, or may hold it, and is not played here.
const FOREIGN: [Signature; 33] = [
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM file"),
    (8, b"AVI ", "an AVI video"),
    (0, b"FLV\x01", "a Flash video"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media file"),
    (0, b"\0\0\x01\xba", "an MPEG video"),
    (0, b"\0\0\x01\xb3", "an MPEG video"),
    (0, b".RMF", "a RealMedia file"),
    (0, b".ra\xfd", "a RealAudio file"),
    (0, b"wvpk", "a WavPack file"),
    (0, b"MAC ", "a Monkey's Audio file"),
    (0, b"TTA1", "a True Audio file"),
    (0, b"MPCK", "a Musepack file"),
    (0, b"MP+", "a Musepack file"),
    (0, b"OFR ", "an OptimFROG file"),
    (0, b"ajkg", "a Shorten file"),
    (0, b"tBaK", "a TAK file"),
    (0, b"\x0b\x77", "an AC-3 file"),
    (0, b"\x7f\xfe\x80\x01", "a DTS file"),
    (0, b"#!AMR", "an AMR file"),
    (0, b"ADIF", "an AAC file"),
    (0, b"DSD ", "a DSD file"),
    (0, b"FRM8", "a DSD file"),
    (0, b"MThd", "a MIDI file"),
    (8, b"RMID", "a MIDI file"),
    (0, b"Creative Voice File", "a VOC file"),
    (0, b"NIST_1A", "a NIST Sphere file"),
    (0, b"IMPM", "a tracker's module"),
    (0, b"Extended Module", "a tracker's module"),
    (44, b"SCRM", "a tracker's module"),
    (8, b"8SVX", "an IFF-8SVX file"),
    (8, b"CDXA", "a Video CD's file"),
    (0, b"#EXTM3U", "a playlist"),
    (0, b"[playlist]", "a playlist"),
];

/// What holds no sound.
const SOUNDLESS: [Signature; 22] = [
    (8, b"WEBP", "a picture"),
    (0, b"RIFF", "a RIFF file"),
    (0, b"\x89PNG", "a picture"),
    (0, b"\xff\xd8\xff", "a picture"),
    (0, b"GIF8", "a picture"),
    (0, b"II*\0", "a picture"),
    (0, b"MM\0*", "a picture"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "packed with gzip"),
    (0, b"BZh", "packed with bzip2"),
    (0, b"\xfd7zXZ", "packed with xz"),
    (0, b"\x28\xb5\x2f\xfd", "packed with zstd"),
    (0, b"7z\xbc\xaf", "a 7z archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a program"),
    (0, b"#!/", "a program"),
    (0, b"<?xml", "a text"),
    (0, b"<!doctype", "a web page"),
    (0, b"<!DOCTYPE", "a web page"),
    (0, b"<html", "a web page"),
];

fn named(start: &[u8], names: &[Signature]) -> Option<&'static str> {
    let begins =
        |(at, bytes, _): &&Signature| start.get(*at..).is_some_and(|rest| rest.starts_with(bytes));
    names.iter().find(begins).map(|(_, _, name)| *name)
}

/// What a file of sound of another kind is called.
fn foreign_name(start: &[u8]) -> Option<&'static str> {
    if is_adts(start) {
        return Some("an AAC file");
    }
    if [0, 188, 376].iter().all(|at| start.get(*at) == Some(&0x47)) {
        return Some("an MPEG transport stream");
    }
    named(start, &FOREIGN)
}

/// What a file that is no sound is called.
fn soundless_name(start: &[u8]) -> Option<&'static str> {
    named(start, &SOUNDLESS)
}

/// Whether AAC with ADTS headers begins: its sync, layer 0, and a second one as far on as it says.
fn is_adts(start: &[u8]) -> bool {
    let sync = |bytes: &[u8]| bytes.len() >= 7 && bytes[0] == 0xff && bytes[1] & 0xf6 == 0xf0;
    if !sync(start) {
        return false;
    }
    let length =
        usize::from(start[3] & 3) << 11 | usize::from(start[4]) << 3 | usize::from(start[5] >> 5);
    length >= 7 && start.get(length..).is_some_and(sync)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        match recognise(&mut Input::memory(bytes.to_vec())).unwrap_err() {
            Fault::Unknown(why) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_not_played_here_is_called_by_its_name() {
        for (bytes, name) in [
            (&b"\x1a\x45\xdf\xa3\x01\0\0\0"[..], "a Matroska or WebM file"),
            (b"RIFF\0\0\0\0AVI LIST", "an AVI video"),
            (b"#EXTM3U\na.mp3\n", "a playlist"),
        ] {
            assert_eq!(refusal(bytes), format!("it is {name}, which is not known here"));
        }
        let picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        assert_eq!(refusal(picture), "it is a picture and no sound file");
    }

    #[test]
    fn a_kind_is_known_behind_tags_and_zeros_and_a_little_junk() {
        let id3 = b"ID3\x04\0\x10\0\0\0\x05abcde3DI\x04\0\x10\0\0\0\x05";
        let mut ape = b"APETAGEX\xd0\x07\0\0\x40\0\0\0\x01\0\0\0\0\0\0\xa0".to_vec();
        ape.extend([0; 8 + 64]);
        for (start, kind) in [
            (&b"RIFF\0\0\0\0WAVEfmt "[..], FileKind::Riff),
            (b"fLaC\0\0\0\x22", FileKind::Flac),
            (b"OggS\0\x02\0\0", FileKind::Ogg),
        ] {
            for front in [&b""[..], id3, &ape, &[0; 100_000], b"ICY 200 OK\r\n\r\n"] {
                let mut input = Input::memory([front, start, &[7; 64]].concat());
                assert_eq!(recognise(&mut input).unwrap(), kind);
                assert!(input.peek(4).unwrap().starts_with(&start[..4]));
            }
        }
    }

    #[test]
    fn a_few_bits_of_mp3_in_something_else_are_no_mp3() {
        let mut bytes = b"nothing that is known".repeat(40);
        bytes.extend([0xff, 0xfb, 0x90, 0x00]);
        bytes.extend(vec![0x55; 3_000]);
        assert_eq!(refusal(&bytes), "it is not a sound file known here");
    }
}
