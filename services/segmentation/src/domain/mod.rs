//! Pure rules and types of segmentation: facts of partners, the rule language, membership; questionnaires, prices, scores.
//! Called by the store, the RPCs and the events; no database, no clock of its own.

pub mod campaign;
pub mod facts;
pub mod membership;
pub mod money;
pub mod price;
pub mod questionnaire;
pub mod rfm;
pub mod rule;
pub mod segment;
