//! Checking a program against the fields that exist: all that is wrong, each at its tag.
//! Called by `Template::check`.

use super::{Op, Ops};
use crate::domain::expression::Kinds;
use crate::domain::finding::{Finding, Place};

/// Notes what is wrong in operations.
pub fn check(ops: &Ops, kinds: &mut Kinds<'_>, places: &[Place], findings: &mut Vec<Finding>) {
    for op in ops {
        let tag = match op {
            Op::Field { expr, tag, .. } => {
                kinds.shown(expr);
                *tag
            }
            Op::Link { target, tag } => {
                kinds.shown(target);
                *tag
            }
            Op::Next { condition, tag } => {
                if let Some(condition) = condition {
                    kinds.kind(condition);
                }
                *tag
            }
            Op::Skip { condition, tag } => {
                kinds.kind(condition);
                *tag
            }
            Op::If { arms, otherwise } => {
                for (condition, tag, ops) in arms {
                    kinds.kind(condition);
                    note(kinds, *tag, places, findings);
                    check(ops, kinds, places, findings);
                }
                check(otherwise, kinds, places, findings);
                continue;
            }
            Op::For { list, tag, body, otherwise } => {
                kinds.enter(list);
                note(kinds, *tag, places, findings);
                check(body, kinds, places, findings);
                kinds.leave();
                check(otherwise, kinds, places, findings);
                continue;
            }
            Op::Picture { expr, tag, body } => {
                kinds.picture(expr);
                note(kinds, *tag, places, findings);
                check(body, kinds, places, findings);
                continue;
            }
            Op::Once { body, .. } | Op::Tail { body, .. } => {
                check(body, kinds, places, findings);
                continue;
            }
            Op::Whole { head, body, tail } => {
                for ops in [head, body, tail] {
                    check(ops, kinds, places, findings);
                }
                continue;
            }
            Op::Following { first, .. } => {
                check(first, kinds, places, findings);
                continue;
            }
            Op::Static { .. }
            | Op::Unique
            | Op::Mapped { .. }
            | Op::PictureLink
            | Op::PictureSize { .. }
            | Op::SectionMark => continue,
        };
        note(kinds, tag, places, findings);
    }
}

fn note(kinds: &mut Kinds<'_>, tag: u32, places: &[Place], findings: &mut Vec<Finding>) {
    for problem in kinds.take() {
        findings.push(Finding { place: places[tag as usize].clone(), problem });
    }
}
