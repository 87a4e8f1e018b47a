//! The naive Bayes counts of the largest open-source CRM, from a description of them: counts from 0.1, no fading, no calibration.
//! Called by `main.rs`, to have its figures on the same rows.

use std::collections::HashMap;

use crate::Row;

/// Won and lost.
type Counts = [f64; 2];

/// Prediction before each row is learned, with its outcome.
pub fn predictions(rows: &[Row]) -> Vec<(f64, bool)> {
    let mut all: Counts = [0.1; 2];
    let mut fields: HashMap<usize, Counts> = HashMap::new();
    let mut values: HashMap<(usize, &str), Counts> = HashMap::new();
    let mut predictions = Vec::with_capacity(rows.len());
    for row in rows {
        let known = row.values.iter().map(String::as_str).enumerate();
        let mut logit = (all[0] / all[1]).ln();
        for key in known.clone() {
            let value = values.get(&key).copied().unwrap_or([0.1; 2]);
            let field = fields.get(&key.0).copied().unwrap_or([0.1; 2]);
            logit += (value[0] / field[0]).ln() - (value[1] / field[1]).ln();
        }
        predictions.push(((1.0 / (1.0 + (-logit).exp())).clamp(0.0001, 0.9999), row.won));
        let side = usize::from(!row.won);
        all[side] += 1.0;
        for key in known {
            let field = fields.entry(key.0).or_insert([0.0; 2]);
            let value = values.entry(key).or_insert_with(|| {
                *field = field.map(|count| count + 0.1);
                [0.1; 2]
            });
            value[side] += 1.0;
            field[side] += 1.0;
        }
    }
    predictions
}
