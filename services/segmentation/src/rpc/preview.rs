//! Rules before they are saved: where they are wrong, whom they would match, what they can read.
//! Called by rpc/segment.rs; `Written` by rpc/definition.rs too.

use kontor_kit::auth::Caller;
use kontor_kit::db::Conn;
use kontor_kit::{Error, Result};
use kontor_proto::segmentation::v1 as proto;

use super::{House, segment_id, tree};
use crate::domain::facts::{Column, List, Partner, Texts};
use crate::domain::membership::Definition;
use crate::domain::rule::catalogue::{Catalogue, Everything};
use crate::domain::rule::{self, Rule};
use crate::domain::segment::PARENTS;
use crate::engine::segment_name;
use crate::store;

/// Partners that are named at most.
const SAMPLE: i32 = 100;

/// A rule as a caller wrote it.
#[derive(Clone, Copy)]
pub struct Written<'a> {
    /// As text.
    pub text: &'a str,
    /// As a tree.
    pub tree: Option<&'a proto::Expression>,
    /// Names of the two fields.
    pub fields: (&'static str, &'static str),
}

/// Why a rule can't be taken.
enum Wrong {
    /// At a place of the rule in a field.
    Rule(&'static str, rule::Error),
    /// In another way.
    Request(Error),
}

impl From<Wrong> for Error {
    fn from(wrong: Wrong) -> Error {
        match wrong {
            Wrong::Rule(field, cause) => refused(field, &cause),
            Wrong::Request(cause) => cause,
        }
    }
}

impl Written<'_> {
    /// Reads it; none when it is empty. Whether what it names is there is not looked at.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field, with the place in the metadata.
    pub fn read(self) -> Result<Option<Rule>> {
        Ok(self.read_known(&Everything)?)
    }

    /// Reads it for its author, to whom what it names must be there, but for what it will be itself.
    ///
    /// # Errors
    /// As for `read`.
    pub fn read_for(self, conn: &mut Conn<'_>, caller: &Caller, own: Option<&str>) -> Result<Option<Rule>> {
        Ok(self.checked(conn, caller, own)??)
    }

    fn checked(
        self,
        conn: &mut Conn<'_>,
        caller: &Caller,
        own: Option<&str>,
    ) -> Result<std::result::Result<Option<Rule>, Wrong>> {
        let rule = match self.read_known(&Everything) {
            Ok(Some(rule)) => rule,
            other => return Ok(other),
        };
        let mut known = store::catalogue::known(conn, caller, &rule)?;
        known.segments.extend(own.map(segment_name));
        Ok(self.read_known(&known))
    }

    fn read_known(self, catalogue: &dyn Catalogue) -> std::result::Result<Option<Rule>, Wrong> {
        let (text_field, tree_field) = self.fields;
        let text = match self.text.trim() {
            "" => None,
            _ => Some(
                Rule::parse_known(self.text, catalogue).map_err(|cause| Wrong::Rule(text_field, cause))?,
            ),
        };
        let Some(tree) = self.tree else { return Ok(text) };
        let expr = tree::from_proto(tree_field, tree).map_err(Wrong::Request)?;
        let tree = Rule::from_tree_known(&expr, catalogue).map_err(|cause| Wrong::Rule(tree_field, cause))?;
        match text {
            Some(rule) if rule != tree => Err(Wrong::Request(Error::invalid(
                tree_field,
                format!("it says {tree}, and {text_field} says {rule}: send one of them"),
            ))),
            _ => Ok(Some(tree)),
        }
    }
}

fn refused(field: &str, cause: &rule::Error) -> Error {
    let error = Error::invalid(field, cause)
        .with("line", cause.at.line.to_string())
        .with("column", cause.at.column.to_string())
        .with("offset", cause.at.offset.to_string())
        .with("length", cause.length.to_string());
    match cause.fits.first() {
        Some(fit) => error.with("suggestion", fit),
        None => error,
    }
}

fn check_answer(rule: std::result::Result<Option<Rule>, rule::Error>) -> proto::CheckRuleResponse {
    match rule {
        Ok(None) => proto::CheckRuleResponse::default(),
        Ok(Some(rule)) => proto::CheckRuleResponse {
            errors: Vec::new(),
            rule: rule.to_string(),
            rule_tree: Some(tree::to_proto(rule.tree())),
            fields: rule.fields().iter().map(|field| field.name()).collect(),
            segments: rule.segments().to_vec(),
            time_relative: rule.watches_clock(),
        },
        Err(cause) => proto::CheckRuleResponse {
            errors: vec![proto::RuleError {
                message: cause.what.clone(),
                line: cause.at.line as i32,
                column: cause.at.column as i32,
                offset: cause.at.offset as i32,
                length: cause.length as i32,
                suggestion: cause.fits.first().cloned().unwrap_or_default(),
            }],
            ..Default::default()
        },
    }
}

