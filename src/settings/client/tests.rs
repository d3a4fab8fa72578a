use clap::CommandFactory;

use super::*;
use crate::discovery::target::Target;

fn read(flags: &str) -> Result<ClientSettings> {
    args(flags).settings()
}

fn args(flags: &str) -> ClientArgs {
    let words = ["auralync-client"].into_iter().chain(flags.split_whitespace());
    ClientArgs::try_parse_from(words).unwrap()
}

fn refused(flags: &str) -> String {
    let words = ["auralync-client"].into_iter().chain(flags.split_whitespace());
    let words: Vec<OsString> = words.map(OsString::from).collect();
    let error = ClientArgs::try_parse_from(&words).unwrap_err();
    crate::settings::usage_error(&ClientArgs::command(), &words, &error).to_string()
}

#[test]
fn the_flags_are_the_promised_ones() {
    let command = ClientArgs::command();
    command.clone().debug_assert();
    let mut flags: Vec<_> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
    flags.sort_unstable();
    let expected = [
        "adaptive",
        "allow-feedback",
        "balance",
        "bass",
        "clean",
        "code",
        "codec",
        "delay",
        "device",
        "dialogue",
        "dscp",
        "json",
        "keep-window",
        "link",
        "list-devices",
        "list-servers",
        "mic",
        "mono",
        "name",
        "night",
        "no-discovery",
        "once",
        "output",
        "overwrite",
        "playout-delay-ms",
        "port",
        "preset",
        "quiet",
        "record",
        "self-test",
        "simulate",
        "stats",
        "talk",
        "talk-codec",
        "talk-to-found",
        "transport",
        "treble",
        "verbose",
        "volume",
    ];
    assert_eq!(flags, expected);
}

#[test]
fn an_address_is_all_that_a_listener_has_to_type() {
    let settings = read("192.168.1.100 --preset presets/smooth.toml").unwrap();
    let target = Target { host: "192.168.1.100".into(), port: 5555 };
    assert_eq!(
        settings,
        ClientSettings {
            link: None,
            code: None,
            wanted: Some(Wanted::Host(target)),
            port: None,
            discovery: true,
            device: None,
            output: Output::Speaker,
            volume_percent: 100,
            delay_ms: None,
            hearing: EarFlags::default(),
            remembers_hearing: true,
            adaptive: false,
            transport: Transport::Auto,
            codec: "auto".into(),
            talk: None,
            talk_to_found: false,
            microphone: None,
            talk_codec: Codec::parse("opus:64").unwrap(),
            clean: Clean::ALL,
            name: computer::name(),
            fallback_delay_ms: 300,
            delay_flags_given: true,
            once: false,
            allow_feedback: false,
            record: None,
            overwrite: false,
            simulate: None,
            dscp: Dscp::Ef,
            list_devices: false,
            self_test: false,
            list_servers: false,
            json: false,
            stats: None,
            level: log::LevelFilter::Info,
        }
    );
}

#[test]
fn every_flag_reaches_its_setting() {
    let settings = read(
        "pc --port 6000 --output wav:a:b.wav --volume 150 --delay -250 --name me \
         --playout-delay-ms 77 --once --allow-feedback --overwrite --list-devices --stats s.json \
         --adaptive --no-discovery --codec opus:96 --record r.opus --simulate loss=5% --dscp cs6",
    )
    .unwrap();
    let target = Target { host: "pc".into(), port: 6000 };
    assert_eq!(settings.wanted, Some(Wanted::Host(target)));
    assert!(!settings.discovery && !settings.list_servers && !settings.json);
    let listing = read("--list-servers --json").unwrap();
    assert!(listing.discovery && listing.list_servers && listing.json);
    assert_eq!((settings.port, settings.volume_percent), (Some(6000), 150));
    assert_eq!(settings.output, Output::Wav("a:b.wav".into()));
    assert_eq!((settings.delay_ms, settings.name.as_str()), (Some(-250), "me"));
    assert_eq!((settings.fallback_delay_ms, settings.delay_flags_given), (77, true));
    assert!(settings.once && settings.allow_feedback);
    assert!(settings.overwrite && settings.list_devices && settings.adaptive);
    assert_eq!(settings.stats, Some(StatsTarget::File("s.json".into())));
    assert_eq!((settings.codec.as_str(), settings.record), ("opus:96", Some("r.opus".into())));
    assert_eq!((settings.simulate, settings.dscp), ("loss=5%".parse().ok(), Dscp::Cs6));
    let ear = read("pc --dialogue 6 --night --bass -3").unwrap().hearing;
    assert_eq!(
        (ear.dialogue, ear.night, ear.bass, ear.mono),
        (Some(6), Some(true), Some(-3), None)
    );
    assert!(refused("--dscp 46").contains("it can be ef"));
    assert!(refused("pc --talk --clean loud").contains("it can be auto, off, or any of echo"));
    assert_eq!(read("pc --device usb").unwrap().device.as_deref(), Some("usb"));
}

