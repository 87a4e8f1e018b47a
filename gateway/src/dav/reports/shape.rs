//! Gives calendar data the form that a report asked for: expanded or limited to a span (RFC 4791 sections 9.6.5 to 9.6.7).
//! Called by the object template for each object of an answer; nothing of this is there when plain data was asked for.

use bytes::Bytes;
use kontor_kit::Error;
use kontor_vobject::error::Kind;
use kontor_vobject::expand::{Allowance, expanded, limited, limited_free_busy};
use kontor_vobject::zone::Zone;
use tonic::Status;

use crate::dav::xml::report::Forms;

/// The form of one answer, with what it may still cost.
#[derive(Debug)]
pub struct Shaper {
    forms: Forms,
    zone: Zone,
    allowance: Allowance,
}

impl Shaper {
    /// A shaper for one answer. `zone` is that of floating times and days.
    pub fn new(forms: Forms, zone: Zone) -> Self {
        Shaper { forms, zone, allowance: Allowance::default() }
    }

    /// The data in the form that was asked for.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason TOO_MANY_INSTANCES when the instances cost more than one object or one answer may.
    pub fn shape(&mut self, data: &Bytes) -> Result<Bytes, Status> {
        let outcome = match (self.forms.expand, self.forms.limit_recurrence) {
            (Some(span), _) => expanded(data, span, &self.zone, &mut self.allowance).map(Some),
            (None, Some(span)) => limited(data, span, &self.zone),
            (None, None) => Ok(None),
        };
        let shaped = outcome.map(|changed| changed.map_or_else(|| data.clone(), Bytes::from));
        let shaped = shaped.and_then(|data| match self.forms.limit_free_busy {
            Some(span) => Ok(limited_free_busy(&data, span, &self.zone)?.map_or(data, Bytes::from)),
            None => Ok(data),
        });
        match shaped {
            Ok(data) => Ok(data),
            Err(cause) if matches!(cause.kind, Kind::OverBudget(_)) => Err(Error::precondition(
                "TOO_MANY_INSTANCES",
                "the instances in this range are more than one answer may have: ask for a shorter range",
            )
            .into()),
            // What is stored was read when it came, so this is a fault of ours; the bytes as they are tell the most.
            Err(cause) => {
                tracing::warn!(cause = %cause, "a stored object could not be expanded");
                Ok(data.clone())
            }
        }
    }
}
