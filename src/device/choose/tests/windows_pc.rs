//! The devices of a PC with Windows 11, called as Windows calls them: a headset twice, as what it plays music on and as
//! what it talks with; a virtual cable, whose output is an input; two sound cards of the same make.

use super::*;

const SPEAKERS: &str = "wasapi:{0.0.0.00000000}.{6b1f2c8e-0f0c-4f43-9a55-0d5c2f9c7a11}";
const HEADPHONES: &str = "wasapi:{0.0.0.00000000}.{0e5b3c52-7d0a-4a0e-8a3c-5f2d1b7e9c22}";
const HANDS_FREE: &str = "wasapi:{0.0.0.00000000}.{a4d1f0b7-2e6c-4c9b-b1d8-7c3e5a8f6d33}";
const CABLE_INPUT: &str = "wasapi:{0.0.0.00000000}.{c7e2a9d4-5b18-4f6e-9d20-1a4b8c6f3e44}";
const TELEVISION: &str = "wasapi:{0.0.0.00000000}.{f3b8d6a1-9c47-4e25-8b7f-6d0e2c5a1955}";
const USB: &str = "wasapi:{0.0.0.00000000}.{1d9e7f35-4a82-4b60-a3c6-8e5f0b2d7c66}";
const SECOND_USB: &str = "wasapi:{0.0.0.00000000}.{82c4b6e0-3f91-4d7a-b5e8-0c6a9d1f4277}";
const MICROPHONE: &str = "wasapi:{0.0.1.00000000}.{5a0c8e72-6d3b-4195-8f4e-2b7d9c1e6a88}";
const TALKED_INTO: &str = "wasapi:{0.0.1.00000000}.{97f3d1b5-0e6a-4c82-9b7d-4a5c8e2f1099}";
const WEBCAM: &str = "wasapi:{0.0.1.00000000}.{b0e6c4a8-1d75-4f39-a2b8-6f9e3d5c7baa}";
const CABLE_OUTPUT: &str = "wasapi:{0.0.1.00000000}.{3c7a5e19-8b64-4d02-9e8f-5d1b0a6c4fbb}";
const STEREO_MIX: &str = "wasapi:{0.0.1.00000000}.{e8d2b0f6-7a4c-4e91-b3d5-9c0f6e8a2dcc}";

fn devices() -> Vec<Listed> {
    let output = |id, name| device(System::Windows, id, name, false, true);
    let input = |id, name| device(System::Windows, id, name, true, false);
    let mut devices = vec![
        default_output(output(SPEAKERS, "Speakers (Realtek(R) Audio)")),
        output(HEADPHONES, "Headphones (WH-1000XM4 Stereo)"),
        output(HANDS_FREE, "Headset (WH-1000XM4 Hands-Free AG Audio)"),
        output(CABLE_INPUT, "CABLE Input (VB-Audio Virtual Cable)"),
        output(TELEVISION, "LG TV SSCR2 (NVIDIA High Definition Audio)"),
        output(USB, "Speakers (USB Audio Device)"),
        output(SECOND_USB, "Speakers (2- USB Audio Device)"),
        input(MICROPHONE, "Microphone (Realtek(R) Audio)"),
        input(TALKED_INTO, "Headset (WH-1000XM4 Hands-Free AG Audio)"),
        input(WEBCAM, "Microphone (HD Pro Webcam C920)"),
        input(CABLE_OUTPUT, "CABLE Output (VB-Audio Virtual Cable)"),
        input(STEREO_MIX, "Stereo Mix (Realtek(R) Audio)"),
    ];
    devices[9].default_input = true;
    devices
}

#[test]
fn what_the_default_output_plays_is_captured_there_and_else_from_stereo_mix() {
    let mut devices = devices();
    assert_eq!(ids(loopback(System::Windows, &devices, None)), [SPEAKERS, STEREO_MIX]);
    let captured = captured_output(System::Windows, &devices[0]);
    assert_eq!(captured, Some(SPEAKERS), "to play there would feed back");
    // Somebody turns the headphones on, which Windows makes the default.
    devices[0].default_output = false;
    devices[1].default_output = true;
    assert_eq!(ids(loopback(System::Windows, &devices, None)), [HEADPHONES, STEREO_MIX]);
}

#[test]
fn any_output_is_captured_by_a_part_of_its_name_or_by_its_id() {
    let devices = devices();
    for (name, id) in [
        ("headphones", HEADPHONES),
        ("WH-1000XM4 Stereo", HEADPHONES),
        ("lg tv", TELEVISION),
        ("CABLE", CABLE_INPUT),
        ("Speakers (USB Audio Device)", USB),
        ("2- usb", SECOND_USB),
        (TELEVISION, TELEVISION),
        (&SECOND_USB["wasapi:".len()..], SECOND_USB),
    ] {
        assert_eq!(ids(loopback(System::Windows, &devices, Some(name))), [id], "{name}");
        assert_eq!(output(System::Windows, &devices, Some(name)).unwrap().id, id, "{name}");
    }
}

#[test]
fn a_name_that_two_outputs_share_is_answered_with_both() {
    let devices = devices();
    for (name, both) in [
        (
            "WH-1000XM4",
            [
                ("Headphones (WH-1000XM4 Stereo)", HEADPHONES),
                ("Headset (WH-1000XM4 Hands-Free AG Audio)", HANDS_FREE),
            ],
        ),
        (
            "usb audio",
            [("Speakers (USB Audio Device)", USB), ("Speakers (2- USB Audio Device)", SECOND_USB)],
        ),
    ] {
        let refused = [
            refusal(loopback(System::Windows, &devices, Some(name))),
            refusal(output(System::Windows, &devices, Some(name))),
        ];
        for error in refused {
            let [first, second] = both.map(|(name, id)| format!("“{name}” ({id})"));
            assert!(
                error.contains(&format!("several are called that: {first}, {second}. ")),
                "{error}"
            );
            assert!(
                error.ends_with("Write more of the name, or the id that --list-devices shows"),
                "{error}"
            );
        }
    }
}

#[test]
fn inputs_are_found_beside_outputs_of_the_same_name() {
    let devices = devices();
    for (name, id) in [
        ("headset", TALKED_INTO),
        ("WH-1000XM4", TALKED_INTO),
        ("CABLE Output", CABLE_OUTPUT),
        ("webcam", WEBCAM),
        ("stereo mix", STEREO_MIX),
        ("microphone (realtek", MICROPHONE),
    ] {
        assert_eq!(input(&devices, name).unwrap().id, id, "{name}");
        assert_eq!(microphone(System::Windows, &devices, Some(name)).unwrap().id, id, "{name}");
    }
    assert_eq!(microphone(System::Windows, &devices, None).unwrap().id, WEBCAM);
    let error = refusal(input(&devices, "realtek"));
    assert!(error.contains("several are called that: “Microphone (Realtek(R) Audio)”"), "{error}");
}

#[test]
fn an_output_that_was_unplugged_is_answered_with_those_that_are_there() {
    let mut devices = devices();
    devices.retain(|device| {
        device.id != HEADPHONES && device.id != HANDS_FREE && device.id != TALKED_INTO
    });
    let error = refusal(output(System::Windows, &devices, Some("headphones")));
    assert!(
        error.starts_with(
            "output “headphones”: none is called that. There is “Speakers (Realtek(R) Audio)”"
        ),
        "{error}"
    );
    assert!(!error.contains("Microphone"), "{error}");
}
