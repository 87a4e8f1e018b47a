//! How well predictions held.
//! Called by rpc/score.rs.

/// Outcomes looked at.
pub const WINDOW: i64 = 1_000;

/// How well predictions held.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quality {
    /// Outcomes looked at.
    pub outcomes: usize,
    /// Calibration error (ECE, ten quantiles), 0 to 1.
    pub calibration_error: f64,
    /// Mean log loss.
    pub log_loss: f64,
    /// Mean squared error.
    pub brier: f64,
    /// Share that was won, 0 to 1.
    pub won: f64,
}

/// Quality of predictions (0 to 1), each with what happened.
pub fn of(mut predictions: Vec<(f64, bool)>) -> Quality {
    let size = predictions.len();
    if size == 0 {
        return Quality::default();
    }
    let all = size as f64;
    let mean = |value: &dyn Fn(f64, bool) -> f64| {
        predictions.iter().map(|(p, won)| value(*p, *won)).sum::<f64>() / all
    };
    let log_loss = mean(&|p, won| -(if won { p } else { 1.0 - p }).max(1e-12).ln());
    let brier = mean(&|p, won| (p - number(won)).powi(2));
    let won = mean(&|_, won| number(won));
    predictions.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let calibration_error = (0..10)
        .map(|tenth| {
            let part = &predictions[size * tenth / 10..size * (tenth + 1) / 10];
            part.iter().map(|(p, won)| p - number(*won)).sum::<f64>().abs() / all
        })
        .sum();
    Quality { outcomes: size, calibration_error, log_loss, brier, won }
}

fn number(won: bool) -> f64 {
    f64::from(u8::from(won))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn true_odds_have_no_error_and_boasts_have() {
        let outcomes = |p| (0..1_000).map(|number| (p, number % 4 == 0)).collect::<Vec<_>>();
        let honest = of(outcomes(0.25));
        assert!(honest.calibration_error < 1e-9 && (honest.won - 0.25).abs() < 1e-9);
        assert!((honest.brier - 0.1875).abs() < 1e-9 && (honest.log_loss - 0.562_335).abs() < 1e-6);
        assert!((of(outcomes(0.5)).calibration_error - 0.25).abs() < 1e-9);
        assert_eq!(of(Vec::new()), Quality::default());
    }
}
