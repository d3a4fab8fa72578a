//! Device lists as the three systems give them.

use super::*;

mod windows_pc;

fn device(system: System, id: &str, name: &str, inputs: bool, outputs: bool) -> Listed {
    let mut listed = Listed {
        id: id.to_owned(),
        name: name.to_owned(),
        inputs,
        outputs,
        default_input: false,
        default_output: false,
        loopback: false,
    };
    listed.loopback = is_loopback(system, &listed);
    listed
}

fn default_output(mut listed: Listed) -> Listed {
    listed.default_output = true;
    listed
}

fn windows(extra: &[(&str, &str)]) -> Vec<Listed> {
    let on = System::Windows;
    let mut devices = vec![
        device(on, "wasapi:{0.0.0.00000000}.{11}", "Speakers (Realtek(R) Audio)", false, true),
        default_output(device(on, "wasapi:{0.0.0.00000000}.{22}", "Headset (Buds)", false, true)),
        device(on, "wasapi:{0.0.1.00000000}.{33}", "Mikrofon (Realtek(R) Audio)", true, false),
    ];
    devices.extend(extra.iter().map(|(id, name)| device(on, id, name, true, false)));
    devices
}

fn macos() -> Vec<Listed> {
    let on = System::MacOs;
    vec![
        device(on, "coreaudio:BuiltInMicrophoneDevice", "MacBook Pro Microphone", true, false),
        default_output(device(on, "coreaudio:Builtin", "MacBook Pro Speakers", false, true)),
        device(on, "coreaudio:USB1", "USB Headset", true, true),
        device(on, "coreaudio:BlackHole2ch_UID", "BlackHole 2ch", true, true),
    ]
}

fn linux() -> Vec<Listed> {
    let on = System::Linux;
    let hdmi = "pulseaudio:alsa_output.pci-0000_01_00.1.hdmi-stereo";
    let analog = "pulseaudio:alsa_output.pci-0000_00_1f.3.analog-stereo";
    vec![
        device(on, hdmi, "HDMI Audio", false, true),
        default_output(device(on, analog, "Built-in Audio Analog Stereo", false, true)),
        device(on, &format!("{hdmi}.monitor"), "Monitor of HDMI Audio", true, false),
        device(
            on,
            &format!("{analog}.monitor"),
            "Monitor of Built-in Audio Analog Stereo",
            true,
            false,
        ),
        device(
            on,
            "pulseaudio:alsa_input.pci-0000_00_1f.3.analog-stereo",
            "Built-in Audio Analog Stereo",
            true,
            false,
        ),
    ]
}

fn ids(chosen: Result<Vec<&Listed>>) -> Vec<&str> {
    chosen.unwrap().into_iter().map(|device| device.id.as_str()).collect()
}

fn refusal<T: std::fmt::Debug>(chosen: Result<T>) -> String {
    let error = chosen.unwrap_err();
    assert_eq!(error.exit_code(), crate::error::exit::DEVICE);
    error.to_string()
}

#[test]
fn windows_captures_the_default_output_and_keeps_stereo_mix_in_reserve() {
    let devices = windows(&[("wasapi:{0.0.1.00000000}.{44}", "Stereo Mix (Realtek(R) Audio)")]);
    assert_eq!(
        ids(loopback(System::Windows, &devices, None)),
        ["wasapi:{0.0.0.00000000}.{22}", "wasapi:{0.0.1.00000000}.{44}"]
    );
    assert_eq!(
        ids(loopback(System::Windows, &windows(&[]), None)),
        ["wasapi:{0.0.0.00000000}.{22}"]
    );
}

#[test]
fn stereo_mix_is_known_by_its_names_in_other_languages() {
    for name in [
        "Stereo Mix (Realtek High Definition Audio)",
        "Stereomix (Realtek(R) Audio)",
        "Mixage stéréo (Realtek High Definition Audio)",
        "MIXAGE STÉRÉO (Realtek High Definition Audio)",
        "Mezcla estéreo (Realtek Audio)",
        "Mixagem estéreo (Realtek Audio)",
        "Missaggio stereo (Realtek Audio)",
        "Miks stereo (Realtek Audio)",
        "Стерео микшер (Realtek High Definition Audio)",
        "СТЕРЕО МИКШЕР (Realtek High Definition Audio)",
        "立体声混音 (Realtek High Definition Audio)",
        "ステレオ ミキサー (Realtek Audio)",
        "스테레오 믹스(Realtek Audio)",
        "What U Hear (Sound Blaster Z)",
        "Wave Out Mix (C-Media)",
    ] {
        let mut devices = windows(&[("wasapi:mix", name)]);
        devices.retain(|device| !device.outputs);
        assert_eq!(ids(loopback(System::Windows, &devices, None)), ["wasapi:mix"], "{name}");
    }
}

