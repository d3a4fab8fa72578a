//! People who talk: the page, with the microphone that the browser makes up, and a native talker.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::browser::{Browser, in_chromium};
use crate::support::compare::{find, likeness};
use crate::support::free_port::free_port;
use crate::support::median::median;
use crate::support::microphones::{MIC1, MOUTH};
use crate::support::program::{Guarded, Program};
use crate::support::recorder::Recorder;
use crate::support::room::{EAR1, EAR2, RATE, Room, Sink};
use crate::support::stereo::noise;
use crate::support::waiting::wait_until;
use crate::support::wav::write_wav;
use crate::{MOST_BYTES_TO_SOUND, extra_ms, folder, server_of};

/// Words last a second, and so do the pauses between them.
const WORD: usize = RATE as usize;
const WORDS: usize = 120;

/// What is compared at a time, and how much later it is looked for, in frames.
const PIECE: usize = RATE as usize / 10;
const SEARCHED: usize = RATE as usize;

/// How long nobody may hear anything before it counts as silence: the browser's microphone beeps
/// twice a second.
const SILENT_S: f64 = 2.0;

const NATIVE: &str = "Window seat";
pub(crate) const PAGE: &str = "Kitchen";

/// Between words that are spoken, and how much shorter the silence may be that is left of it: what
/// comes before and after a voice goes out with it.
const PAUSE_S: f64 = 3.0;
const PAUSE_LOSES_S: f64 = 1.0;

/// How many words are listened to.
const SPOKEN: usize = 3;

/// What is louder is heard.
const AUDIBLE: f32 = 1e-3;

/// How long words are listened to, and how many of them must have been heard then.
const LISTENED_S: f64 = 16.0;
const LISTENED_WORDS: usize = 5;

/// A talk frame's flag for the last one, and what its header takes. No packet of 64 kbit/s is half as
/// long as samples of the slowest output are.
const LAST: u64 = 2;
const TALK_HEADER: u64 = 28;
const MOST_OPUS_BYTES: u64 = 400;

const HOW_TO_TALK: &str = "Hold to talk, or tap once to begin and once to end.";

/// A conference of one native talker and one page.
pub(crate) struct Conference {
    _native: Program,
    _server: Program,
    pub(crate) recorder: Recorder,
    room: Room,
    pub(crate) web: u16,
}

impl Conference {
    fn begin() -> Self {
        Self::begin_in(Room::open(), &[])
    }

    /// One in that room, whose server has flags of its own.
    pub(crate) fn begin_in(mut room: Room, more: &[&str]) -> Self {
        room.plug_microphone(MIC1);
        room.make_default(EAR1);
        let (port, web) = (free_port(), free_port());
        let server =
            server_of(&room, "low-latency", "none", port, web, &[&["--talk"], more].concat());
        let mut command = room.command(env!("CARGO_BIN_EXE_auralync-client"));
        command.args([&format!("127.0.0.1:{port}"), "--device", EAR2.name, "--name", NATIVE]);
        // Its words are noise, of which nothing would be left.
        command.args(["--talk", "--clean", "off", "--talk-codec", "s16", "--mic", MIC1.name]);
        let mut native = Program::start(command);
        native.wait_for("you can be heard");
        let recorder = room.record();
        Self { _native: native, _server: server, recorder, room, web }
    }

    /// Says words into the native talker's microphone until what is returned is dropped.
    pub(crate) fn say_words(&self) -> Guarded {
        let path: PathBuf = self.room.path("words.wav");
        let words = noise(WORDS * WORD, RATE).left.into_iter().enumerate();
        let is_said = |at: usize| (at / WORD).is_multiple_of(2);
        let said = words.map(|(at, sample)| if is_said(at) { sample } else { 0.0 });
        write_wav(&path, RATE, 2, said.flat_map(|sample| [sample; 2]));
        self.room.play(&path, MOUTH)
    }

    /// How much louder the page plays what the native talker says, in dB, once it is heard well.
    fn gain_db(&self) -> f64 {
        let mut gain_db = f64::NAN;
        wait_until("the page plays what is said", || {
            let from = self.recorder.seconds();
            wait_until("some words are said", || self.recorder.seconds() > from + 4.0);
            let said = self.recorder.played(MOUTH, from).left;
            let heard = self.recorder.played(EAR1, from).left;
            let mut gains = Vec::new();
            let mut at = 0;
            while at + PIECE + SEARCHED < said.len().min(heard.len()) {
                let piece = &said[at..at + PIECE];
                if piece.iter().filter(|sample| sample.abs() > 1e-4).count() > PIECE * 9 / 10 {
                    let lag = find(piece, &heard[at..at + PIECE + SEARCHED]);
                    let (like, gain) = likeness(piece, &heard[at + lag..at + lag + PIECE], 1);
                    if like > 0.9 {
                        gains.push(20.0 * gain.log10());
                    }
                }
                at += PIECE;
            }
            gain_db = median(gains.iter().copied());
            println!("{} pieces, {gain_db:.2} dB", gains.len());
            gains.len() > 5
        });
        gain_db
    }

