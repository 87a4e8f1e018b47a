//! A pipeline and its stages: ids, order, probabilities.
//! Called by rpc/pipeline.rs, rpc/opportunity.rs and store/pipeline.rs.

use std::collections::HashSet;

use kontor_kit::{Error, Result, id};

use super::opportunity::{Details, Opportunity};
use super::text;

/// Stages of one pipeline at most.
const STAGES: usize = 50;
/// Days of a stage's limit at most: ten years.
const ROTTING_DAYS: i32 = 3_650;
/// A day in microseconds.
const DAY: i64 = 86_400_000_000;

/// A way that deals go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    /// Id.
    pub id: String,
    /// Version, seen as the etag.
    pub version: i64,
    /// Name for people.
    pub display_name: String,
    /// In order.
    pub stages: Vec<Stage>,
    /// Used when an opportunity names none.
    pub is_default: bool,
    /// Losing needs a reason.
    pub lost_reason_required: bool,
}

/// A step of a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stage {
    /// "pipelines/{pipeline}/stages/{stage}".
    pub name: String,
    /// Name for people.
    pub display_name: String,
    /// Percent.
    pub probability: i32,
    /// Days after which an opportunity that stays here rots; 0 is never.
    pub rotting_days: i32,
    /// What an opportunity must have to be here.
    pub required: Vec<Demand>,
}

/// A field that a stage may demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// An amount.
    Amount,
    /// A partner.
    Partner,
    /// Someone whose it is.
    Assignee,
    /// An expected day of closing.
    ExpectedCloseDate,
}

impl Demand {
    const ALL: [Demand; 4] = [Demand::Amount, Demand::Partner, Demand::Assignee, Demand::ExpectedCloseDate];

    /// Name of the field in the API.
    pub fn field(self) -> &'static str {
        match self {
            Demand::Amount => "amount",
            Demand::Partner => "partner",
            Demand::Assignee => "assignee",
            Demand::ExpectedCloseDate => "expected_close_date",
        }
    }

    /// The demand for a field.
    pub fn of_field(field: &str) -> Option<Demand> {
        Demand::ALL.into_iter().find(|demand| demand.field() == field)
    }

    fn is_met(self, details: &Details) -> bool {
        match self {
            Demand::Amount => details.amount.is_some(),
            Demand::Partner => !details.partner.is_empty(),
            Demand::Assignee => !details.assignee.is_empty(),
            Demand::ExpectedCloseDate => !details.expected_close_date.is_empty(),
        }
    }
}

impl Stage {
    /// When an opportunity that came here at this instant begins to rot; microseconds since 1970 UTC.
    pub fn rot_time(&self, came: i64) -> Option<i64> {
        (self.rotting_days > 0).then(|| came + i64::from(self.rotting_days) * DAY)
    }

    /// Checks that an opportunity has all that this stage demands.
    ///
    /// # Errors
    /// FAILED_PRECONDITION naming the fields that are missing.
    pub fn must_have(&self, deal: &Opportunity) -> Result<()> {
        self.refuse(self.required.iter().filter(|demand| !demand.is_met(&deal.details)))
    }

    /// Checks that a change takes nothing away that this stage demands. What was missing before may stay so.
    ///
    /// # Errors
    /// FAILED_PRECONDITION naming the fields that would be missing.
    pub fn must_keep(&self, before: &Details, after: &Details) -> Result<()> {
        self.refuse(self.required.iter().filter(|demand| demand.is_met(before) && !demand.is_met(after)))
    }

    fn refuse<'a>(&self, missing: impl Iterator<Item = &'a Demand>) -> Result<()> {
        let missing: Vec<&str> = missing.map(|demand| demand.field()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!("opportunity.{}: {} demands it", missing.join(", opportunity."), self.name);
        Err(Error::precondition("STAGE_DEMANDS", message).with("fields", missing.join(",")))
    }
}

impl Pipeline {
    /// The pipeline that a new installation has.
    pub fn first() -> Pipeline {
        let stage = |id: &str, display_name: &str, probability| Stage {
            name: format!("pipelines/default/stages/{id}"),
            display_name: display_name.to_owned(),
            probability,
            ..Stage::default()
        };
        Pipeline {
            id: "default".to_owned(),
            version: 1,
            display_name: "Sales".to_owned(),
            stages: vec![
                stage("new", "New", 10),
                stage("qualified", "Qualified", 30),
                stage("proposition", "Proposition", 60),
                stage("negotiation", "Negotiation", 80),
            ],
            is_default: true,
            lost_reason_required: true,
        }
    }

