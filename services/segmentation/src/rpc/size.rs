//! The size of a segment day by day.
//! Called by rpc/segment.rs.

use jiff::ToSpan;
use jiff::civil::Date;
use kontor_kit::auth::Caller;
use kontor_kit::{Error, Result, resource};
use kontor_proto::segmentation::v1 as proto;

use super::House;
use crate::domain::segment::Segment;
use crate::store;
use crate::store::member::Size;

/// Days of one answer at most.
const DAYS: i32 = 3_660;

impl House {
    pub(super) async fn sizes(
        &self,
        caller: Caller,
        request: proto::ListSegmentSizesRequest,
    ) -> Result<proto::ListSegmentSizesResponse> {
        let id = self.seen(&caller, &request.parent, "parent").await?;
        let today = date("now", &self.live.day(self.db.clock().now()))?;
        let end = match request.end_date.as_str() {
            "" => today,
            text => date("end_date", text)?.min(today),
        };
        let start = match request.start_date.as_str() {
            "" => end.saturating_sub(30.days()),
            text => date("start_date", text)?,
        };
        let days = start.until(end).map_err(Error::internal)?.get_days();
        if days < 0 {
            return Err(Error::invalid("start_date", "it must not be behind end_date"));
        }
        if days >= DAYS {
            return Err(Error::invalid("start_date", format!("ask for at most {DAYS} days")));
        }
        let (from, until) = (start.to_string(), end.to_string());
        let (segment, rows) = self
            .db
            .read(move |conn| {
                let segment: Segment = resource::get(conn, &id)?;
                Ok((segment, store::member::sizes(conn, &id, &from, &until)?))
            })
            .await?;
        let made = date("now", &self.live.day(segment.create_time))?;
        Ok(proto::ListSegmentSizesResponse { sizes: days_of(&rows, start.max(made), end) })
    }
}

fn date(field: &str, text: &str) -> Result<Date> {
    text.parse().map_err(|_| Error::invalid(field, format!("{text:?} is no day like 2026-11-30")))
}

/// A row for each day: the size stays until it changes.
fn days_of(rows: &[Size], start: Date, end: Date) -> Vec<proto::SegmentSize> {
    let (mut all, mut size, mut rows) = (Vec::new(), 0, rows.iter().peekable());
    let mut day = start;
    while day <= end {
        let text = day.to_string();
        let (mut joined_count, mut left_count) = (0, 0);
        while let Some(row) = rows.next_if(|row| row.day <= text) {
            size = row.size;
            if row.day == text {
                (joined_count, left_count) = (row.joined, row.gone);
            }
        }
        all.push(proto::SegmentSize { date: text, size, joined_count, left_count });
        day = match day.tomorrow() {
            Ok(next) => next,
            Err(_) => break,
        };
    }
    all
}