    pub(crate) fn page(&self, address: &str) -> Browser {
        self.page_hearing(address, None)
    }

    /// A page that is not open yet, whose microphone hears what [`MOUTH`] plays.
    pub(crate) fn browser_in_the_room(&self) -> Browser {
        self.room.make_default_input(MIC1);
        let system = Some(Path::new("system"));
        Browser::start_hearing("chromium", &self.room, &folder(), self.web, system)
    }

    /// How long a word takes from the mouth to that ear, in ms, once some have been heard.
    pub(crate) fn mouth_to_ear_ms(&self, ear: Sink) -> f64 {
        let mut took_ms = Vec::new();
        wait_until("words are heard", || {
            let from = self.recorder.seconds();
            wait_until("some words are said", || self.recorder.seconds() > from + LISTENED_S);
            let said = onsets(&self.recorder.played(MOUTH, from).left);
            let heard = onsets(&self.recorder.played(ear, from).left);
            took_ms = said
                .iter()
                .filter_map(|said| heard.iter().find(|heard| *heard > said).map(|at| at - said))
                .filter(|frames| *frames < WORD)
                .map(|frames| frames as f64 * 1e3 / f64::from(RATE))
                .collect();
            took_ms.len() >= LISTENED_WORDS
        });
        println!("from mouth to {}: {took_ms:.0?} ms", ear.name);
        median(took_ms.iter().copied())
    }

    /// A page whose microphone hears a WAV file.
    fn page_hearing(&self, address: &str, heard: Option<&Path>) -> Browser {
        let room = &self.room;
        let mut browser = Browser::start_hearing("chromium", room, &folder(), self.web, heard);
        self.enter(&mut browser, address);
        browser
    }

    pub(crate) fn enter(&self, browser: &mut Browser, address: &str) {
        browser.ask(address);
        self.join(browser);
    }

