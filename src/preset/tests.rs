mod flags;

use std::path::{Path, PathBuf};

use super::lookup::{load_from, print_from};
use super::*;

/// A directory of presets that goes when the test ends.
struct Directory(PathBuf);

impl Directory {
    fn holding(test: &str, files: &[(&str, &[u8])]) -> Self {
        let path = std::env::temp_dir().join(format!("auralync-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        for (name, bytes) in files {
            std::fs::write(path.join(name), bytes).unwrap();
        }
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn built_in(name: &str) -> Preset {
    load_from(name, None).unwrap().0
}

/// The preset that a file with this text makes, or the error's text after the file's name.
fn from_text(test: &str, text: &str) -> std::result::Result<Preset, String> {
    let directory = Directory::holding(test, &[("own.toml", text.as_bytes())]);
    load_from("own", Some(&directory.0)).map(|(preset, _)| preset).map_err(|error| {
        assert_eq!(error.exit_code(), 2);
        let path = directory.0.join("own.toml");
        let text = error.to_string();
        text.strip_prefix(&format!("preset {}", path.display())).unwrap_or(&text).to_owned()
    })
}

fn figures(name: &str) -> [u32; 5] {
    let preset = built_in(name);
    [
        preset.chunk_size,
        preset.max_queue_size,
        preset.max_clients,
        preset.listen_backlog,
        preset.playout_delay_ms,
    ]
}

#[test]
fn the_built_in_presets_have_the_figures_they_promise() {
    assert_eq!(figures("smooth"), [1024, 50, 50, 1024, 300]);
    assert_eq!(figures("low-latency"), [512, 20, 30, 1024, 80]);
    assert_eq!(figures("stable"), [2048, 100, 100, 1024, 800]);
    assert_eq!(figures("live"), [64, 32, 10, 1024, 25]);
    for preset in ["smooth", "low-latency", "stable", "live"] {
        assert_eq!(built_in(preset).max_talkers, 16, "{preset}");
    }
}

#[test]
fn every_file_in_presets_is_built_in_and_leaves_the_optional_keys_open() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("presets");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let (from_file, origin) = load_from(path.to_str().unwrap(), None).unwrap();
        assert_eq!(origin.path(), Some(path.as_path()));
        assert_eq!(from_file, built_in(path.file_stem().unwrap().to_str().unwrap()));
        assert_eq!((from_file.channels, from_file.port), (2, 5555));
        assert_eq!((from_file.sample_rate, from_file.bind, from_file.name), (None, None, None));
        assert_eq!(from_file.source, None);
        assert!(from_file.codecs.is_some(), "each says who gets what");
        count += 1;
    }
    assert_eq!(count, 4);
}

#[test]
fn what_a_built_in_preset_shows_as_optional_works_as_written() {
    for name in ["smooth", "low-latency", "stable", "live"] {
        let text = print_from(name, None).unwrap();
        let all: Vec<_> = text
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(key) if key.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')) => {
                    key
                }
                _ => line,
            })
            .collect();
        let preset = from_text("optional", &all.join("\n")).unwrap();
        assert_eq!(preset.sample_rate, Some(48_000));
        assert_eq!(preset.bind, Some("192.168.1.100".parse().unwrap()));
        assert_eq!(preset.source, Some(vec!["loopback".to_owned()]));
        assert_eq!(preset.name.as_deref(), Some("Living room"));
    }
}

#[test]
fn a_key_that_a_file_leaves_out_comes_from_smooth() {
    let preset = from_text("absent", "playout_delay_ms = 1_000\r\n").unwrap();
    assert_eq!(preset, Preset { playout_delay_ms: 1000, ..built_in("smooth") });
    assert_eq!(from_text("empty", "").unwrap(), built_in("smooth"));
}

#[test]
fn a_source_is_a_text_or_a_list_of_texts() {
    let one = from_text("one", "source = \"tone\"").unwrap();
    assert_eq!(one.source, Some(vec!["tone".to_owned()]));
    let two = from_text("two", "source = [\"tone\", \"loopback\"]").unwrap();
    assert_eq!(two.source, Some(vec!["tone".to_owned(), "loopback".to_owned()]));
}

