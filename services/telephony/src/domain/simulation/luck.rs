//! The luck of a simulated day: random numbers of a seed, and how the share of answered calls swings.
//! Called by `super`.

use super::Settings;

/// How the share of answered calls moves over the day: as a wave, or, on every other seed, in sudden steps.
pub struct Swing {
    middle: f64,
    wide: f64,
    shape: Shape,
}

enum Shape {
    Wave {
        period: f64,
        from: f64,
    },
    /// When it changes sides, from high or from low.
    Steps {
        times: Vec<f64>,
        high: bool,
    },
}

impl Swing {
    /// That of a day of so many seconds.
    pub fn new(settings: &Settings, end: f64, luck: &mut Luck) -> Swing {
        let shape = if luck.part() < 0.5 {
            Shape::Wave { period: 3_600.0 * (1.0 + 3.0 * luck.part()), from: luck.part() }
        } else {
            let mut times = Vec::new();
            let mut time = 0.0;
            while time < end {
                time += 60.0 * (20.0 + 70.0 * luck.part());
                times.push(time);
            }
            Shape::Steps { times, high: luck.part() < 0.5 }
        };
        Swing { middle: settings.answer_rate, wide: settings.swing, shape }
    }

    /// The share at a second of the day.
    pub fn at(&self, time: f64) -> f64 {
        let side = match &self.shape {
            Shape::Wave { period, from } => ((time / period + from) * std::f64::consts::TAU).sin(),
            Shape::Steps { times, high } => {
                let passed = times.partition_point(|step| *step <= time);
                if (passed % 2 == 0) == *high { 1.0 } else { -1.0 }
            }
        };
        (self.middle * (1.0 + self.wide * side)).clamp(0.0, 1.0)
    }
}

/// Random numbers of a seed: SplitMix64.
pub struct Luck(u64);

impl Luck {
    /// That of a seed.
    pub fn new(seed: u64) -> Luck {
        Luck(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66_D1CE_4E5B)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below 1.
    pub fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A length with this mean, of which any part may already have passed.
    pub fn tail(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.part()).ln()
    }
}