    /// What the server says of itself.
    pub(crate) fn status(&self) -> Value {
        let mut socket = TcpStream::connect(("127.0.0.1", self.web)).unwrap();
        socket.write_all(b"GET /status.json HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// Joins on the page that is open.
    pub(crate) fn join(&self, browser: &mut Browser) {
        browser.ask(&format!("set #name {PAGE}"));
        browser.ask("tap #listen");
        wait_until("the page shows both people", || {
            let shown = browser.ask("show");
            shown["state"] == "playing" && state_of(&shown, NATIVE) == "can talk"
        });
    }

    /// A WAV file of words by espeak-ng with pauses of [`PAUSE_S`] between them, and the length of
    /// the words in seconds.
    fn spoken_words(&self) -> (PathBuf, f64) {
        let (word, words) = (self.room.path("word.wav"), self.room.path("spoken.wav"));
        let done = Command::new("espeak-ng").arg("-w").arg(&word).arg("Did you see that?").status();
        assert!(done.expect("run scripts/setup.sh sound, which installs espeak-ng").success());
        let mut said = hound::WavReader::open(word).unwrap();
        let spec = said.spec();
        let mut wav = hound::WavWriter::create(&words, spec).unwrap();
        let length = f64::from(said.duration()) / f64::from(spec.sample_rate);
        for sample in said.samples::<i16>() {
            wav.write_sample(sample.unwrap()).unwrap();
        }
        for _ in 0..(PAUSE_S * f64::from(spec.sample_rate)) as usize {
            wav.write_sample(0_i16).unwrap();
        }
        wav.finalize().unwrap();
        (words, length)
    }

    /// How long it was silent at the native talker's ear between two seconds, at the longest.
    fn longest_silence_s(&self, from: f64, to: f64) -> f64 {
        let frames = ((to - from) * f64::from(RATE)) as usize;
        let heard = self.recorder.played(EAR2, from).left;
        let silent = heard[..frames].split(|sample| sample.abs() > AUDIBLE);
        silent.map(<[f32]>::len).max().unwrap_or(0) as f64 / f64::from(RATE)
    }

    pub(crate) fn hear(&self, what: &str) {
        let from = self.recorder.seconds();
        wait_until(what, || self.recorder.heard(EAR2, from, self.recorder.seconds()).is_some());
    }

    pub(crate) fn hear_nothing(&self, what: &str) {
        wait_until(what, || {
            let now = self.recorder.seconds();
            now > SILENT_S && self.recorder.heard(EAR2, now - SILENT_S, now).is_none()
        });
    }
}

/// Where words begin: what is heard after half a second of silence.
fn onsets(sound: &[f32]) -> Vec<usize> {
    let (mut silent, mut found) = (0, Vec::new());
    for (at, sample) in sound.iter().enumerate() {
        if sample.abs() <= AUDIBLE {
            silent += 1;
            continue;
        }
        if silent > WORD / 2 {
            found.push(at);
        }
        silent = 0;
    }
    found
}

/// What the page says of the person who is called `name`.
fn state_of(shown: &Value, name: &str) -> String {
    let people = shown["room"].as_array().unwrap();
    let person = people.iter().find(|person| person[0] == name);
    person.map_or_else(String::new, |person| person[1].as_str().unwrap().to_owned())
}

pub(crate) fn wait_for_state(browser: &mut Browser, name: &str, state: &str) {
    wait_until(&format!("{name}: {state}"), || state_of(&browser.ask("show"), name) == state);
}

#[test]
fn a_page_on_the_servers_machine_talks_and_never_hears_itself() {
    in_chromium(|| {
        let conference = Conference::begin();
        let mut browser = conference.page(&format!("open http://127.0.0.1:{}/", conference.web));
        let you = format!("{PAGE} (you)");
        let shown = browser.ask("show");
        let bytes = shown["bytes"].as_f64().unwrap();
        println!("{bytes} bytes");
        assert!((1.0..=MOST_BYTES_TO_SOUND).contains(&bytes), "{shown}");
        assert_eq!(shown["talkSays"], HOW_TO_TALK);
        assert_eq!(state_of(&shown, &you), "listens");
        let quiet_from = conference.recorder.seconds();
        conference.hear_nothing("nobody speaks");

        // A tap holds until the next.
        browser.ask("tap #talk");
        conference.hear("the page's microphone is heard");
        wait_for_state(&mut browser, &you, "speaking");
        let shown = browser.ask("show");
        assert_eq!(
            (&shown["talkSays"], &shown["isTalkOn"]),
            (&"You are heard.".into(), &true.into())
        );
        browser.ask("tap #mute");
        conference.hear_nothing("a muted microphone is silent");
        wait_for_state(&mut browser, &you, "muted");
        assert_eq!(browser.ask("show")["talkSays"], "You are muted: nobody hears you.");
        browser.ask("tap #mute");
        conference.hear("it is heard again");
        browser.ask("tap #talk");
        conference.hear_nothing("a second tap ends it");
        assert_eq!(browser.ask("show")["talkSays"], HOW_TO_TALK);
        wait_for_state(&mut browser, &you, "can talk");

        // A key talks while it is held.
        browser.ask("focusAndPress #talk Shift");
        browser.ask("keyDown Space");
        let pressed = conference.recorder.seconds();
        wait_until("it is more than a tap", || conference.recorder.seconds() > pressed + 1.0);
        conference.hear("it is heard while the key is held");
        assert_eq!(browser.ask("show")["isTalkOn"], true);
        browser.ask("keyUp Space");
        assert_eq!(browser.ask("show")["isTalkOn"], false);
        conference.hear_nothing("it is silent when the key is let go");

        // Nobody else has spoken, so the page has had nothing to play.
        let heard = conference.recorder.heard(EAR1, quiet_from, conference.recorder.seconds());
        assert_eq!(heard, None, "the page hears itself");

        let names = browser.ask("names");
        for name in ["heading In the room", "button Talk", "button Mute", "button Deafen"] {
            assert!(names.as_array().unwrap().contains(&name.into()), "{name}: {names}");
        }
        assert!(names.as_array().unwrap().contains(&format!("slider Volume of {NATIVE}").into()));
        let shown = browser.ask("show");
        println!("{} ms later than promised", extra_ms(&shown));
        assert_eq!(shown["errors"], json!([]), "{shown}");
    });
}

#[test]
fn a_page_shows_who_speaks_and_turns_each_person_up_and_down_for_itself() {
    in_chromium(|| {
        // Alone: of words that another browser breaks, too few pieces are left to tell half a decibel.
        let conference = Conference::begin_in(Room::open_alone(), &[]);
        // On plain http too: only a microphone needs a secure page.
        let mut browser = conference.page("open");
        let shown = browser.ask("show");
        let bytes = shown["bytes"].as_f64().unwrap();
        assert!((1.0..=MOST_BYTES_TO_SOUND).contains(&bytes), "{shown}");
        assert_eq!(shown["isTalkShown"], false);
        let said = shown["talkSays"].as_str().unwrap();
        assert!(said.starts_with("Here you can only listen:"), "{said}");

        let _words = conference.say_words();
        wait_for_state(&mut browser, NATIVE, "speaking");
        let usual_db = conference.gain_db();
        assert!(usual_db.abs() < 1.0, "{usual_db}");
        browser.ask("set #room>li>input 50");
        let half_db = conference.gain_db();
        assert!((half_db - usual_db + 6.02).abs() < 0.5, "{half_db}");
        let nobody_else = conference.recorder.heard(EAR2, 0.0, conference.recorder.seconds());
        assert_eq!(nobody_else, None, "the native talker hears itself");

        // Joining anew forgets no volume while the page is open.
        browser.ask("tap #listen");
        wait_until("it has left", || browser.ask("show")["isRoomShown"] == false);
        browser.ask("tap #listen");
        wait_until("the page shows who is there", || browser.ask("show")["room"][0][2] == "50 %");
        let again_db = conference.gain_db();
        assert!((again_db - half_db).abs() < 0.5, "{again_db}");

        browser.ask("tap #deafen");
        wait_for_state(&mut browser, &format!("{PAGE} (you)"), "hears nothing");
        wait_until("nothing is heard", || {
            let now = conference.recorder.seconds();
            conference.recorder.heard(EAR1, now - SILENT_S, now).is_none()
        });
        browser.ask("tap #deafen");
        conference.gain_db();
        assert_eq!(browser.ask("show")["errors"], json!([]));
    });
}

/// A frame of the page's microphone: when it was sent, in seconds, its flags and its bytes.
type Sent = (f64, u64, u64);

/// What the page sends of so many words, cut where nothing was sent for longer than a frame takes
/// on a busy machine.
fn utterances(browser: &mut Browser, words: usize) -> Vec<Vec<Sent>> {
    let mut sent: Vec<Sent> = Vec::new();
    wait_until("the page has sent some words", || {
        sent = serde_json::from_value(browser.ask("talked")).unwrap();
        sent.iter().filter(|(_, flags, _)| flags & LAST != 0).count() > words
    });
    sent.chunk_by(|a, b| b.0 - a.0 < PAUSE_S / 2.0).map(<[Sent]>::to_vec).collect()
}

#[test]
fn an_open_microphone_sends_words_and_not_the_pauses_between_them() {
    in_chromium(|| {
        let conference = Conference::begin();
        let (words, length_s) = conference.spoken_words();
        let secure = format!("open http://127.0.0.1:{}/", conference.web);
        let mut browser = conference.page_hearing(&secure, Some(&words));
        assert_eq!(browser.ask("show")["talkMode"], "push");
        browser.ask("focusAndPress #talk-mode>label>input ArrowDown");
        let shown = browser.ask("show");
        assert_eq!((&shown["talkMode"], &shown["isTalkOn"]), (&"open".into(), &false.into()));
        assert!(shown["talkSays"].as_str().unwrap().starts_with("Tap once:"), "{shown}");
        let names = browser.ask("names");
        for name in ["radio Hold to talk", "radio Open microphone"] {
            assert!(names.as_array().unwrap().contains(&name.into()), "{name}: {names}");
        }
        assert_eq!(browser.ask("talked"), json!([]), "nothing before somebody taps");

        for bytes in [1..MOST_OPUS_BYTES, MOST_OPUS_BYTES..u64::MAX] {
            browser.ask("focusAndPress #talk Enter");
            let from = conference.recorder.seconds();
            let said = utterances(&mut browser, SPOKEN);
            let to = conference.recorder.seconds();
            assert_eq!(browser.ask("show")["talkSays"], "You are heard whenever you speak.");
            // The first may have begun before the tap, the last may go on.
            for word in &said[1..SPOKEN] {
                let sent_s = word.len() as f64 / 100.0;
                println!(
                    "{sent_s:.2} s sent of {length_s:.2} s, {} bytes first",
                    word[0].2 - TALK_HEADER
                );
                assert!(sent_s > length_s / 2.0 && sent_s < length_s + PAUSE_LOSES_S, "{sent_s}");
                let is_marked = word.iter().filter(|(_, flags, _)| flags & LAST != 0).count();
                assert!(
                    is_marked > 0 && word[word.len() - 1].1 & LAST != 0,
                    "it ends with its end"
                );
                assert!(
                    word.iter().all(|(_, _, all)| bytes.contains(&(all - TALK_HEADER))),
                    "{word:?}"
                );
            }
            let heard = conference.recorder.heard(EAR2, from, to);
            assert!(heard.is_some_and(|(first, last)| last - first > PAUSE_S), "words are heard");
            let silent_s = conference.longest_silence_s(from, to);
            println!("{silent_s:.2} s of silence at the other ear");
            assert!(silent_s > PAUSE_S - PAUSE_LOSES_S, "{silent_s}");
            browser.ask("focusAndPress #talk Enter");
            conference.hear_nothing("a second press turns it off");

            // It is remembered, and works where the browser does not make Opus.
            conference.enter(&mut browser, &secure);
            assert_eq!(browser.ask("show")["talkMode"], "open");
            browser.ask("lack AudioEncoder");
        }
        assert_eq!(browser.ask("show")["errors"], json!([]));
    });
}