/// For each key: absent, the preset's value stays; present, the flag's wins.
#[test]
fn each_range_ends_where_it_says() {
    let ends = [
        ("chunk_size", 16, 8192),
        ("max_queue_size", 1, 1000),
        ("max_clients", 0, 10_000),
        ("max_talkers", 1, 200),
        ("listen_backlog", 1, 65_535),
        ("per_address", 1, 10_000),
        ("playout_delay_ms", 5, 10_000),
        ("sample_rate", 8000, 192_000),
        ("channels", 1, 2),
        ("port", 0, 65_535),
    ];
    for (key, lowest, highest) in ends {
        // Figures that leave room for either end of the others.
        let rest = match key {
            "chunk_size" => "playout_delay_ms = 10000",
            "playout_delay_ms" => "chunk_size = 16",
            _ => "",
        };
        for inside in [lowest, highest] {
            let text = format!("{key} = {inside}\n{rest}");
            assert!(from_text("inside", &text).is_ok(), "{text}");
        }
        for outside in [lowest - 1, highest + 1] {
            let text = format!("{key} = {outside}\n{rest}");
            let error = from_text("outside", &text).unwrap_err();
            let start = format!(", line 1: {key} cannot be {outside}. It can be {lowest} to ");
            assert!(error.starts_with(&start), "{error}");
        }
    }
}

