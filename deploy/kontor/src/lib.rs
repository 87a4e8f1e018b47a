//! The top floor: composes the services and the gateway into one process.
//! Called by `main.rs` and by the tests' Sandbox; nothing else imports it.

pub mod accounts;
pub mod config;
pub mod connector;
mod demo;
pub mod dialler;
mod dialler_plot;
pub mod import;
pub mod memory;
pub mod observe;
pub mod serve;
mod server;
pub mod services;
