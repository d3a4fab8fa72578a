//! A value that changes without a click. Real-time safe.

/// A value that moves to its target in even steps.
#[derive(Debug, Clone)]
pub(crate) struct Ramp {
    value: f32,
    target: f32,
    step: f32,
    steps_left: u32,
    /// Length of a whole move.
    steps: u32,
    started: bool,
}

impl Ramp {
    /// Stands at `value`; whole moves take `steps` steps, at least one.
    pub(crate) fn new(value: f32, steps: u32) -> Self {
        let steps = steps.max(1);
        Self { value, target: value, step: 0.0, steps_left: 0, steps, started: false }
    }

    /// Moves to `target`; before the first step it is there at once.
    pub(crate) fn aim(&mut self, target: f32) {
        if self.started && target == self.target {
            return;
        }
        self.target = target;
        if self.started {
            self.steps_left = self.steps;
            self.step = (target - self.value) / self.steps as f32;
        } else {
            self.value = target;
        }
    }

    /// The value for the next frame.
    pub(crate) fn next(&mut self) -> f32 {
        self.started = true;
        match self.steps_left {
            0 => {}
            1 => {
                // The sum of the steps misses the target by rounding; 100 % must be exactly 1.
                self.value = self.target;
                self.steps_left = 0;
            }
            _ => {
                self.value += self.step;
                self.steps_left -= 1;
            }
        }
        self.value
    }

    /// The value of every frame from here on, where it does not move.
    pub(crate) fn at_rest(&mut self) -> Option<f32> {
        self.started = true;
        (self.steps_left == 0).then_some(self.value)
    }

    /// Takes `frames` steps at once.
    pub(crate) fn skip(&mut self, frames: usize) {
        self.started = true;
        let steps = u32::try_from(frames).unwrap_or(u32::MAX);
        if steps >= self.steps_left {
            self.value = self.target;
            self.steps_left = 0;
        } else {
            self.value += self.step * steps as f32;
            self.steps_left -= steps;
        }
    }

    /// The value of the last frame.
    pub(crate) fn value(&self) -> f32 {
        self.value
    }
}
