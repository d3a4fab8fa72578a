use clap::CommandFactory;

use super::*;
use crate::source::Kind;

fn read(flags: &str) -> Result<ServerSettings> {
    let words = ["auralync-server", "--preset", "presets/smooth.toml"];
    ServerArgs::try_parse_from(words.into_iter().chain(flags.split_whitespace()))
        .unwrap()
        .settings()
}

#[test]
fn the_flags_are_the_promised_ones() {
    let command = ServerArgs::command();
    command.clone().debug_assert();
    let mut flags: Vec<_> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
    flags.sort_unstable();
    let expected = [
        "ask",
        "bind",
        "channels",
        "chunk-size",
        "codecs",
        "dscp",
        "duck",
        "engine",
        "engine-ca",
        "engine-room",
        "https",
        "icecast",
        "keep-window",
        "list-devices",
        "listen-backlog",
        "max-clients",
        "max-queue-size",
        "max-talkers",
        "name",
        "new-key",
        "no-discovery",
        "no-https",
        "no-open",
        "no-qr",
        "no-udp",
        "no-web",
        "offer",
        "open",
        "overwrite",
        "per-address",
        "player",
        "playout-delay-ms",
        "port",
        "preset",
        "print-preset",
        "private",
        "quiet",
        "record",
        "record-dir",
        "record-tracks",
        "sample-rate",
        "self-test",
        "show-link",
        "snapcast",
        "snapcast-codec",
        "source",
        "stats",
        "talk",
        "tls-cert",
        "tls-key",
        "verbose",
        "web",
        "web-host",
        "web-status",
    ];
    assert_eq!(flags, expected);
}

#[test]
fn without_flags_a_server_sends_what_this_pc_plays_as_the_preset_says() {
    let settings = read("").unwrap();
    assert!(settings.datagrams);
    assert_eq!(settings.preset.chunk_size, 1024);
    assert_eq!(settings.preset_name, "presets/smooth.toml");
    assert_eq!(settings.origin.to_string(), "presets/smooth.toml");
    assert_eq!(settings.overrides, Overrides::default());
    assert_eq!(settings.sources, [Kind::Loopback(None).into()]);
    assert_eq!(settings.name, computer::name());
    assert_eq!((settings.stats, settings.print_preset), (None, None));
    assert!(!settings.list_devices && settings.discovery);
    assert_eq!((settings.web, settings.web_status), (Some(8080), Readers::Local));
    assert_eq!((settings.qr, settings.dscp), (true, Dscp::Ef));
}

#[test]
fn of_web_and_no_web_the_last_counts() {
    assert_eq!(read("--no-web").unwrap().web, None);
    assert_eq!(read("--no-web --web 0").unwrap().web, Some(0));
    assert_eq!(read("--web 9 --no-web").unwrap().web, None);
}

#[test]
fn an_encrypted_page_is_there_where_it_is_asked_for_and_in_a_private_room_where_people_talk() {
    let https = |flags: &str| read(flags).unwrap().https;
    for (flags, port) in [
        ("", None),
        ("--https", Some(8443)),
        ("--https 9000", Some(9000)),
        ("--https 0 --web 0", Some(0)),
        ("--talk", None),
        ("--private", None),
        ("--talk --private", cfg!(feature = "https").then_some(8443)),
        ("--talk --private --no-https", None),
        ("--talk --private --no-web", None),
        ("--https --no-https", None),
        ("--no-https --https 9000", Some(9000)),
        ("--tls-cert a.pem --tls-key b.pem", Some(8443)),
    ] {
        assert_eq!(https(flags), port, "{flags}");
    }
    let brought = read("--tls-cert a.pem --tls-key b.pem").unwrap().certificate;
    assert_eq!(brought, Some(("a.pem".into(), "b.pem".into())));
    for (flags, start) in [
        ("--tls-key b.pem", "--tls-cert and --tls-key belong together"),
        ("--https --no-web", "--https serves the page encrypted too"),
        ("--tls-cert a.pem --tls-key b.pem --no-https", "--tls-cert is the certificate"),
        ("--https 8080", "8080 is the port of the page without encryption"),
        ("--https 9000 --web 9000", "9000 is the port of the page"),
    ] {
        let error = read(flags).unwrap_err();
        assert!(error.to_string().starts_with(start), "{flags}: {error}");
        assert_eq!(error.exit_code(), 2);
    }
}