#[test]
fn talk_alone_is_open_and_a_word_needs_its_equals_sign() {
    let settings = read("--talk pc").unwrap();
    assert_eq!((settings.talk, settings.wanted.is_some()), (Some(Mode::Open), true));
    assert_eq!(read("pc --talk=open").unwrap().talk, Some(Mode::Open));
    let settings = read("pc --talk=push --mic usb --talk-codec s16").unwrap();
    assert_eq!((settings.talk, settings.talk_codec), (Some(Mode::Push), Codec::Int16));
    assert_eq!(settings.microphone.as_deref(), Some("usb"));
}

#[test]
fn a_voice_is_cleaned_unless_it_is_sent_as_f32_or_somebody_says_otherwise() {
    let clean = |flags: &str| read(flags).unwrap().clean;
    assert_eq!((clean("pc --talk"), clean("pc --talk --clean auto")), (Clean::ALL, Clean::ALL));
    assert_eq!(clean("pc --talk --talk-codec f32"), Clean::OFF);
    assert_eq!(
        clean("pc --talk --talk-codec f32 --clean echo,gain"),
        Clean { noise: false, ..Clean::ALL }
    );
    assert_eq!(clean("pc --talk --clean off"), Clean::OFF);
}

#[test]
fn a_mode_behind_a_space_is_the_mode_and_no_server() {
    let talk = |line: &str| {
        let words = ["auralync-client"].into_iter().chain(line.split(' ')).map(OsString::from);
        let settings = ClientArgs::try_parse_from(join_mode(words.collect())).unwrap().settings();
        let settings = settings.unwrap();
        (settings.talk, settings.wanted)
    };
    let pc = Some(Wanted::Word("pc".to_owned()));
    for line in ["--talk push pc", "pc --talk push", "--talk=push pc"] {
        assert_eq!(talk(line), (Some(Mode::Push), pc.clone()), "{line}");
    }
    assert_eq!(talk("--talk open"), (Some(Mode::Open), None));
    assert_eq!(talk("--talk pc"), (Some(Mode::Open), pc));
    let push = Some(Wanted::Word("push".to_owned()));
    assert_eq!(talk("push --talk"), (Some(Mode::Open), push));
}

#[test]
fn without_flags_nobody_chose_the_delay() {
    assert!(!read("pc").unwrap().delay_flags_given);
    let both = read("pc --preset presets/live.toml --playout-delay-ms 30").unwrap();
    assert_eq!(both.fallback_delay_ms, 30);
    assert_eq!(read("pc --preset presets/live.toml").unwrap().fallback_delay_ms, 25);
}

