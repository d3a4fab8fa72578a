//! The bench's sound through libopus, by Debian's `opus-tools`.

use std::process::{Command, Stdio};

use crate::Coded;
use crate::measuring::Result;
use crate::scratch::Scratch;

/// Whether there is a libopus to compare with.
pub(crate) fn is_installed() -> bool {
    ["opusenc", "opusdec"].iter().all(|program| {
        Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
}

/// Stereo samples at 48 kHz through `opusenc` and `opusdec`, which takes off the delay itself. At
/// the bitrate that ours came to; nothing where they are not installed.
pub(crate) fn there_and_back(samples: &[f32], kbps: f64) -> Result<Option<Coded>> {
    if !is_installed() {
        return Ok(None);
    }
    let folder = Scratch::new();
    let [original, packed, decoded] =
        ["original.wav", "packed.opus", "decoded.wav"].map(|name| folder.path(name));
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 48_000,
        bits_per_sample: 24,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&original, spec)?;
    for sample in samples {
        writer.write_sample((sample.clamp(-1.0, 1.0) * 8_388_607.0).round() as i32)?;
    }
    writer.finalize()?;
    let said = run(Command::new("opusenc")
        // As ours: otherwise it takes many more bits than it is told, or fewer.
        .args(["--cvbr", "--bitrate", &format!("{kbps:.1}")])
        .args([&original, &packed]))?;
    run(Command::new("opusdec").args(["--float", "--rate", "48000"]).args([&packed, &decoded]))?;
    let kbps = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("Bitrate:")?.split_whitespace().next())
        .ok_or("opusenc did not say the bitrate")?
        .parse()?;
    let decoded = hound::WavReader::open(&decoded)?
        .into_samples::<f32>()
        .collect::<std::result::Result<Vec<_>, _>>()?;
    Ok(Some(Coded { decoded, kbps, encoder_percent: 0.0, decoder_percent: 0.0 }))
}

/// Runs a program to its end; what it said.
fn run(command: &mut Command) -> Result<String> {
    let out = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    if out.status.success() { Ok(said) } else { Err(format!("{command:?}: {said}").into()) }
}
