//! How alike two pieces of sound are.

/// How alike two pieces are, from −1 to 1, and the second's loudness in terms of the first's.
pub(crate) fn likeness(a: &[f32], b: &[f32], step: usize) -> (f64, f64) {
    let (mut aa, mut bb, mut ab) = (1e-12_f32, 1e-12_f32, 0.0_f32);
    for (a, b) in a.iter().zip(b).step_by(step) {
        aa += a * a;
        bb += b * b;
        ab += a * b;
    }
    (f64::from(ab / (aa * bb).sqrt()), f64::from(ab / aa))
}