#[test]
fn a_word_out_of_its_range_says_the_range() {
    for (flags, part) in [
        ("pc --volume 201", "the volume goes from 0 to 200 per cent"),
        ("pc --volume loud", "this is not a whole number"),
        ("pc --delay -5001", "the delay goes from -5000 to 5000 milliseconds"),
        (
            "pc --output mp3:x",
            "it can be speaker, wav:FILE (a sound file), wav:- (standard output) or null (nothing)",
        ),
        (
            "pc --output wav:",
            "it can be speaker, wav:FILE (a sound file), wav:- (standard output) or null (nothing)",
        ),
        ("pc --output wav:film", "a recording's name ends in .wav, .flac or .opus"),
        ("pc --codec opus:9", "it can be auto, f32, s24, s16, opus, or opus:KBPS with 64"),
        ("pc --talk=loud", "it can be open (whenever you speak) or push (while you hold"),
        ("pc --talk --talk-codec auto", "it can be opus, opus:KBPS with 64 to 256"),
        ("pc --record a.mp3", "a recording's name ends in .wav, .flac or .opus"),
        ("pc --simulate bad", "“bad” says nothing of a network; it can be"),
        ("pc --port 0", "no server can listen on port 0"),
        ("pc pc2", "“pc2” is one word too many"),
    ] {
        let error = refused(flags);
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(read("pc --delay −20 --volume 50%").unwrap().delay_ms, Some(-20));
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    for (flags, start) in [
        ("pc --list-servers", "--list-servers lists every server, and one was named. "),
        ("--list-servers --no-discovery", "--list-servers looks for servers, and --no-d"),
        ("pc --device usb --output null", "--device chooses a sound card, and --output "),
        ("pc:6000 --port 7000", "“pc:6000” and --port 7000 name two ports. "),
        ("pc --clean noise", "--clean says what becomes of your microphone, and --talk was not"),
        ("pc --mic usb", "--mic chooses a microphone to talk into, and --talk was not"),
        ("--json", "--json says how --list-servers lists"),
        ("pc --playout-delay-ms 4", "--playout-delay-ms cannot be 4. "),
        ("pc --preset smoth", "preset “smoth”: there is no preset of this name. Did you "),
    ] {
        let error = read(flags).unwrap_err();
        assert!(error.to_string().starts_with(start), "{error}");
        assert_eq!(error.exit_code(), 2);
    }
}

#[test]
fn no_server_is_wanted_where_none_is_named() {
    assert_eq!(read("").unwrap().wanted, None);
}

#[test]
fn a_tilde_behind_a_flags_word_or_equals_sign_is_the_users_own_folder() {
    let Some(home) = std::env::home_dir() else { return };
    let settings = read("pc --record=~/heard.opus --stats=~/lines").unwrap();
    assert_eq!(settings.record, Some(home.join("heard.opus")));
    assert_eq!(settings.stats, Some(StatsTarget::File(home.join("lines"))));
    let settings = read("pc --output wav:~/film.wav").unwrap();
    assert_eq!(settings.output, Output::Wav(home.join("film.wav")));
}

#[test]
fn a_file_that_could_not_be_written_is_refused_before_anybody_is_asked() {
    for line in ["h --output wav:nowhere/film.wav", "h --record nowhere/a.wav"] {
        let error = read(line).unwrap_err().to_string();
        assert!(error.contains("folder"), "{line}: {error}");
    }
}

#[test]
fn sound_goes_to_another_program_unless_a_person_or_the_statistics_are_there() {
    let piped = args("h --output wav:-");
    assert_eq!(piped.output, Output::Wav(STDOUT.into()));
    piped.check_files(false).unwrap();
    assert!(piped.check_files(true).unwrap_err().to_string().contains("another program"));
    let both = args("h --output wav:- --stats -").check_files(false).unwrap_err().to_string();
    assert!(both.contains("standard output"), "{both}");
}

#[test]
fn sound_comes_whichever_way_works_unless_one_is_named() {
    assert_eq!(read("host").unwrap().transport, Transport::Auto);
    for (word, transport) in
        [("auto", Transport::Auto), ("udp", Transport::Udp), ("tcp", Transport::Tcp)]
    {
        assert_eq!(read(&format!("host --transport {word}")).unwrap().transport, transport);
    }
    let words = ["auralync-client", "host", "--transport", "quic"];
    let refused = ClientArgs::try_parse_from(words).unwrap_err().to_string();
    assert!(refused.contains("auto, udp or tcp"), "{refused}");
}
