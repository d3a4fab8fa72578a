//! What a self-test has measured, in words, and whether that is well.

use crate::calibrate::chirp::SWEEPS;
use crate::calibrate::median;
use crate::calibrate::verdict::agreeing;

/// Sound may come so much earlier or later than was promised, in ms.
const OFF_MS: f64 = 5.0;

/// Two listeners on one computer are in step within this, in ms.
const SKEW_MS: f64 = 2.0;

/// Sound may be so much too fast or slow, in millionths. Within two and a half seconds no more can be told.
const PPM: f64 = 300.0;

/// So many chirps must have come through.
const FEWEST: usize = 6;

/// What one listener has heard.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// What it plays on.
    pub name: String,
    /// The trim that is remembered for its output, in ms.
    pub asked_ms: i32,
    /// How much later than was promised it is to play, in ms: as much of that as the playout delay leaves room for.
    pub trim_ms: f64,
    /// How long after it was promised each chirp was heard, in ms; `None` where it was not.
    pub late_ms: Vec<Option<f64>>,
}

impl Measured {
    fn heard(&self) -> Vec<f64> {
        agreeing(&self.late_ms.iter().copied().flatten().collect::<Vec<_>>())
    }

    /// How late it is, in ms: the middle of what agrees.
    fn late(&self) -> Option<f64> {
        let mut heard = self.heard();
        (!heard.is_empty()).then(|| median(&mut heard))
    }

    /// What its output's own delay has done to what was promised, in words.
    fn trimmed(&self) -> String {
        match (self.trim_ms.round() as i32, self.asked_ms) {
            (0, 0) => String::new(),
            (ms, asked_ms) if ms == asked_ms => format!(" with its --delay {ms}"),
            (ms, asked_ms) => {
                format!(" with {ms} ms of its --delay {asked_ms}, for which there is no room")
            }
        }
    }

    /// How much too slow sound is, in millionths: by how much later each chirp is than the one before.
    fn ppm(&self, starts_ms: &[f64]) -> f64 {
        let late = self.late().unwrap_or_default();
        let points: Vec<(f64, f64)> = starts_ms
            .iter()
            .zip(&self.late_ms)
            .filter_map(|(start, late_ms)| Some((*start, (*late_ms)?)))
            .filter(|(_, late_ms)| (late_ms - late).abs() < 1.0)
            .collect();
        let count = points.len().max(1) as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (at, level) = (mean(|point| point.0), mean(|point| point.1));
        let across: f64 = points.iter().map(|point| (point.0 - at) * (point.1 - level)).sum();
        let along: f64 = points.iter().map(|point| (point.0 - at).powi(2)).sum();
        if along > 0.0 { across / along * 1e6 } else { 0.0 }
    }
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// How long after its capture sound is to be heard, in ms.
    pub promised_ms: f64,
    /// How much longer it may be underway before its capture, in ms, where that is not measured.
    pub store_ms: f64,
    /// When the chirps began, in ms after the first.
    pub starts_ms: Vec<f64>,
    /// What each listener has heard.
    pub listeners: [Measured; 2],
    /// What was not tested, if anything.
    pub not_covered: Option<String>,
}

