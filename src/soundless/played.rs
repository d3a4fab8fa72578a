//! What becomes of a file in memory, for tests.

use super::sound_file::SoundFile;
use crate::format::Format;
use crate::sound::mixdown::Layout;

/// Everything that was heard of a file.
pub(crate) struct Played {
    pub(crate) format: Format,
    pub(crate) layout: Layout,
    pub(crate) samples: Vec<f32>,
    pub(crate) damaged: u64,
    pub(crate) frames_total: Option<u64>,
}

/// Plays a file from its start to its end, or says why not.
pub(crate) fn try_play(bytes: &[u8]) -> Result<Played, String> {
    let file = SoundFile::from_bytes(bytes.to_vec(), false);
    let mut file = file.map_err(|refusal| refusal.to_string())?;
    let (format, layout) = (file.format(), file.layout().clone());
    let frames_total = file.frames_total();
    let mut samples = Vec::new();
    let mut part = vec![0.0; format.samples(700)];
    loop {
        match file.read(&mut part).unwrap() {
            0 => break,
            frames => samples.extend(&part[..format.samples(frames)]),
        }
    }
    Ok(Played { format, layout, samples, damaged: file.damaged(), frames_total })
}

#[track_caller]
pub(crate) fn play(bytes: &[u8]) -> Played {
    try_play(bytes).unwrap()
}

/// Why a file is not played.
#[track_caller]
pub(crate) fn refusal(bytes: &[u8]) -> String {
    try_play(bytes).err().expect("it plays")
}

/// 16 bits as they are played.
pub(crate) fn as_floats(samples: &[i16]) -> Vec<f32> {
    samples.iter().map(|sample| f32::from(*sample) / 32_768.0).collect()
}