#[test]
fn a_microphone_is_never_taken_for_what_the_pc_plays() {
    for name in ["Microphone (USB)", "Mikrofon (Realtek Audio)", "Stereo Microphone", "Line In"] {
        let listed = device(System::Windows, "wasapi:mic", name, true, false);
        assert!(!listed.loopback, "{name}");
        let error = refusal(loopback(System::Windows, &[listed], None));
        assert!(error.contains("no output to capture"), "{error}");
        assert!(error.contains("Stereo Mix") && error.contains("--source tone"), "{error}");
    }
}

#[test]
fn stereo_mix_can_be_asked_for_by_name() {
    let devices = windows(&[("wasapi:mix", "Stereo Mix (Realtek(R) Audio)")]);
    assert_eq!(ids(loopback(System::Windows, &devices, Some("stereo mix"))), ["wasapi:mix"]);
    // An output comes before it, though both bear the card's name.
    assert_eq!(
        ids(loopback(System::Windows, &devices, Some("realtek"))),
        ["wasapi:{0.0.0.00000000}.{11}"]
    );
}

#[test]
fn macos_taps_the_default_output_and_keeps_blackhole_in_reserve() {
    assert_eq!(
        ids(loopback(System::MacOs, &macos(), None)),
        ["coreaudio:Builtin", "coreaudio:BlackHole2ch_UID"]
    );
}

#[test]
fn macos_does_not_tap_an_output_that_would_give_its_microphone() {
    let mut devices = macos();
    devices[1].default_output = false;
    devices[2].default_output = true;
    assert_eq!(ids(loopback(System::MacOs, &devices, None)), ["coreaudio:BlackHole2ch_UID"]);
    devices.pop();
    let error = refusal(loopback(System::MacOs, &devices, None));
    assert!(error.contains("nothing here can capture what “USB Headset” plays"), "{error}");
    assert!(error.contains("BlackHole"), "{error}");
    let error = refusal(loopback(System::MacOs, &devices, Some("usb")));
    assert!(error.contains("BlackHole"), "{error}");
}

#[test]
fn blackhole_as_the_default_output_is_captured_from_its_input() {
    let mut devices = macos();
    devices[1].default_output = false;
    devices[3].default_output = true;
    assert_eq!(ids(loopback(System::MacOs, &devices, None)), ["coreaudio:BlackHole2ch_UID"]);
}

#[test]
fn linux_captures_the_monitor_of_the_default_output_and_no_other() {
    assert_eq!(
        ids(loopback(System::Linux, &linux(), None)),
        ["pulseaudio:alsa_output.pci-0000_00_1f.3.analog-stereo.monitor"]
    );
}

#[test]
fn linux_finds_a_monitor_by_its_output_its_name_and_either_id() {
    let hdmi = "pulseaudio:alsa_output.pci-0000_01_00.1.hdmi-stereo";
    let monitor = format!("{hdmi}.monitor");
    for name in [hdmi, &hdmi["pulseaudio:".len()..], &monitor, "hdmi", "Monitor of HDMI"] {
        assert_eq!(ids(loopback(System::Linux, &linux(), Some(name))), [&monitor], "{name}");
    }
}

#[test]
fn linux_without_monitors_says_what_it_needs() {
    let alsa = [default_output(device(System::Linux, "alsa:default", "Default", true, true))];
    let error = refusal(loopback(System::Linux, &alsa, None));
    assert!(error.contains("pactl info"), "{error}");
}

#[test]
fn no_device_at_all_says_so() {
    for system in [System::Windows, System::MacOs, System::Linux] {
        let error = refusal(loopback(system, &[], None));
        assert!(error.contains("no sound device at all"), "{error}");
        assert!(error.contains("--source tone"), "{error}");
        assert!(refusal(input(&[], "mic")).contains("this PC has none"));
        assert!(refusal(output(system, &[], None)).contains("no sound output"));
    }
}

#[test]
fn an_input_is_found_by_any_part_of_its_name_whatever_the_case() {
    let devices = windows(&[("wasapi:é", "Entrée ligne ÉTÉ (USB)")]);
    assert_eq!(input(&devices, "été").unwrap().id, "wasapi:é");
    assert_eq!(input(&devices, " MIKROFON ").unwrap().id, "wasapi:{0.0.1.00000000}.{33}");
}