/// ListRuleFields.
pub fn fields() -> proto::ListRuleFieldsResponse {
    let field = |name: String, column: &Column| proto::RuleField {
        name,
        r#type: column.kind.to_string(),
        description: column.about.trim().to_owned(),
        choices: column.choices.iter().map(|choice| (*choice).to_owned()).collect(),
    };
    let plain = |name: &str, kind: &str, about: &str| proto::RuleField {
        name: name.to_owned(),
        r#type: kind.to_owned(),
        description: about.to_owned(),
        choices: Vec::new(),
    };
    let mut all: Vec<proto::RuleField> = Partner::COLUMNS
        .iter()
        .map(|column| field(column.name.replacen("rfm_", "rfm.", 1), column))
        .collect();
    for texts in Texts::ALL {
        all.push(plain(texts.name(), "list of strings", ""));
    }
    for list in List::ALL {
        all.push(plain(list.name(), "list", ""));
        all.extend(
            list.columns().iter().map(|column| field(format!("{}[].{}", list.name(), column.name), column)),
        );
    }
    all.push(plain(
        "answers[]",
        "list of strings",
        "The choices made, by the question: answers[\"questions/colour\"].",
    ));
    all.sort_by(|one, other| one.name.cmp(&other.name));
    proto::ListRuleFieldsResponse { fields: all }
}

impl House {
    /// CheckRule: what CreateSegment would say of the same rule.
    pub(super) async fn check_rule(
        &self,
        caller: Caller,
        request: proto::CheckRuleRequest,
    ) -> Result<proto::CheckRuleResponse> {
        let checked = self.db.read(move |conn| {
            let (text, tree) = (request.rule.as_str(), request.rule_tree.as_ref());
            let fields = ("rule", "rule_tree");
            match (Written { text, tree, fields }).checked(conn, &caller, None)? {
                Ok(rule) => Ok(Ok(rule)),
                Err(Wrong::Rule(_, cause)) => Ok(Err(cause)),
                Err(Wrong::Request(cause)) => Err(cause),
            }
        });
        Ok(check_answer(checked.await?))
    }

    /// Checks that segments are there and that the caller may see them.
    pub(super) async fn must_see(&self, caller: &Caller, ids: Vec<(String, String)>) -> Result<()> {
        let caller = caller.clone();
        self.db
            .read_few(move |conn| {
                for (field, id) in &ids {
                    store::segment::get_live(conn, &caller, id).map_err(|cause| {
                        if cause.is_not_found() {
                            Error::invalid(field.clone(), cause.message())
                        } else {
                            cause
                        }
                    })?;
                }
                Ok(())
            })
            .await
    }

    pub(super) async fn preview(
        &self,
        caller: Caller,
        request: proto::PreviewRuleRequest,
    ) -> Result<proto::PreviewRuleResponse> {
        let sample = match request.sample_size {
            0 => 10,
            size @ 1..=SAMPLE => size as usize,
            _ => return Err(Error::invalid("sample_size", format!("use 1 to {SAMPLE}"))),
        };
        if request.parents.len() > PARENTS {
            return Err(Error::invalid("parents", format!("name at most {PARENTS}")));
        }
        let mut needed = Vec::new();
        for (place, parent) in request.parents.iter().enumerate() {
            let field = format!("parents[{place}]");
            needed.push((field.clone(), segment_id(parent, &field)?));
        }
        let parents = needed.iter().map(|(_, id)| segment_name(id)).collect();
        self.must_see(&caller, needed).await?;
        let read = self.db.read(move |conn| {
            let (text, tree) = (request.rule.as_str(), request.rule_tree.as_ref());
            let fields = ("rule", "rule_tree");
            Written { text, tree, fields }.read_for(conn, &caller, None)
        });
        let rule = read.await?;
        let definition = Definition { rule, parents, include: Vec::new(), exclude: Vec::new() };
        let now = self.db.clock().now();
        let (count, all, first) = self
            .live
            .ask(move |engine| {
                let found = engine
                    .preview(&definition, now)
                    .map_err(|cause| Error::unavailable(format!("{cause}: try again in a moment")))?;
                let first: Vec<u32> = found.iter().take(sample).collect();
                Ok((found.len(), engine.columns().present().to_bitmap().len(), first))
            })
            .await?;
        let partners = self.db.read_few(move |conn| store::partner::names(conn, &first)).await?;
        Ok(proto::PreviewRuleResponse { count: count as i64, partner_count: all as i64, partners })
    }
}
