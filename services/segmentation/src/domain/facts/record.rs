//! The plain fields of partners and of the records in their lists. Each struct and its columns are written once, here; the names are those of the rule
//! language and of the tables. Called by the schema and by the store that reads rows.

use super::schema::Column;
use super::value::{Decimal, Kind, Micros, Value};

macro_rules! held {
    (flag) => { bool };
    (int) => { Option<i64> };
    (decimal) => { Option<Decimal> };
    (time) => { Option<Micros> };
    (text) => { String };
}

macro_rules! kind {
    (flag) => {
        Kind::Bool
    };
    (int) => {
        Kind::Int
    };
    (decimal) => {
        Kind::Decimal
    };
    (time) => {
        Kind::Time
    };
    (text) => {
        Kind::Text
    };
}

macro_rules! seen {
    (flag, $value:expr) => {
        Value::Bool($value)
    };
    (int, $value:expr) => {
        $value.map_or(Value::Absent, Value::Number)
    };
    (decimal, $value:expr) => {
        $value.map_or(Value::Absent, |decimal: Decimal| Value::Number(decimal.0))
    };
    (time, $value:expr) => {
        $value.map_or(Value::Absent, Value::Number)
    };
    (text, $value:expr) => {
        Value::Text(&$value)
    };
}

macro_rules! record {
    (#[doc = $doc:literal] $record:ident { $(#[doc = $about:literal] $name:ident: $held:tt $([$($choice:literal),+])?,)+ }) => {
        #[doc = $doc]
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct $record { $(#[doc = $about] pub $name: held!($held),)+ }

        impl $record {
            /// The columns, in order.
            pub const COLUMNS: &'static [Column] = &[
                $(Column { name: stringify!($name), kind: kind!($held), choices: &[$($($choice),+)?], about: $about.trim_ascii_start() },)+
            ];

            /// The value of a column, counted in `COLUMNS`.
            pub fn value(&self, column: usize) -> Value<'_> {
                let values = [$(seen!($held, self.$name),)+];
                values[column]
            }
        }
    };
}

record! {
    /// The plain fields of a partner.
    Partner {
        /// What it is.
        kind: text ["PERSON", "COMPANY"],
        /// Name shown everywhere.
        display_name: text,
        /// Company's name, of a person who works there.
        organization: text,
        /// Job title.
        title: text,
        /// Company that the person belongs to: "partners/{id}".
        company: text,
        /// Country of the first postal address, as it stands there.
        country: text,
        /// State or province of the first postal address.
        region: text,
        /// Town of the first postal address.
        city: text,
        /// Postal code of the first postal address.
        postal_code: text,
        /// Language: "fr".
        language: text,
        /// Whether one of its numbers must not be called.
        do_not_call: flag,
        /// When it was created.
        create_time: time,
        /// How lately it bought, 1 (long ago) to 5; absent when it never did.
        rfm_recency: int,
        /// How often it bought, 1 to 5; absent when it never did.
        rfm_frequency: int,
        /// For how much it bought, 1 to 5; absent when it never did.
        rfm_monetary: int,
    }
}

record! {
    /// A deal with the partner.
    Opportunity {
        /// How it stands.
        state: text ["OPEN", "WON", "LOST"],
        /// "pipelines/{pipeline}/stages/{stage}".
        stage: text,
        /// "pipelines/{pipeline}".
        pipeline: text,
        /// "teams/{team}".
        team: text,
        /// "users/{user}"; empty when unassigned.
        assignee: text,
        /// Where it came from: "web", "fair".
        source: text,
        /// Why it was lost.
        lost_reason: text,
        /// Expected amount in the company's currency; absent without an amount or a rate.
        amount: decimal,
        /// When it was created.
        create_time: time,
        /// When it was won or lost; absent while it is open.
        close_time: time,
    }
}

record! {
    /// A call with the partner that is over.
    Call {
        /// Direction.
        direction: text ["INBOUND", "OUTBOUND", "INTERNAL"],
        /// How it ended.
        result: text ["ANSWERED", "MISSED", "NO_ANSWER", "BUSY", "ABANDONED", "FAILED"],
        /// User who had the call: "users/{user}"; empty when nobody took it.
        taken_by: text,
        /// How long people spoke, in seconds.
        talk_seconds: int,
        /// When it began.
        start_time: time,
    }
}

record! {
    /// A sale or a refund.
    Purchase {
        /// Which of the two. Both have positive amounts.
        kind: text ["SALE", "REFUND"],
        /// Whether it is posted; drafts are not.
        posted: flag,
        /// ISO 4217 code in capitals.
        currency: text,
        /// For how much, in that currency.
        amount: decimal,
        /// When.
        time: time,
    }
}

record! {
    /// What became of a mail to the partner.
    Mail {
        /// What happened.
        kind: text ["SENT", "OPENED", "CLICKED", "BOUNCED", "UNSUBSCRIBED"],
        /// When.
        time: time,
    }
}

record! {
    /// A page that the partner looked at.
    Visit {
        /// The page's path: "/prices".
        page: text,
        /// When.
        time: time,
    }
}

/// Where the columns of purchases stand that totals and RFM read.
pub mod purchase {
    /// `kind`
    pub const KIND: usize = 0;
    /// `posted`
    pub const POSTED: usize = 1;
    /// `currency`
    pub const CURRENCY: usize = 2;
    /// `amount`
    pub const AMOUNT: usize = 3;
    /// `time`
    pub const TIME: usize = 4;
}
