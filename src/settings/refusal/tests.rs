use clap::{CommandFactory, Parser};

use super::*;
use crate::settings::ctl::CtlCommand;
use crate::settings::{ClientArgs, ServerArgs, join_mode};

/// The whole answer to a command line, `None` for one that is taken.
fn answer(line: &str) -> Option<String> {
    let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    let is_ctl = words.get(1).is_some_and(|word| word == "ctl");
    let refused = if words[0] == "auralync-server" {
        let read = ServerArgs::try_parse_from(&words);
        let wrong = |e| usage_error(&ServerArgs::command(), &words, &e);
        read.map_err(wrong).and_then(|args| args.settings().map(drop)).err()
    } else if is_ctl {
        let read = CtlCommand::try_parse_from(&words);
        read.map_err(|e| usage_error(&CtlCommand::command(), &words, &e)).map(drop).err()
    } else {
        let words = join_mode(words);
        let read = ClientArgs::try_parse_from(&words);
        let wrong = |e| usage_error(&ClientArgs::command(), &words, &e);
        read.map_err(wrong).and_then(|args| args.settings().map(drop)).err()
    };
    refused.map(|error| {
        assert_eq!(error.exit_code(), 2, "{line}");
        error.to_string()
    })
}

#[test]
fn every_wrong_command_line_gets_a_whole_sentence_that_says_what_to_do() {
    for (line, expected) in REFUSED {
        assert_eq!(answer(line).as_deref(), Some(*expected), "{line}");
    }
}

#[test]
fn what_can_be_meant_is_taken() {
    for line in [
        "auralync-server --",
        "auralync-client --talk push pc",
        "auralync-client --talk push",
        "auralync-client ctl level film -6dB",
        "auralync-client ctl level film -6",
        "auralync-client ctl level film −6dB",
        "auralync-client ctl level film -6 --json",
        "auralync-client ctl pan film -1",
    ] {
        assert_eq!(answer(line), None, "{line}");
    }
}

#[test]
fn no_flag_or_order_answers_in_programmers_words_or_in_half_sentences() {
    let programs = [ServerArgs::command(), ClientArgs::command(), CtlCommand::command()];
    let mut lines = Vec::new();
    for program in &programs {
        lines_for(program, program.get_name(), &mut lines);
    }
    assert!(lines.len() > 300, "{} lines", lines.len());
    for line in lines {
        let Some(answer) = answer(&line) else { continue };
        for word in ["argument", "literal", "digit found", " '", "..", ": .", ":.", " :", "  "] {
            assert!(!answer.contains(word), "{line}: {answer}");
        }
        let says_what_to_do = [
            " --help",
            "There are",
            "needs",
            "Choose ",
            "Use ",
            "Give ",
            "It can be",
            "Type ",
            "Leave ",
            "Write ",
            "There is ",
        ];
        assert!(says_what_to_do.iter().any(|words| answer.contains(words)), "{line}: {answer}");
        assert!(!answer.contains(['\n', '\u{1b}']), "{line}: {answer:?}");
    }
}

/// Every flag and order without, with a wrong and with one more word behind it, and twice.
fn lines_for(command: &Command, path: &str, lines: &mut Vec<String>) {
    lines.push(path.to_owned());
    for wrong in ["--frobnicate", "word more words", "-6", "\u{1b}[2J", "--"] {
        lines.push(format!("{path} {wrong}"));
    }
    for flag in command.get_arguments().filter_map(Arg::get_long) {
        for typed in ["", " loud", " -6", "=", "=\u{1b}[31m", " 99999999999", " 1e3", " x y z"] {
            lines.push(format!("{path} --{flag}{typed}"));
        }
        lines.push(format!("{path} --{flag} 5 --{flag} 5"));
        lines.push(format!("{path} --{flag} --{flag}"));
        lines.push(format!("{path} --{}", &flag[..flag.len() - 1]));
    }
    for order in command.get_subcommands() {
        lines_for(order, &format!("{path} {}", order.get_name()), lines);
    }
}

