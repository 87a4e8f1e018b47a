//! All SQL of segmentation, one file for each thing that it keeps.
//! Called by rpc, the engine, the pulls and the events.

pub mod answer;
pub mod book;
pub mod campaign;
pub mod campaign_move;
pub mod catalogue;
pub mod engine;
pub mod entry;
pub mod erasure;
pub mod facts;
pub mod heard;
pub mod member;
pub mod partner;
pub mod price_list;
pub mod pull;
pub mod purchase;
pub mod questionnaire;
pub mod read;
pub mod rfm;
pub mod segment;