#[test]
fn every_mistake_in_a_file_names_its_line_and_what_to_write() {
    let keys = "The keys are: chunk_size, max_queue_size, max_clients, max_talkers, \
                listen_backlog, per_address, playout_delay_ms, sample_rate, channels, port, bind, source, name, private, codecs, icecast, engine, engine_room";
    let cases = [
        (
            "\nchunk_sise = 1",
            format!(
                ", line 2: “chunk_sise” is not a key that a preset has. Did you mean chunk_size? {keys}"
            ),
        ),
        ("banana = 1", format!(", line 1: “banana” is not a key that a preset has. {keys}")),
        (
            "private = \"yes\"",
            ", line 1: private must be true or false, and here it is a text in quotation marks. \
             Write it without quotation marks"
                .to_owned(),
        ),
        (
            "\n\n[smooth]\nchunk_size = 64",
            ", line 3: “smooth” is a section, and a preset has none. Take the line in square \
             brackets out, or the dot in the key"
                .to_owned(),
        ),
        (
            "max_clients = 3\nchunk_size = 4",
            ", line 2: chunk_size cannot be 4. It can be 16 to 8192 frames".to_owned(),
        ),
        (
            "port = 99999999999999999999",
            ", line 1: port cannot be 99999999999999999999. It can be 0 to 65535 (0 takes a free one)"
                .to_owned(),
        ),
        (
            "chunk_size = \"large\"",
            ", line 1: chunk_size must be a whole number, and here it is a text in quotation \
             marks. It can be 16 to 8192 frames"
                .to_owned(),
        ),
        (
            "playout_delay_ms = 20.5",
            ", line 1: playout_delay_ms must be a whole number, and here it is a number with a \
             fraction. It can be 5 to 10000 milliseconds"
                .to_owned(),
        ),
        (
            "name = 5",
            ", line 1: name must be a text, and here it is a number. Put it in quotation marks"
                .to_owned(),
        ),
        (
            "name = \" \"",
            ", line 1: name is empty. Write 1 to 64 letters, digits and spaces on one line"
                .to_owned(),
        ),
        (
            "bind = \"localhost\"",
            ", line 1: bind cannot be “localhost”. Write one of this PC's addresses in digits, \
             like \"192.168.1.100\""
                .to_owned(),
        ),
        (
            "source = []",
            ", line 1: source names none. Write source = \"loopback\" for what this PC plays, or \
             leave the line out"
                .to_owned(),
        ),
        (
            "codecs = [\"f32\", \"mp3\"]",
            ", line 1: codecs names “mp3”, which does not exist. There is f32, s24, \
             s16, opus, and opus:KBPS with 64 to 256; behind each may stand “up to” and a number of \
             listeners".to_owned(),
        ),
        (
            "icecast = \"icecast://source:pw@a/x\"",
            ", line 1: icecast cannot be used: an Icecast password stands where others on this \
             computer may read it. Write it into a file that only you may read, and add \
             ,password-file=PATH; or set AURALYNC_ICECAST_PASSWORD"
                .to_owned(),
        ),
        (
            "engine_room = \"Hall\"",
            ", line 1: engine_room cannot be “Hall”: a room between servers is called by 1 to 32 small letters, digits \
             and dashes. Choose another, like \"hall-2\""
                .to_owned(),
        ),
        (
            "codecs = []",
            ", line 1: codecs names none. There is f32, s24, \
             s16, opus, and opus:KBPS with 64 to 256; behind each may stand “up to” and a number of \
             listeners".to_owned(),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(from_text("mistakes", text).unwrap_err(), expected);
    }
}

#[test]
fn text_that_is_not_toml_names_the_line() {
    for (text, line) in [("chunk_size\n", 1), ("\nport = 1\nport = 2", 3), ("\nname = \"a", 2)] {
        let error = from_text("syntax", text).unwrap_err();
        let start = format!(", line {line}: this line cannot be understood (");
        assert!(error.starts_with(&start), "{error}");
        assert!(error.ends_with("each key once, texts in quotation marks"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn a_delay_of_less_than_two_chunks_names_the_lines_that_make_it() {
    let both = from_text("both", "chunk_size = 2048\n\nplayout_delay_ms = 50").unwrap_err();
    assert_eq!(
        both,
        ", lines 1 and 3: a playout delay of 50 ms is shorter than two chunks, and two chunks of \
         2048 frames last 85.3 ms at 48000 frames per second. Set playout_delay_ms to 86 or more, \
         or chunk_size to 1200 or less"
    );
    let one = from_text("one-line", "playout_delay_ms = 20").unwrap_err();
    assert!(one.starts_with(", line 1: a playout delay of 20 ms"), "{one}");
    assert!(from_text("enough", "chunk_size = 2048\nplayout_delay_ms = 86").is_ok());
    assert!(from_text("slow", "chunk_size = 512\nsample_rate = 8000").is_ok());
    assert!(from_text("slower", "chunk_size = 2048\nsample_rate = 8000").is_err());
}

#[test]
fn a_flag_that_cannot_be_is_named_as_it_was_typed() {
    let smooth = built_in("smooth");
    let text = |flags| smooth.with(flags).unwrap_err().to_string();
    assert_eq!(
        text(Overrides { max_queue_size: Some(0), ..Overrides::default() }),
        "--max-queue-size cannot be 0. It can be 1 to 1000 chunks"
    );
    assert_eq!(
        text(Overrides { codecs: Some(vec!["flac".into()]), ..Overrides::default() }),
        "--codecs names “flac”, which does not exist. There is f32, s24, \
             s16, opus, and opus:KBPS with 64 to 256; behind each may stand “up to” and a number of \
             listeners"
    );
    assert_eq!(
        text(Overrides { playout_delay_ms: Some(20), ..Overrides::default() }),
        "--playout-delay-ms cannot be: a playout delay of 20 ms is shorter than two chunks, and \
         two chunks of 1024 frames last 42.7 ms at 48000 frames per second. Use \
         --playout-delay-ms 43 or more, or --chunk-size 480 or less"
    );
    let both =
        Overrides { playout_delay_ms: Some(20), chunk_size: Some(960), ..Overrides::default() };
    assert!(text(both).starts_with("--playout-delay-ms with --chunk-size cannot be: "));
}

#[test]
fn a_delay_without_a_preset_keeps_to_the_same_range() {
    assert!(check_playout_delay(5).is_ok());
    assert_eq!(
        check_playout_delay(10_001).unwrap_err().to_string(),
        "--playout-delay-ms cannot be 10001. It can be 5 to 10000 milliseconds"
    );
}

#[test]
fn the_users_own_preset_goes_before_the_built_in_one_of_the_same_name() {
    let directory = Directory::holding("own", &[("smooth.toml", b"max_clients = 3")]);
    let (preset, origin) = load_from("smooth", Some(&directory.0)).unwrap();
    assert_eq!(preset, Preset { max_clients: 3, ..built_in("smooth") });
    assert_eq!(origin.to_string(), directory.0.join("smooth.toml").display().to_string());
    assert_eq!(print_from("smooth", Some(&directory.0)).unwrap(), "max_clients = 3");
    let (_, origin) = load_from("stable", Some(&directory.0)).unwrap();
    assert_eq!((origin.path(), origin.to_string().as_str()), (None, "built in"));
}

#[test]
fn an_unknown_name_lists_what_there_is_and_what_was_meant() {
    let directory = Directory::holding("unknown", &[("party.toml", b""), ("notes.txt", b"")]);
    assert_eq!(
        load_from("smoth", Some(&directory.0)).unwrap_err().to_string(),
        "preset “smoth”: there is no preset of this name. Did you mean smooth? There are: smooth, \
         low-latency, stable, live, party. For a file, write its path, with .toml at the end"
    );
    let error = load_from("partie", Some(&directory.0)).unwrap_err().to_string();
    assert!(error.contains("Did you mean party?"), "{error}");
    for nothing in ["", "zzz", "\u{1b}[2J"] {
        let error = load_from(nothing, None).unwrap_err().to_string();
        assert!(!error.contains("Did you mean") && !error.contains('\u{1b}'), "{error}");
    }
}

#[test]
fn a_file_that_cannot_be_a_preset_is_refused_with_the_reason() {
    let large = vec![b'#'; 65 * 1024];
    let files: [(&str, &[u8]); 2] = [("large.toml", &large), ("film.toml", b"\xff\xd8\x80")];
    let directory = Directory::holding("refused", &files);
    let text = |name: &str| {
        let path = directory.0.join(name);
        let error = load_from(path.to_str().unwrap(), None).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        error.to_string().replace(path.to_str().unwrap(), "PATH")
    };
    assert_eq!(
        text("none.toml"),
        "preset PATH: there is no such file or folder. Check the path, or take a built-in preset: smooth"
    );
    assert_eq!(text(""), "preset PATH: this is not a file. Name the preset's own file");
    assert_eq!(
        text("large.toml"),
        "preset PATH: this file is larger than 64 KiB. A preset has a few lines; name another file"
    );
    assert_eq!(
        text("film.toml"),
        "preset PATH: this is not a text file. Save it as plain text (UTF-8)"
    );
}

#[test]
fn a_file_saved_the_windows_way_is_read() {
    let utf16: Vec<u8> =
        "\u{feff}port = 77\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let files: [(&str, &[u8]); 2] = [("a.toml", &utf16), ("b.toml", b"\xef\xbb\xbfport = 77\r\n")];
    let directory = Directory::holding("windows", &files);
    for name in ["a", "b"] {
        assert_eq!(load_from(name, Some(&directory.0)).unwrap().0.port, 77);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_users_directory_is_where_the_system_wants_it() {
    let directory = |xdg: Option<&str>, home: Option<&str>| {
        lookup::directory_from(|variable| match variable {
            "XDG_CONFIG_HOME" => xdg.map(Into::into),
            "HOME" => home.map(Into::into),
            _ => None,
        })
    };
    assert_eq!(directory(Some("/x"), Some("/h")), Some("/x/auralync".into()));
    assert_eq!(directory(Some("relative"), Some("/h")), Some("/h/.config/auralync".into()));
    assert_eq!(directory(None, Some("/h")), Some("/h/.config/auralync".into()));
    assert_eq!(directory(None, None), None);
}

proptest::proptest! {
    #[test]
    fn any_text_is_a_preset_that_works_or_one_line(
        text in "\\PC{0,60}|((chunk_size|port|name|source|codecs|x|\\[a\\]) ?= ?[0-9a-f\"\\[\\]{}.,-]{0,9}\n?){0,4}",
    ) {
        match file::read(&text, "own.toml", built_in("smooth")) {
            Ok(preset) => assert_eq!(preset.with(Overrides::default()).unwrap(), preset),
            Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
        }
    }
}

#[test]
fn a_quarter_of_all_may_come_from_one_address_and_at_least_four() {
    let with = |max_clients, per_address| {
        let flags =
            Overrides { max_clients: Some(max_clients), per_address, ..Overrides::default() };
        let preset = built_in("smooth").with(flags).unwrap();
        (preset.listeners(), preset.listeners_per_address())
    };
    assert_eq!(with(50, None), (50, 12));
    assert_eq!(with(3, None), (3, 4));
    assert_eq!(with(0, None), (1_000, 250), "no limit is a thousand");
    assert_eq!(with(50, Some(40)), (50, 40));
}

#[test]
fn a_windows_path_in_double_quotation_marks_is_answered_with_the_line_as_it_should_be() {
    for (line, fixed) in [
        (r#"source = "file:C:\music\x.wav""#, r"source = 'file:C:\music\x.wav'"),
        (
            r#"source = ["tone", "file:C:\users\x.wav"]"#,
            r"source = ['tone', 'file:C:\users\x.wav']",
        ),
    ] {
        let error = from_text("path", &format!("port = 1\n{line}\n")).unwrap_err();
        assert!(error.contains("line 2: between double quotation marks a backslash"), "{error}");
        assert!(error.ends_with(&format!("Put the path in single quotes: {fixed}")), "{error}");
    }
    assert!(from_text("path", "source = 'file:C:\\music\\x.wav'\n").is_ok());
}

#[test]
fn of_many_presets_of_ones_own_the_first_by_name_are_listed() {
    let directory = Directory::holding("many", &[]);
    for n in (0..60).rev() {
        std::fs::write(directory.0.join(format!("own{n:02}.toml")), "").unwrap();
    }
    let error = load_from("nothing-like-it", Some(&directory.0)).unwrap_err().to_string();
    for n in 0..20 {
        assert!(error.contains(&format!("own{n:02}")), "{error}");
    }
    assert!(!error.contains("own20"), "{error}");
}

#[test]
fn a_presets_path_may_lie_in_the_home_folder() {
    let error = load("~/there-is-no-such-preset.toml").unwrap_err().to_string();
    let path = std::env::home_dir().unwrap().join("there-is-no-such-preset.toml");
    assert!(error.contains(&path.display().to_string()), "{error}");
}