#[test]
fn a_whole_name_beats_the_same_words_inside_a_longer_one() {
    let on = System::Linux;
    let devices = [
        device(on, "pulseaudio:a", "USB Audio", true, false),
        device(on, "pulseaudio:b", "USB Audio 2", true, false),
    ];
    assert_eq!(input(&devices, "usb audio").unwrap().id, "pulseaudio:a");
    let error = refusal(input(&devices, "usb"));
    assert!(error.contains("several are called that"), "{error}");
    assert!(error.contains("“USB Audio” (pulseaudio:a)"), "{error}");
    assert!(error.contains("“USB Audio 2” (pulseaudio:b)"), "{error}");
}

#[test]
fn a_name_that_means_nothing_lists_what_there_is() {
    let error = refusal(input(&windows(&[]), "tuba"));
    assert!(error.contains("“Mikrofon (Realtek(R) Audio)”"), "{error}");
    assert!(!error.contains("Speakers"), "{error}");
    let error = refusal(output(System::Windows, &windows(&[]), Some("tuba")));
    assert!(error.contains("Speakers") && !error.contains("Mikrofon"), "{error}");
}

#[test]
fn an_error_does_not_list_a_hundred_devices() {
    let devices: Vec<_> = (0..100)
        .map(|n| device(System::Linux, &format!("alsa:{n}"), &format!("card {n}"), true, false))
        .collect();
    let error = refusal(input(&devices, "card"));
    assert!(error.contains("and 92 more") && !error.contains("alsa:9)"), "{error}");
}

#[test]
fn the_default_output_is_taken_and_no_other_is_guessed() {
    let mut devices = linux();
    let chosen = output(System::Linux, &devices, None).unwrap();
    assert_eq!(chosen.name, "Built-in Audio Analog Stereo");
    devices[1].default_output = false;
    let error = refusal(output(System::Linux, &devices, None));
    assert!(error.contains("no default output") && error.contains("“HDMI Audio”"), "{error}");
}

#[test]
fn what_alsa_lists_beside_its_cards_is_told_apart() {
    assert!(is_alsa_tool("alsa:null") && is_alsa_tool("alsa:pulse"));
    for id in ["alsa:default", "alsa:hw:CARD=0,DEV=0", "alsa:pipewire", "pulseaudio:null"] {
        assert!(!is_alsa_tool(id), "{id}");
    }
}

#[test]
fn what_is_captured_is_known_where_it_is_certain() {
    let devices = linux();
    let captured = |index: usize| captured_output(System::Linux, &devices[index]);
    assert_eq!(captured(2), Some(devices[0].id.as_str()));
    assert_eq!((captured(0), captured(4)), (None, None));

    let devices = windows(&[("wasapi:mix", "Stereo Mix")]);
    let captured = |index: usize| captured_output(System::Windows, &devices[index]);
    assert_eq!((captured(0), captured(3)), (Some(devices[0].id.as_str()), None));

    let devices = macos();
    let captured = |index: usize| captured_output(System::MacOs, &devices[index]);
    assert_eq!((captured(1), captured(2)), (Some("coreaudio:Builtin"), None));
    assert_eq!(captured(3), Some("coreaudio:BlackHole2ch_UID"));
}

#[test]
fn what_a_pc_plays_is_not_taken_for_its_microphone() {
    let mut devices = linux();
    devices[3].default_input = true;
    let error = refusal(microphone(System::Linux, &devices, None));
    assert!(error.contains("no default microphone. There is “Built-in Audio"), "{error}");
    assert!(!error.contains("Monitor of"), "{error}");
    assert!(microphone(System::Linux, &devices, Some("Monitor of HDMI")).is_ok(), "unless asked");
    devices.remove(4);
    let error = refusal(microphone(System::Linux, &devices, None));
    assert!(error.starts_with("nobody can hear you: this PC has no microphone. "), "{error}");
    let mut devices = windows(&[]);
    devices[2].default_input = true;
    assert_eq!(
        microphone(System::Windows, &devices, None).unwrap().name,
        "Mikrofon (Realtek(R) Audio)"
    );
}

#[test]
fn an_unknown_input_is_answered_with_microphones_before_monitors() {
    let on = System::Linux;
    let mut devices: Vec<_> = (0..20)
        .map(|n| {
            device(on, &format!("pulseaudio:{n}.monitor"), &format!("Monitor {n}"), true, false)
        })
        .collect();
    devices.push(device(on, "pulseaudio:mic", "Headset", true, false));
    let error = input(&devices, "nope").unwrap_err().to_string();
    assert!(error.contains("There is “Headset” (pulseaudio:mic), “Monitor 0”"), "{error}");
    assert!(error.contains(" and 13 more"), "{error}");
    assert_eq!(input(&devices, "monitor 7").unwrap().id, "pulseaudio:7.monitor");
}
