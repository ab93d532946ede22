//! Results of commands on stdout. No other module of this program writes there; `clap` prints help
//! texts and the version.

mod explanation;
mod json;
mod printer;
mod stdout;
mod text;

pub(super) use printer::{Format, Printer};
pub(super) use stdout::show;