#[test]
fn a_conference_without_a_film_takes_live_unless_a_preset_is_named() {
    let preset_of = |flags: &str| {
        let words = std::iter::once("auralync-server").chain(flags.split_whitespace());
        let settings = ServerArgs::try_parse_from(words).unwrap().settings().unwrap();
        (settings.preset_name, settings.talk, settings.duck_db)
    };
    for (flags, preset, talk, duck) in [
        ("--source none --talk", "live", true, 12),
        ("--source none --talk --preset smooth", "smooth", true, 12),
        ("--source none", "smooth", false, 12),
        ("--source tone --talk --duck 0", "smooth", true, 0),
        ("--talk --duck 60", "smooth", true, 60),
    ] {
        assert_eq!(preset_of(flags), (preset.to_owned(), talk, duck), "{flags}");
    }
    for wrong in ["--talk --duck 61", "--talk --duck -1", "--talk --duck x"] {
        let words = std::iter::once("auralync-server").chain(wrong.split_whitespace());
        assert!(ServerArgs::try_parse_from(words).is_err(), "{wrong}");
    }
}

#[test]
fn one_port_for_listeners_and_browsers_is_refused_by_what_was_typed() {
    for (flags, start) in [
        ("--port 21097 --web 21097", "--port and --web name the same port, 21097: "),
        ("--web 5555", "--web 5555 is the port that listeners connect to. "),
        ("--port 8080", "--port 8080 is the port of the page for phones and browsers. "),
    ] {
        let error = read(flags).unwrap_err().to_string();
        assert!(error.starts_with(start), "{error}");
    }
    for flags in ["--port 0 --web 0", "--port 8080 --no-web", "--port 8080 --web 5555"] {
        assert!(read(flags).is_ok(), "{flags}");
    }
}

#[test]
fn every_flag_reaches_its_setting() {
    let settings = read(
        "--source tone:1000 --name attic --bind ::1 --port 6000 --sample-rate 44100 \
         --channels 1 --chunk-size 256 --max-queue-size 9 --max-clients 0 \
         --listen-backlog 7 --playout-delay-ms 99 --codecs f32 --list-devices \
         --print-preset live --stats - --no-discovery --no-udp \
         --web 8081 --web-status public --no-qr --record a.flac --record-tracks t \
         --record-dir d --overwrite --web-host music.example --web-host Attic. --dscp off",
    )
    .unwrap();
    let preset = &settings.preset;
    assert_eq!((preset.port, preset.sample_rate, preset.channels), (6000, Some(44_100), 1));
    assert_eq!((preset.chunk_size, preset.max_queue_size), (256, 9));
    assert_eq!((preset.max_clients, preset.listen_backlog), (0, 7));
    assert_eq!((preset.playout_delay_ms, preset.bind), (99, Some("::1".parse().unwrap())));
    assert_eq!(preset.codecs, Some(vec!["f32".to_owned()]));
    assert_eq!(settings.sources, [Kind::Tone { hz: 1000.0 }.into()]);
    assert_eq!((settings.name.as_str(), settings.stats), ("attic", Some(StatsTarget::Stdout)));
    assert_eq!(settings.print_preset.as_deref(), Some("live"));
    assert!(settings.list_devices && !settings.discovery && !settings.qr);
    assert!(!settings.datagrams);
    assert_eq!((settings.web, settings.web_status), (Some(8081), Readers::Public));
    assert_eq!(settings.web_hosts, ["music.example", "Attic"]);
    assert_eq!(settings.record, Some("a.flac".into()));
    assert_eq!(settings.record_tracks, Some("t".into()));
    assert_eq!(settings.record_dir, Some("d".into()));
    assert_eq!((settings.overwrite, settings.dscp), (true, Dscp::Off));
}

#[test]
fn a_name_of_the_page_is_a_name_alone() {
    for wrong in ["", "http://music.example", "music.example:8443", "a b", "music.example/aura"] {
        let words = ["auralync-server", "--web-host", wrong];
        let refused = ServerArgs::try_parse_from(words).unwrap_err().to_string();
        assert!(refused.contains("like music.example"), "{wrong}: {refused}");
    }
}

#[test]
fn several_sources_are_mixed_and_none_of_them_twice() {
    let settings = read("--source tone --source loopback,level=-6dB").unwrap();
    let kinds: Vec<_> = settings.sources.iter().map(|source| &source.kind).collect();
    assert_eq!(kinds, [&Kind::Tone { hz: 440.0 }, &Kind::Loopback(None)]);
    assert_eq!(settings.sources[1].level_db, -6.0);
    assert_eq!(
        read("--source tone --source none --source tone:440,muted").unwrap_err().to_string(),
        "the source “tone:440” was given twice. Give each once; ,level= makes one louder"
    );
    let many: String = (0..129).map(|n| format!("--source tone:{} ", 100 + n)).collect();
    assert!(read(&many).unwrap_err().to_string().starts_with("129 sources were given, and 128"));
}