/// Command lines and the whole answers to them.
const REFUSED: &[(&str, &str)] = &[
    (
        "auralync-server --prest smooth",
        "there is no flag --prest. Did you mean --preset? To see every flag: auralync-server --help",
    ),
    (
        "auralync-server --xyzzy",
        "there is no flag --xyzzy. To see every flag: auralync-server --help",
    ),
    ("auralync-server -x", "there is no flag -x. To see every flag: auralync-server --help"),
    ("auralync-server -vx", "there is no flag -x. To see every flag: auralync-server --help"),
    ("auralync-server -", "there is no flag -. To see every flag: auralync-server --help"),
    (
        "auralync-server 192.168.1.5",
        "“192.168.1.5” is one word too many. What has spaces in it stands in quotation marks, and a flag begins with --. To see every flag: auralync-server --help",
    ),
    (
        "auralync-server --preset",
        "--preset needs PRESET behind it. To see every flag: auralync-server --help",
    ),
    (
        "auralync-server --preset --talk",
        "--preset needs PRESET behind it. To see every flag: auralync-server --help",
    ),
    (
        "auralync-server --chunk-size many",
        "--chunk-size cannot be “many”: this is not a whole number. To see every flag: auralync-server --help",
    ),
    (
        "auralync-server --chunk-size -5",
        "--chunk-size cannot be “-5”: this number is too small. To see every flag: auralync-server --help",
    ),
    ("auralync-server --chunk-size 4", "--chunk-size cannot be 4. It can be 16 to 8192 frames"),
    (
        "auralync-server --chunk-size=",
        "--chunk-size needs FRAMES behind it. To see every flag: auralync-server --help",
    ),
    (
        "auralync-server --port 99999",
        "--port cannot be “99999”: this number is too large. To see every flag: auralync-server --help",
    ),
    (
        "auralync-server --port 1 --port 2",
        "--port was given twice. Give it once. To see every flag: auralync-server --help",
    ),
    (
        "auralync-server --bind localhost",
        "--bind cannot be “localhost”: this is not an address in digits, like 192.168.1.100 or fd00::100. To see every flag: auralync-server --help",
    ),
    (
        "auralync-server -q -v",
        "--quiet and --verbose contradict each other. Leave one of the two out. To see every flag: auralync-server --help",
    ),
    (
        "auralync-server --overwrite=yes",
        "--overwrite takes no value, and “yes” was given. Write --overwrite alone. To see every flag: auralync-server --help",
    ),
    (
        "auralync-server --overwrite yes",
        "“yes” is one word too many. What has spaces in it stands in quotation marks, and a flag begins with --. To see every flag: auralync-server --help",
    ),
    (
        "auralync-server --web-status all",
        "--web-status cannot be “all”. It can be local or public. To see every flag: auralync-server --help",
    ),
    (
        "auralync-server --web-status",
        "--web-status needs local or public behind it. To see every flag: auralync-server --help",
    ),
    (
        "auralync-server --stats",
        "--stats needs FILE or - behind it. To see every flag: auralync-server --help",
    ),
    (
        "auralync-server --duck 6",
        "--duck needs --talk: what is sent steps back only for those who may speak. Type both, or neither",
    ),
    (
        "auralync-server --talk --duck 61",
        "--duck cannot be “61”: a film steps back by 0 to 60 decibels. To see every flag: auralync-server --help",
    ),
    (
        "auralync-server --talk=push",
        "--talk with names needs a private room: in an open one anybody can take a name. Add --private, or leave the names out",
    ),
    (
        "auralync-server --offer mic",
        "source “mic”: there is no kind of source “mic”. Write KIND[:NAME][,level=-6dB][,muted][,pan=-0.5][,loudness=-23][,loop][,ch=1+2], where KIND is loopback (what this PC plays), loopback:OUTPUT, device:INPUT, file:PATH, file:- (what is piped in), auralync:HOST (what another server sends), engine:ROOM (the same by way of an engine), tone, tone:HZ or none. --list-devices shows what can stand for OUTPUT and INPUT",
    ),
    (
        "auralync-server --source mic",
        "source “mic”: there is no kind of source “mic”. Write KIND[:NAME][,level=-6dB][,muted][,pan=-0.5][,loudness=-23][,loop][,ch=1+2], where KIND is loopback (what this PC plays), loopback:OUTPUT, device:INPUT, file:PATH, file:- (what is piped in), auralync:HOST (what another server sends), engine:ROOM (the same by way of an engine), tone, tone:HZ or none. --list-devices shows what can stand for OUTPUT and INPUT",
    ),
    (
        "auralync-server --source",
        "--source needs SOURCE behind it. To see every flag: auralync-server --help",
    ),
    (
        "auralync-server --record film",
        "--record cannot be “film”: a recording's name ends in .wav, .flac or .opus. To see every flag: auralync-server --help",
    ),
    (
        "auralync-server --web no",
        "--web cannot be “no”: this is not a whole number. To see every flag: auralync-server --help",
    ),
    (
        "auralync-server --codecs",
        "--codecs needs LIST behind it. To see every flag: auralync-server --help",
    ),
    (
        "auralync-server --codecs ,",
        "--codecs names “”, which does not exist. There is f32, s24, s16, opus, and opus:KBPS with 64 to 256; behind each may stand “up to” and a number of listeners",
    ),
    (
        "auralync-client --talk=loud pc",
        "--talk cannot be “loud”: it can be open (whenever you speak) or push (while you hold the space bar). To see every flag: auralync-client --help",
    ),
    (
        "auralync-client --talk= pc",
        "--talk needs open or push behind it. To see every flag: auralync-client --help",
    ),
    (
        "auralync-client pc --talk loud",
        "“loud” is one word too many. What has spaces in it stands in quotation marks, and a flag begins with --. To see every flag: auralync-client --help",
    ),
    (
        "auralync-client living room",
        "“room” is one word too many. What has spaces in it stands in quotation marks, and a flag begins with --. To see every flag: auralync-client --help",
    ),
    (
        "auralync-client pc --volume",
        "--volume needs 0-200 behind it. To see every flag: auralync-client --help",
    ),
    (
        "auralync-client pc --volume -3",
        "--volume cannot be “-3”: this number is too small. To see every flag: auralync-client --help",
    ),
    (
        "auralync-client pc --delay later",
        "--delay cannot be “later”: this is not a whole number. To see every flag: auralync-client --help",
    ),
    (
        "auralync-client pc --list-servers",
        "--list-servers lists every server, and one was named. Leave one of the two out",
    ),
    (
        "auralync-client --no-discovery --list-servers",
        "--list-servers looks for servers, and --no-discovery forbids it. Leave one of the two out",
    ),
    (
        "auralync-client --json",
        "--json says how --list-servers lists, which was not asked for. Type both, or neither",
    ),
    (
        "auralync-client --mic x",
        "--mic chooses a microphone to talk into, and --talk was not asked for. Type both, or neither",
    ),
    (
        "auralync-client --sourc tone",
        "there is no flag --sourc. To see every flag: auralync-client --help",
    ),
    (
        "auralync-client --output wav:",
        "--output cannot be “wav:”: it can be speaker, wav:FILE (a sound file), wav:- (standard output) or null (nothing). To see every flag: auralync-client --help",
    ),
    (
        "auralync-client --simulate loss=2",
        "--simulate cannot be “loss=2”: “loss=2” says nothing of a network; it can be, separated by commas: loss=2%, delay=20ms, jitter=30ms, rate=2mbit, stall=500ms/30s, burst=60ms/3s, quality=50%, seed=7. To see every flag: auralync-client --help",
    ),
    (
        "auralync-client --port 0 pc",
        "--port cannot be “0”: no server can listen on port 0. To see every flag: auralync-client --help",
    ),
    (
        "auralync-client ctl",
        "ctl needs list, level, mute, unmute, pan, add, remove, kick, let-in, refuse, code, link, newkey, snapclients, snapclient or record behind it. To see what it can do: auralync-client ctl --help",
    ),
    (
        "auralync-client ctl dance",
        "ctl does not know “dance”. It knows list, level, mute, unmute, pan, add, remove, kick, let-in, refuse, code, link, newkey, snapclients, snapclient or record. To see what it can do: auralync-client ctl --help",
    ),
    (
        "auralync-client ctl lst",
        "ctl does not know “lst”. Did you mean list? It knows list, level, mute, unmute, pan, add, remove, kick, let-in, refuse, code, link, newkey, snapclients, snapclient or record. To see what it can do: auralync-client ctl --help",
    ),
    (
        "auralync-client ctl list more",
        "“more” is one word too many. What has spaces in it stands in quotation marks, and a flag begins with --. To see every flag: auralync-client ctl list --help",
    ),
    (
        "auralync-client ctl level",
        "ctl level needs SOURCE and DB. To see every flag: auralync-client ctl level --help",
    ),
    (
        "auralync-client ctl level film",
        "ctl level needs SOURCE and DB, and DB is missing. To see every flag: auralync-client ctl level --help",
    ),
    (
        "auralync-client ctl level film loud",
        "ctl level: “loud” is not a level between -96 and 24 dB, such as -6dB. To see every flag: auralync-client ctl level --help",
    ),
    (
        "auralync-client ctl level film 6 7",
        "“7” is one word too many. What has spaces in it stands in quotation marks, and a flag begins with --. To see every flag: auralync-client ctl level --help",
    ),
    (
        "auralync-client ctl level film 99",
        "ctl level: “99” is not a level between -96 and 24 dB, such as -6dB. To see every flag: auralync-client ctl level --help",
    ),
    (
        "auralync-client ctl level film --jsn",
        "ctl level: “--jsn” is not a level between -96 and 24 dB, such as -6dB. To see every flag: auralync-client ctl level --help",
    ),
    (
        "auralync-client ctl pan film left",
        "ctl pan: “left” is not a place: -1 is left, 0 the middle, 1 right. To see every flag: auralync-client ctl pan --help",
    ),
    (
        "auralync-client ctl pan",
        "ctl pan needs SOURCE and PAN. To see every flag: auralync-client ctl pan --help",
    ),
    (
        "auralync-client ctl remove",
        "ctl remove needs SOURCE. To see every flag: auralync-client ctl remove --help",
    ),
    (
        "auralync-client ctl record",
        "ctl record needs start or stop behind it. To see what it can do: auralync-client ctl record --help",
    ),
    (
        "auralync-client ctl record pause",
        "ctl record does not know “pause”. It knows start or stop. To see what it can do: auralync-client ctl record --help",
    ),
    (
        "auralync-client ctl record start",
        "ctl record start needs NAME. To see every flag: auralync-client ctl record start --help",
    ),
    (
        "auralync-client ctl record stop now",
        "“now” is one word too many. What has spaces in it stands in quotation marks, and a flag begins with --. To see every flag: auralync-client ctl record stop --help",
    ),
    (
        "auralync-client ctl --server",
        "--server needs HOST[:PORT] behind it. To see what it can do: auralync-client ctl --help",
    ),
    (
        "auralync-client ctl --volume 5 list",
        "there is no flag --volume. To see every flag: auralync-client ctl list --help",
    ),
    (
        "auralync-client ctl list --server a --server b",
        "--server was given twice. Give it once. To see every flag: auralync-client ctl list --help",
    ),
    (
        "auralync-client ctl kick",
        "ctl kick needs LISTENER. To see every flag: auralync-client ctl kick --help",
    ),
];
