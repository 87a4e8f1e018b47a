//! How much work a recurrence may cost before it is given up.
//! Made by whoever asks for an expansion; spent by the rule iterator and by `expand`.

use crate::error::{Error, Kind, Result};

/// Work that is left. One step is one period of a rule looked at, or one instance taken; about 10 to 100 ns.
#[derive(Debug, Clone)]
pub struct Budget {
    steps: u64,
    last_year: i16,
}

impl Budget {
    /// Steps that suffice for every honest rule and still end within about 20 ms.
    pub const DEFAULT_STEPS: u64 = 200_000;
    /// No rule is followed beyond the end of this year.
    pub const DEFAULT_LAST_YEAR: i16 = 2500;

    /// A budget of so many steps, with the usual last year.
    pub fn new(steps: u64) -> Budget {
        Budget { steps, last_year: Self::DEFAULT_LAST_YEAR }
    }

    /// The same budget with another last year, at most 9998.
    #[must_use]
    pub fn until_year(self, year: i16) -> Budget {
        Budget { last_year: year.clamp(1, 9998), ..self }
    }

    /// Takes steps away. Fails with `OverBudget` when too few are left, and from then on always.
    pub fn spend(&mut self, steps: u64) -> Result<()> {
        match self.steps.checked_sub(steps) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => {
                self.steps = 0;
                Err(Error::new(Kind::OverBudget("recurrence")))
            }
        }
    }

    /// Steps that are left.
    pub fn left(&self) -> u64 {
        self.steps
    }

    /// The last year in which instances are looked for.
    pub fn last_year(&self) -> i16 {
        self.last_year
    }
}

impl Default for Budget {
    fn default() -> Self {
        Budget::new(Self::DEFAULT_STEPS)
    }
}