#[test]
fn what_the_flags_say_is_refused_like_what_a_preset_says() {
    for (flags, start) in [
        ("--chunk-size 4", "--chunk-size cannot be 4. It can be 16 to 8192 frames"),
        ("--channels 6", "--channels cannot be 6. "),
        ("--codecs f32,mp3", "--codecs names “mp3”, which does not exist. There is f32, s24, "),
        ("--playout-delay-ms 20", "--playout-delay-ms cannot be: a playout delay of 20 ms "),
    ] {
        let error = read(flags).unwrap_err();
        assert!(error.to_string().starts_with(start), "{error}");
        assert_eq!(error.exit_code(), 2);
    }
    assert_eq!(read("--source banana").unwrap_err().exit_code(), 2);
}

#[test]
fn icecast_servers_come_from_flags_or_the_preset_and_never_from_a_private_room() {
    let settings = read("--icecast icecast://a/x,bitrate=96 --icecast http://b/y").unwrap();
    let shown: Vec<_> = settings.icecast.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["http://a:8000/x", "http://b:80/y"]);
    assert!(read("").unwrap().icecast.is_empty());
    let nine: String = (0..9).map(|n| format!(" --icecast icecast://a/{n}")).collect();
    for (flags, why) in [
        ("--private --icecast icecast://a", "everybody may hear it, and this room is private"),
        ("--icecast icecast://a --icecast http://a:8000", "was given twice"),
        ("--icecast nonsense", "begins with icecast://"),
        (&nine, "9 Icecast addresses were given, and 8 can be"),
    ] {
        let error = read(flags).unwrap_err().to_string();
        assert!(error.contains(why), "{flags}: {error}");
    }
}

#[test]
fn what_another_server_sends_stands_beside_a_source_that_gives_it_its_time() {
    let kinds = |flags: &str| -> Vec<String> {
        let settings = read(flags).unwrap();
        settings.sources.iter().map(|source| source.kind.to_string()).collect()
    };
    assert_eq!(kinds("--source auralync:pc"), ["none", "auralync:pc"]);
    let two = "--source auralync:pc --source auralync:[fd00::1]:6000 --source tone --source none";
    assert_eq!(kinds(two), ["tone:440", "auralync:pc", "auralync:[fd00::1]:6000", "none"]);
    assert_eq!(kinds("--source none --source auralync:pc"), ["none", "auralync:pc"]);
    let offers = read("--source none --offer auralync:pc,level=-6dB").unwrap().offers;
    assert_eq!(offers[0].kind, Kind::Auralync("pc".to_owned()));
}

#[test]
fn another_server_that_cannot_be_is_refused_with_the_reason() {
    for (flags, why) in [
        ("--source auralync:", "nothing follows “auralync:”"),
        ("--source auralync:pc:0", "“0” is not a port from 1 to 65535"),
        ("--source auralync:pc:65536", "“65536” is not a port from 1 to 65535"),
        ("--offer auralync:pc:x", "“x” is not a port from 1 to 65535"),
        ("--source auralync:http://pc", "it needs no “…://” in front"),
        (
            "--no-discovery --source none --offer auralync:living_room!",
            "and the like cannot be in it",
        ),
        ("--source auralync:pc --source auralync:pc,muted", "was given twice"),
        (
            "--source auralync:pc --source engine:room --engine nats://a",
            "nothing can be mixed in here",
        ),
        ("--source auralync:127.0.0.1", "auralync:127.0.0.1:5555 is this server itself"),
        ("--source auralync:[::1]:6000 --port 6000", "auralync:[::1]:6000 is this server itself"),
        ("--offer auralync:localhost:5555", "auralync:localhost:5555 is this server itself"),
        (
            "--bind 10.0.0.5 --source auralync:10.0.0.5",
            "auralync:10.0.0.5:5555 is this server itself",
        ),
    ] {
        let error = read(flags).unwrap_err();
        assert!(error.to_string().contains(why), "{flags}: {error}");
        assert_eq!(error.exit_code(), 2);
    }
    for fine in ["auralync:127.0.0.1:5556", "auralync:10.0.0.5", "auralync:living room"] {
        let words = ["auralync-server", "--preset", "presets/smooth.toml", "--source", fine];
        ServerArgs::try_parse_from(words).unwrap().settings().unwrap();
    }
    assert!(
        read("--bind 10.0.0.5 --source auralync:127.0.0.1").is_ok(),
        "another one listens there"
    );
}