impl Report {
    /// What was measured, line by line.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for listener in &self.listeners {
            lines.push(match listener.late() {
                Some(late_ms) => format!(
                    "{}: heard after {:.1} ms of {:.0} promised{}, {:+.0} ppm, {} of {SWEEPS} chirps.",
                    listener.name,
                    self.promised_ms + listener.trim_ms + late_ms,
                    self.promised_ms + listener.trim_ms,
                    listener.trimmed(),
                    listener.ppm(&self.starts_ms),
                    listener.heard().len(),
                ),
                None => format!("{}: nothing was heard.", listener.name),
            });
        }
        if let Some(skew_ms) = self.skew_ms() {
            lines.push(format!("The two are {:.1} ms apart.", skew_ms.abs()));
        }
        if self.store_ms > 0.0 {
            lines.push(format!(
                "What is pushed waits up to {:.0} ms more before it counts as captured.",
                self.store_ms
            ));
        }
        lines.extend(self.not_covered.iter().map(|what| format!("Not tested: {what}.")));
        lines
    }

    fn skew_ms(&self) -> Option<f64> {
        let [one, other] = &self.listeners;
        Some(one.late()? - other.late()?)
    }

    /// What is not well.
    #[must_use]
    pub fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for listener in &self.listeners {
            let name = &listener.name;
            let (Some(late_ms), heard) = (listener.late(), listener.heard().len()) else {
                wrong.push(format!("{name} heard nothing"));
                continue;
            };
            if heard < FEWEST {
                wrong.push(format!("{name} heard only {heard} of {SWEEPS} chirps in time"));
            }
            if late_ms > OFF_MS + self.store_ms {
                wrong.push(format!("{name} is {late_ms:.1} ms later than promised"));
            }
            if late_ms < -OFF_MS {
                wrong.push(format!("{name} is {:.1} ms earlier than promised", -late_ms));
            }
            let ppm = listener.ppm(&self.starts_ms);
            if ppm.abs() > PPM {
                let how = if ppm > 0.0 { "too slowly" } else { "too fast" };
                wrong.push(format!("{name} plays {:.0} ppm {how}", ppm.abs()));
            }
        }
        if let Some(skew_ms) = self.skew_ms().filter(|skew_ms| skew_ms.abs() > SKEW_MS) {
            wrong.push(format!("the two listeners are {:.1} ms apart", skew_ms.abs()));
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibrate::chirp::Chirp;

    fn report(first: [f64; 8], second: [f64; 8]) -> Report {
        let measured = |name: &str, late: [f64; 8]| Measured {
            name: name.to_owned(),
            asked_ms: 0,
            trim_ms: 0.0,
            late_ms: late.map(|ms| (ms < 900.0).then_some(ms)).to_vec(),
        };
        Report {
            promised_ms: 300.0,
            store_ms: 0.0,
            starts_ms: Chirp::starts_ms().collect(),
            listeners: [measured("“Speakers”", first), measured("a second listener", second)],
            not_covered: None,
        }
    }

    #[test]
    fn what_comes_when_it_was_promised_is_well() {
        let fine = report([0.4; 8], [-0.2; 8]);
        assert_eq!(fine.wrong(), [""; 0]);
        let lines = fine.lines();
        assert_eq!(
            lines[0],
            "“Speakers”: heard after 300.4 ms of 300 promised, +0 ppm, 8 of 8 chirps."
        );
        assert_eq!(lines[2], "The two are 0.6 ms apart.");
    }

    #[test]
    fn an_output_with_a_delay_of_its_own_is_heard_when_that_says() {
        let mut trimmed = report([0.4; 8], [-0.2; 8]);
        trimmed.listeners[0].trim_ms = -180.0;
        trimmed.listeners[0].asked_ms = -180;
        assert_eq!(
            trimmed.lines()[0],
            "“Speakers”: heard after 120.4 ms of 120 promised with its --delay -180, +0 ppm, 8 of 8 chirps."
        );
        assert_eq!(trimmed.wrong(), [""; 0]);
    }

    #[test]
    fn the_middle_of_an_even_number_lies_between_two() {
        let halves = report([0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0], [0.5; 8]);
        assert_eq!(halves.skew_ms(), Some(0.0));
    }

    #[test]
    fn each_thing_that_is_not_well_is_named() {
        let wrong = |first, second| report(first, second).wrong().join("; ");
        assert!(wrong([9.0; 8], [0.0; 8]).contains("“Speakers” is 9.0 ms later than promised"));
        assert!(wrong([9.0; 8], [0.0; 8]).contains("9.0 ms apart"));
        assert!(wrong([-6.0; 8], [-6.0; 8]).contains("earlier"));
        assert!(wrong([999.0; 8], [0.0; 8]).contains("“Speakers” heard nothing"));
        let lost = [0.0, 0.0, 0.0, 999.0, 40.0, 999.0, 0.1, 0.1];
        assert!(wrong(lost, [0.0; 8]).contains("only 5 of 8"), "{}", wrong(lost, [0.0; 8]));
        let starts: Vec<f64> = Chirp::starts_ms().collect();
        let slow: [f64; 8] = std::array::from_fn(|at| starts[at] * 350e-6);
        let said = wrong(slow, [0.0; 8]);
        assert!(said.contains("350 ppm too slowly"), "{said}");
        let said = wrong(slow.map(|ms| -ms), [0.0; 8]);
        assert!(said.contains("plays 350 ppm too fast"), "{said}");
        // What waits before it is captured is nobody's fault.
        let pushed = Report { store_ms: 100.0, ..report([60.0; 8], [60.2; 8]) };
        assert_eq!(pushed.wrong(), [""; 0]);
    }
}