    /// The same, with whole stage names, when all is right.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    pub fn checked(mut self) -> Result<Pipeline> {
        check_id("pipeline_id", &self.id)?;
        self.display_name = text::filled_line("pipeline.display_name", &self.display_name, 200)?;
        if self.stages.is_empty() || self.stages.len() > STAGES {
            return Err(Error::invalid("pipeline.stages", format!("use 1 to {STAGES} stages")));
        }
        let mut names = HashSet::new();
        for (place, stage) in self.stages.iter_mut().enumerate() {
            let field = format!("pipeline.stages[{place}]");
            stage.name = stage_name(&field, &self.id, &stage.name)?;
            stage.display_name =
                text::filled_line(&format!("{field}.display_name"), &stage.display_name, 200)?;
            text::percent(&format!("{field}.probability"), stage.probability)?;
            if !(0..=ROTTING_DAYS).contains(&stage.rotting_days) {
                let message = format!("use 0 (never) to {ROTTING_DAYS} days");
                return Err(Error::invalid(format!("{field}.rotting_days"), message));
            }
            if !names.insert(stage.name.clone()) {
                return Err(Error::invalid(
                    format!("{field}.name"),
                    format!("{} is there twice", stage.name),
                ));
            }
        }
        Ok(self)
    }

    /// The stage that an opportunity begins in.
    ///
    /// # Errors
    /// INTERNAL when the row is damaged: every pipeline has a stage.
    pub fn first_stage(&self) -> Result<&Stage> {
        self.stages.first().ok_or_else(|| Error::internal(format!("pipelines/{} has no stage", self.id)))
    }

    /// The stage that people call so: its resource name, its id, or its display name in any case.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming `field` when it is none of its stages, or the display name of several.
    pub fn stage_called(&self, field: &str, called: &str) -> Result<&Stage> {
        let id = |stage: &&Stage| stage.name == called || stage.name.rsplit('/').next() == Some(called);
        if let Some(stage) = self.stages.iter().find(id) {
            return Ok(stage);
        }
        let mut named =
            self.stages.iter().filter(|it| it.display_name.to_lowercase() == called.to_lowercase());
        match (named.next(), named.next()) {
            (Some(stage), None) => Ok(stage),
            (Some(_), Some(_)) => {
                let message =
                    format!("pipelines/{} has several stages {called:?}: use the id of one", self.id);
                Err(Error::invalid(field, message))
            }
            (None, _) => self.stage(field, called),
        }
    }

    /// Names of its stages, in order.
    pub fn stage_names(&self) -> Vec<String> {
        self.stages.iter().map(|stage| stage.name.clone()).collect()
    }

    /// One of its stages.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming `field` when it is none of its stages.
    pub fn stage(&self, field: &str, name: &str) -> Result<&Stage> {
        self.stages
            .iter()
            .find(|stage| stage.name == name)
            .ok_or_else(|| Error::invalid(field, format!("{name:?} is not a stage of pipelines/{}", self.id)))
    }
}

/// A stage's name from its last segment or from the whole.
fn stage_name(field: &str, pipeline: &str, name: &str) -> Result<String> {
    let field = format!("{field}.name");
    let stage = match name.contains('/') {
        false => name,
        true => match id::parse_child("pipelines", "stages", name, &field)? {
            (parent, stage) if parent == pipeline => stage,
            (parent, _) => {
                return Err(Error::invalid(field, format!("it is a stage of pipelines/{parent}")));
            }
        },
    };
    check_id(&field, stage)?;
    Ok(format!("pipelines/{pipeline}/stages/{stage}"))
}

/// 1 to 64 of a-z, 0-9, "-".
fn check_id(field: &str, chosen: &str) -> Result<()> {
    id::check_chosen(chosen, field)?;
    if chosen.contains(['.', '_']) {
        return Err(Error::invalid(field, format!("{chosen:?} is no id: use a-z, 0-9 and \"-\"")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_named_by_their_pipeline_and_each_once() {
        let mut pipeline = Pipeline::first();
        pipeline.stages[0].name = "start".to_owned();
        let checked = pipeline.clone().checked().unwrap();
        assert_eq!(checked.stages[0].name, "pipelines/default/stages/start");
        pipeline.stages[1].name = "start".to_owned();
        assert!(pipeline.clone().checked().unwrap_err().message().contains("twice"));
        pipeline.stages[1].name = "pipelines/other/stages/x".to_owned();
        assert!(pipeline.clone().checked().unwrap_err().message().contains("pipelines/other"));
        pipeline.stages.clear();
        assert!(pipeline.checked().is_err());
    }
}
